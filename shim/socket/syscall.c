/*
 * syscall(): system calls by number. What is interposed by name is interposed here, too, where a sealed descriptor
 * or a process is concerned; everything else is a tail call, which leaves stack and registers as they are.
 */
#include <errno.h>
#include <fcntl.h>
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

#include "connection/endpoint.h"
#include "base/fork.h"
#include "base/process.h"
#include "readiness/readiness.h"
#include "connection/release.h"
#include "config/init.h"
#include "base/interposed.h"
#include "base/libc.h"
#include "socket/process.h"
#include "base/tail_call.h"
#include "socket/uring.h"
#include "inspect/inspect.h"

/* syscall(2), whose arguments all travel as this says on the machines we know. unistd.h has it with an ellipsis. */
typedef long syscall_function(long number, long a, long b, long c, long d, long e, long f);

static inline syscall_function *real_syscall(void)
{
    return (syscall_function *)(void (*)(void))real_libc()->syscall;
}

#define POINTER(value) ((void *)(value))

/* Calls whose first argument is a descriptor, for one that is sealed. */
static __attribute__((noinline)) long call_on_sealed(long number, long a, long b, long c, long d, long e, long f)
{
    const int fd = (int)a;
    switch (number) {
    case SYS_read:
        return read(fd, POINTER(b), (size_t)c);
    case SYS_write:
        return write(fd, POINTER(b), (size_t)c);
    case SYS_readv:
        return readv(fd, POINTER(b), (int)c);
    case SYS_writev:
        return writev(fd, POINTER(b), (int)c);
    case SYS_preadv2:
        return preadv2(fd, POINTER(b), (int)c, (off_t)d, (int)f);
    case SYS_pwritev2:
        return pwritev2(fd, POINTER(b), (int)c, (off_t)d, (int)f);
    case SYS_sendto:
        return sendto(fd, POINTER(b), (size_t)c, (int)d, POINTER(e), (socklen_t)f);
    case SYS_recvfrom:
        return recvfrom(fd, POINTER(b), (size_t)c, (int)d, POINTER(e), POINTER(f));
    case SYS_ioctl:
        return ioctl(fd, (unsigned long)b, c);
    case SYS_shutdown:
        return shutdown(fd, (int)b);
    case SYS_getsockopt:
        return getsockopt(fd, (int)b, (int)c, POINTER(d), POINTER(e));
    case SYS_setsockopt:
        return setsockopt(fd, (int)b, (int)c, POINTER(d), (socklen_t)e);
    case SYS_sendfile:
        return sendfile(fd, (int)b, POINTER(c), (size_t)d);
    default:
        return real_syscall()(number, a, b, c, d, e, f);
    }
}

/* Calls that make or end descriptors, or pass them on: always ours, which know what is theirs to do. */
static __attribute__((noinline)) long call_on_descriptors(long number, long a, long b, long c, long d, long e,
                                                          long f)
{
    switch (number) {
    case SYS_close:
        return close((int)a);
    case SYS_close_range:
        return close_range((unsigned)a, (unsigned)b, (int)c);
#ifdef SYS_dup2
    case SYS_dup2:
        return dup2((int)a, (int)b);
#endif
    case SYS_dup3:
        return dup3((int)a, (int)b, (int)c);
    case SYS_dup:
        return dup((int)a);
    case SYS_fcntl:
        return fcntl((int)a, (int)b, c);
    case SYS_connect:
        return connect((int)a, POINTER(b), (socklen_t)c);
    case SYS_accept:
        return accept((int)a, POINTER(b), POINTER(c));
    case SYS_accept4:
        return accept4((int)a, POINTER(b), POINTER(c), (int)d);
    case SYS_sendmsg:
        return sendmsg((int)a, POINTER(b), (int)c);
    case SYS_sendmmsg:
        return sendmmsg((int)a, POINTER(b), (unsigned)c, (int)d);
    case SYS_recvmsg:
        return recvmsg((int)a, POINTER(b), (int)c);
    case SYS_recvmmsg:
        return recvmmsg((int)a, POINTER(b), (unsigned)c, (int)d, POINTER(e));
    case SYS_splice:
        return splice((int)a, POINTER(b), (int)c, POINTER(d), (size_t)e, (unsigned)f);
    case SYS_copy_file_range:
        return copy_file_range((int)a, POINTER(b), (int)c, POINTER(d), (size_t)e, (unsigned)f);
    case SYS_epoll_ctl:
        return epoll_ctl((int)a, (int)b, (int)c, POINTER(d));
    case SYS_execve:
        return execve(POINTER(a), POINTER(b), POINTER(c));
    case SYS_execveat:
        return execveat((int)a, POINTER(b), POINTER(c), POINTER(d), (int)e);
    default:
        return real_syscall()(number, a, b, c, d, e, f);
    }
}

/* The set of signals, and its size, that pselect6(2) has behind one pointer. */
struct pselect_mask {
    const sigset_t *mask;
    size_t size;
};

/* Calls that wait, while there is a descriptor that does not wait as the kernel would. */
static __attribute__((noinline)) long call_that_waits(long number, long a, long b, long c, long d, long e, long f)
{
    const struct pselect_mask *mask = POINTER(f);
    switch (number) {
#ifdef SYS_poll
    case SYS_poll:
        return poll(POINTER(a), (nfds_t)b, (int)c);
#endif
    case SYS_ppoll:
        return ppoll(POINTER(a), (nfds_t)b, POINTER(c), POINTER(d));
#ifdef SYS_select
    case SYS_select:
        return select((int)a, POINTER(b), POINTER(c), POINTER(d), POINTER(e));
#endif
    case SYS_pselect6:
        return pselect((int)a, POINTER(b), POINTER(c), POINTER(d), POINTER(e), mask != NULL ? mask->mask : NULL);
#ifdef SYS_epoll_wait
    case SYS_epoll_wait:
        return epoll_wait((int)a, POINTER(b), (int)c, (int)d);
#endif
    case SYS_epoll_pwait:
        return epoll_pwait((int)a, POINTER(b), (int)c, (int)d, POINTER(e));
    case SYS_epoll_pwait2:
        return epoll_pwait2((int)a, POINTER(b), (int)c, POINTER(d), POINTER(e));
    default:
        return real_syscall()(number, a, b, c, d, e, f);
    }
}

/* A fork: by the number of a call that returns in the child, on this stack. */
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
    process_before_sandbox();
    const long result = real_syscall()(number, a, b, c, d, e, f);
    process_after_sandbox(result == 0);
    return result;
}

enum family {
    PLAIN,
    ON_SEALED,
    ON_DESCRIPTORS,
    WAITS,
    FORKS,
    MAY_FORK_LATER,
    SANDBOXES,
    EXITS,
    RING,
    ASYNCHRONOUS
};

/* What clone(2) and clone3(2) make: a thread or a vfork child is none of our business, nor one on another stack. */
static enum family family_of_clone(unsigned long flags, bool other_stack)
{
    if ((flags & CLONE_VM) != 0 || atomic_load(&endpoint_count) == 0)
        return PLAIN;
    return other_stack ? MAY_FORK_LATER : FORKS;
}

static enum family family_of(long number, long a, long b, long c, long d)
{
    switch (number) {
    case SYS_sendto:
        if ((d & MSG_FASTOPEN) != 0 && (pfswrap_seals() || inspect_is_wanted()))
            return ON_SEALED; /* it connects, and is to be found sealed, or inspected, before it sends */
        return endpoint_is_sealed((int)a) || inspect_is_on((int)a) ? ON_SEALED : PLAIN;
    case SYS_read:
    case SYS_write:
    case SYS_readv:
    case SYS_writev:
    case SYS_preadv2:
    case SYS_pwritev2:
    case SYS_recvfrom:
    case SYS_ioctl:
    case SYS_shutdown:
    case SYS_getsockopt:
    case SYS_setsockopt:
    case SYS_sendfile:
        return endpoint_is_sealed((int)a) || inspect_is_on((int)a) ? ON_SEALED : PLAIN;
    case SYS_close:
    case SYS_close_range:
#ifdef SYS_dup2
    case SYS_dup2:
#endif
    case SYS_dup3:
    case SYS_dup:
    case SYS_execve:
    case SYS_execveat:
        return ON_DESCRIPTORS;
    case SYS_fcntl:
        return endpoint_is_sealed((int)a) || b == F_DUPFD || b == F_DUPFD_CLOEXEC ? ON_DESCRIPTORS : PLAIN;
    case SYS_connect:
    case SYS_accept:
    case SYS_accept4:
    case SYS_sendmsg:
    case SYS_sendmmsg:
    case SYS_recvmsg:
    case SYS_recvmmsg:
    case SYS_splice:
    case SYS_copy_file_range:
        return pfswrap_seals() || inspect_is_wanted() ? ON_DESCRIPTORS : PLAIN;
    case SYS_epoll_ctl:
        return endpoint_is_sealed((int)c) ? ON_DESCRIPTORS : PLAIN;
#ifdef SYS_poll
    case SYS_poll:
    case SYS_select:
    case SYS_epoll_wait:
#endif
    case SYS_ppoll:
    case SYS_pselect6:
    case SYS_epoll_pwait:
    case SYS_epoll_pwait2:
        return readiness_matters() ? WAITS : PLAIN;
#ifdef SYS_fork
    case SYS_fork:
        return atomic_load(&endpoint_count) > 0 ? FORKS : PLAIN;
#endif
    case SYS_clone:
        return family_of_clone((unsigned long)a, b != 0);
    case SYS_clone3: {
        const struct clone_args *arguments = POINTER(a);
        return arguments != NULL ? family_of_clone(arguments->flags, arguments->stack != 0) : PLAIN;
    }
    case SYS_exit_group:
        return EXITS;
    case SYS_prctl:
        return a == PR_SET_SECCOMP && pfswrap_seals() && !process_is_vfork_child() ? SANDBOXES : PLAIN;
    case SYS_seccomp:
        return (a == SECCOMP_SET_MODE_STRICT || a == SECCOMP_SET_MODE_FILTER) &&
                       (pfswrap_seals() || inspect_is_wanted())
                   ? SANDBOXES
                   : PLAIN;
    case SYS_io_uring_setup:
        return pfswrap_seals() || inspect_enforces() ? RING : PLAIN;
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
    case ON_SEALED:
        return call_on_sealed(number, a, b, c, d, e, f);
    case ON_DESCRIPTORS:
        return call_on_descriptors(number, a, b, c, d, e, f);
    case WAITS:
        return call_that_waits(number, a, b, c, d, e, f);
    case FORKS:
        return call_that_forks(number, a, b, c, d, e, f);
    case MAY_FORK_LATER: /* process_check() makes up for what is not done here after the fork */
        process_announce_fork();
        break;
    case SANDBOXES:
        return call_that_sandboxes(number, a, b, c, d, e, f);
    case EXITS:
        release_all();
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
