/*
 * syscall(): system calls by number. The calls that are interposed by name are interposed here, too, if the shim
 * has to act (syscall_list.h). All others are tail calls, so stack and registers stay as they are.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/net.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "base/address_check.h"
#include "base/fork.h"
#include "base/interposed.h"
#include "base/libc.h"
#include "base/process.h"
#include "base/tail_call.h"
#include "fd/plane.h"
#include "fd/events.h"
#include "socket/exit.h"
#include "socket/sandbox.h"
#include "socket/syscall_list.h"
#include "socket/uring.h"
#include "socket/uring_filter.h"

/* The last argument of pselect6(2) points to this. */
struct pselect_argument {
    const sigset_t *mask;
    size_t size;
};

/* On the supported machines, the arguments are passed like this. unistd.h declares syscall(2) with an ellipsis. */
typedef long syscall_function(long number, long a, long b, long c, long d, long e, long f);

static inline syscall_function *real_syscall(void)
{
    return (syscall_function *)(void (*)(void))real_libc()->syscall;
}

static const sigset_t *pselect_mask(const struct pselect_argument *argument)
{
    return argument != NULL ? argument->mask : NULL;
}

#if defined(__i386__)
/* socketcall(2), with the interposed functions. Its other calls make sockets, and are the kernel's. */
static long socketcall_interposed(long call, const long *at)
{
    switch (call) {
    case SYS_CONNECT:
        return connect((int)at[0], POINTER(at[1]), (socklen_t)at[2]);
    case SYS_ACCEPT:
        return accept((int)at[0], POINTER(at[1]), POINTER(at[2]));
    case SYS_ACCEPT4:
        return accept4((int)at[0], POINTER(at[1]), POINTER(at[2]), (int)at[3]);
    case SYS_GETSOCKNAME:
        return getsockname((int)at[0], POINTER(at[1]), POINTER(at[2]));
    case SYS_GETPEERNAME:
        return getpeername((int)at[0], POINTER(at[1]), POINTER(at[2]));
    case SYS_SEND:
        return send((int)at[0], POINTER(at[1]), (size_t)at[2], (int)at[3]);
    case SYS_RECV:
        return recv((int)at[0], POINTER(at[1]), (size_t)at[2], (int)at[3]);
    case SYS_SENDTO:
        return sendto((int)at[0], POINTER(at[1]), (size_t)at[2], (int)at[3], POINTER(at[4]), (socklen_t)at[5]);
    case SYS_RECVFROM:
        return recvfrom((int)at[0], POINTER(at[1]), (size_t)at[2], (int)at[3], POINTER(at[4]), POINTER(at[5]));
    case SYS_SHUTDOWN:
        return shutdown((int)at[0], (int)at[1]);
    case SYS_SETSOCKOPT:
        return setsockopt((int)at[0], (int)at[1], (int)at[2], POINTER(at[3]), (socklen_t)at[4]);
    case SYS_GETSOCKOPT:
        return getsockopt((int)at[0], (int)at[1], (int)at[2], POINTER(at[3]), POINTER(at[4]));
    case SYS_SENDMSG:
        return sendmsg((int)at[0], POINTER(at[1]), (int)at[2]);
    case SYS_RECVMSG:
        return recvmsg((int)at[0], POINTER(at[1]), (int)at[2]);
    case SYS_SENDMMSG:
        return sendmmsg((int)at[0], POINTER(at[1]), (unsigned)at[2], (int)at[3]);
    case SYS_RECVMMSG:
        return recvmmsg((int)at[0], POINTER(at[1]), (unsigned)at[2], (int)at[3], POINTER(at[4]));
    default:
        return real_syscall()(SYS_socketcall, call, (long)at, 0, 0, 0, 0);
    }
}
#endif

/* The interposed function that stands for the number. */
static __attribute__((noinline)) long call_interposed(long number, long a, long b, long c, long d, long e, long f)
{
    switch (number) {
#define X(name, call)                                                                                              \
    case SYS_##name:                                                                                               \
        return call;
        SYSCALLS_DATA(X)
        SYSCALLS_NAMES(X)
        SYSCALLS_CONNECTIONS(X)
        SYSCALLS_DESCRIPTORS(X)
        SYSCALLS_WAITS(X)
        SYSCALLS_SPECIAL(X)
#undef X
    default:
        return real_syscall()(number, a, b, c, d, e, f);
    }
}

/* A fork whose child returns here, on the same stack. */
static __attribute__((noinline)) long call_that_forks(long number, long a, long b, long c, long d, long e, long f)
{
    process_begin_fork(PROCESS_FORK_RAW);
    const long child = real_syscall()(number, a, b, c, d, e, f);
    process_end_fork(process_fork_end_of(child));
    return child;
}

static __attribute__((noinline)) long call_that_sandboxes(long number, long a, long b, long c, long d, long e,
                                                          long f)
{
    struct sandbox sandbox;
    const bool is_prctl = number == SYS_prctl;
    const bool is_filter = is_prctl ? b == SECCOMP_MODE_FILTER : a == SECCOMP_SET_MODE_FILTER;
    if (!sandbox_prepare(&sandbox, sandbox_program(is_filter, (unsigned long)c))) {
        errno = ENOMEM;
        return -1;
    }
    const long result = !is_filter && uring_filter_is_installed() ? uring_filter_strict()
                                                                  : real_syscall()(number, a, b, c, d, e, f);
    /* With SECCOMP_FILTER_FLAG_NEW_LISTENER the result is a descriptor; with TSYNC it may be a thread's id. */
    const bool is_thread = !is_prctl && ((unsigned long)b & SECCOMP_FILTER_FLAG_TSYNC) != 0 && result > 0 &&
                           ((unsigned long)b & SECCOMP_FILTER_FLAG_NEW_LISTENER) == 0;
    sandbox_finish(&sandbox, result >= 0 && !is_thread);
    return result;
}

enum family { PLAIN, NO_SECCOMP, INTERPOSED, FORKS, MAY_FORK_LATER, SANDBOXES, EXITS, RING, ASYNCHRONOUS };

/*
 * clone(2) and clone3(2) may make a thread or a child of vfork(), for which nothing has to be done. A child on
 * another stack does not return here.
 */
static enum family family_of_clone(unsigned long flags, bool other_stack)
{
    process_check(); /* as in vfork() (fork.c) */
    if ((flags & CLONE_VM) != 0 || !planes_have_connections())
        return PLAIN;
    return other_stack ? MAY_FORK_LATER : FORKS;
}

static enum family interposed_if(bool condition)
{
    return condition ? INTERPOSED : PLAIN;
}

static enum family family_of(long number, long a, long b, long c, long d)
{
#define X(name, call) case SYS_##name:
    switch (number) {
        SYSCALLS_DATA(X)
        return interposed_if(fd_is_known((int)a));
        SYSCALLS_NAMES(X)
        SYSCALLS_CONNECTIONS(X)
        return interposed_if(planes_want());
        SYSCALLS_DESCRIPTORS(X)
        return INTERPOSED;
        SYSCALLS_WAITS(X)
        return interposed_if(events_are_filtered());
#undef X
    case SYS_sendto: /* with MSG_FASTOPEN it connects the socket */
        return interposed_if(fd_is_known((int)a) || ((d & MSG_FASTOPEN) != 0 && planes_want()));
    case SYS_fcntl:
        return interposed_if(fd_is_known((int)a) || b == F_DUPFD || b == F_DUPFD_CLOEXEC);
    case SYS_epoll_ctl:
        return interposed_if(fd_is_known((int)c));
#if defined(__i386__)
    case SYS_fcntl64:
        return interposed_if(fd_is_known((int)a) || b == F_DUPFD || b == F_DUPFD_CLOEXEC);
    case SYS_recvmmsg_time64:
        return interposed_if(planes_want());
    case SYS_socketcall:
        return interposed_if(planes_want() && !address_is_bad(POINTER(b)));
#endif
#ifdef SYS_fork
    case SYS_fork:
        return planes_have_connections() ? FORKS : PLAIN;
#endif
    case SYS_clone:
        return family_of_clone((unsigned long)a, b != 0);
    case SYS_clone3: {
        const struct clone_args *arguments = POINTER(a);
        return arguments != NULL ? family_of_clone((unsigned long)arguments->flags, arguments->stack != 0) : PLAIN;
    }
    case SYS_exit_group:
        return EXITS;
    case SYS_prctl:
        if (a == PR_GET_SECCOMP && uring_filter_is_hidden())
            return NO_SECCOMP;
        return a == PR_SET_SECCOMP && (b == SECCOMP_MODE_STRICT || b == SECCOMP_MODE_FILTER) ? SANDBOXES : PLAIN;
    case SYS_seccomp:
        return a == SECCOMP_SET_MODE_STRICT || a == SECCOMP_SET_MODE_FILTER ? SANDBOXES : PLAIN;
    case SYS_io_uring_setup:
        return planes_enforce() ? RING : PLAIN;
    case SYS_io_submit:
        return uring_matters() ? ASYNCHRONOUS : PLAIN;
    default:
        return PLAIN;
    }
}

PFSWRAP_EXPORT syscall_function syscall_by_number __asm__("syscall");

TAIL_CALLER long syscall_by_number(long number, long a, long b, long c, long d, long e, long f)
{
    switch (family_of(number, a, b, c, d)) {
    case PLAIN:
        break;
    case NO_SECCOMP:
        return 0;
    case INTERPOSED:
        return call_interposed(number, a, b, c, d, e, f);
    case FORKS:
        return call_that_forks(number, a, b, c, d, e, f);
    case MAY_FORK_LATER: /* process_check() does the work after the fork, in the child's first call */
        process_announce_fork();
        break;
    case SANDBOXES:
        return call_that_sandboxes(number, a, b, c, d, e, f);
    case EXITS:
        exit_connections();
        break;
    case RING:
        errno = ENOSYS;
        return -1;
    case ASYNCHRONOUS:
        if (uring_refuses(b, POINTER(c)))
            return -1;
        break;
    }
    TAIL_CALL return real_syscall()(number, a, b, c, d, e, f);
}
