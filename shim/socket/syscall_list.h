/*
 * The interposed functions of libc that are also system calls. For each it has the call, with the arguments a to f
 * of syscall(2). syscall.c makes its cases from this list. tests/apps/project/test_hermetic.py compares the list
 * with the interposed functions and with the kernel's numbers: a call that were missing here would bypass the shim.
 *
 * The families say when the interposed function is called in place of the kernel:
 *     DATA          something is recorded about the number `a` in the table of descriptors
 *     DESCRIPTORS   always: the function makes, closes or duplicates descriptors, or executes a program
 *     CONNECTIONS   a plane wants new connections
 *     NAMES         the same: the descriptor may be the program's end of a relay (transfer/relay.h)
 *     WAITS         there are descriptors whose events have to be checked (fd/events.h)
 */
#ifndef PFSWRAP_SOCKET_SYSCALL_LIST_H
#define PFSWRAP_SOCKET_SYSCALL_LIST_H

#include <stdint.h>
#include <sys/syscall.h>

#define POINTER(value) ((void *)(value))

/* An offset of 64 bits, in one argument or in two. */
#if defined(__i386__)
#define OFFSET(low, high) ((off64_t)((uint64_t)(uint32_t)(high) << 32 | (uint32_t)(low)))
#define SYSCALLS_WIDE_DATA(X) X(sendfile64, sendfile64((int)a, (int)b, POINTER(c), (size_t)d))
#else
#define OFFSET(low, high) ((off64_t)(low))
#define SYSCALLS_WIDE_DATA(X)
#endif

#define SYSCALLS_DATA(X)                                                                                           \
    SYSCALLS_WIDE_DATA(X)                                                                                          \
    X(read, read((int)a, POINTER(b), (size_t)c))                                                                   \
    X(write, write((int)a, POINTER(b), (size_t)c))                                                                 \
    X(readv, readv((int)a, POINTER(b), (int)c))                                                                    \
    X(writev, writev((int)a, POINTER(b), (int)c))                                                                  \
    X(preadv2, preadv64v2((int)a, POINTER(b), (int)c, OFFSET(d, e), (int)f))                                       \
    X(pwritev2, pwritev64v2((int)a, POINTER(b), (int)c, OFFSET(d, e), (int)f))                                     \
    X(recvfrom, recvfrom((int)a, POINTER(b), (size_t)c, (int)d, POINTER(e), POINTER(f)))                           \
    X(ioctl, ioctl((int)a, (ioctl_request)b, c))                                                                   \
    X(shutdown, shutdown((int)a, (int)b))                                                                          \
    X(sendfile, sendfile((int)a, (int)b, POINTER(c), (size_t)d))

#define SYSCALLS_NAMES(X)                                                                                          \
    X(getpeername, getpeername((int)a, POINTER(b), POINTER(c)))                                                    \
    X(getsockname, getsockname((int)a, POINTER(b), POINTER(c)))                                                    \
    X(getsockopt, getsockopt((int)a, (int)b, (int)c, POINTER(d), POINTER(e)))                                      \
    X(setsockopt, setsockopt((int)a, (int)b, (int)c, POINTER(d), (socklen_t)e))

/* i386 has this one in socketcall(2) only. */
#if defined(SYS_accept)
#define SYSCALLS_ACCEPT(X) X(accept, accept((int)a, POINTER(b), POINTER(c)))
#else
#define SYSCALLS_ACCEPT(X)
#endif
#define SYSCALLS_CONNECTIONS(X)                                                                                    \
    X(connect, connect((int)a, POINTER(b), (socklen_t)c))                                                          \
    SYSCALLS_ACCEPT(X)                                                                                             \
    X(accept4, accept4((int)a, POINTER(b), POINTER(c), (int)d))                                                    \
    X(sendmsg, sendmsg((int)a, POINTER(b), (int)c))                                                                \
    X(sendmmsg, sendmmsg((int)a, POINTER(b), (unsigned)c, (int)d))                                                 \
    X(recvmsg, recvmsg((int)a, POINTER(b), (int)c))                                                                \
    X(recvmmsg, recvmmsg((int)a, POINTER(b), (unsigned)c, (int)d, POINTER(e)))                                     \
    X(splice, splice((int)a, POINTER(b), (int)c, POINTER(d), (size_t)e, (unsigned)f))                              \
    X(copy_file_range, copy_file_range((int)a, POINTER(b), (int)c, POINTER(d), (size_t)e, (unsigned)f))

#if defined(SYS_dup2)
#define SYSCALLS_OLD_DESCRIPTORS(X) X(dup2, dup2((int)a, (int)b))
#else
#define SYSCALLS_OLD_DESCRIPTORS(X)
#endif
#define SYSCALLS_DESCRIPTORS(X)                                                                                    \
    SYSCALLS_OLD_DESCRIPTORS(X)                                                                                    \
    X(close, close((int)a))                                                                                        \
    X(close_range, close_range((unsigned)a, (unsigned)b, (int)c))                                                  \
    X(dup, dup((int)a))                                                                                            \
    X(dup3, dup3((int)a, (int)b, (int)c))                                                                          \
    X(execve, execve(POINTER(a), POINTER(b), POINTER(c)))                                                          \
    X(execveat, execveat((int)a, POINTER(b), POINTER(c), POINTER(d), (int)e))

/* i386 has each call with seconds of 32 and of 64 bits. The oldest select(2) has its arguments in memory. */
#if defined(__i386__)
#define SYSCALLS_OLD_WAITS(X)                                                                                      \
    X(poll, poll(POINTER(a), (nfds_t)b, (int)c))                                                                   \
    X(select, select((int)((long *)a)[0], POINTER(((long *)a)[1]), POINTER(((long *)a)[2]),                        \
                     POINTER(((long *)a)[3]), POINTER(((long *)a)[4])))                                            \
    X(_newselect, select((int)a, POINTER(b), POINTER(c), POINTER(d), POINTER(e)))                                  \
    X(epoll_wait, epoll_wait((int)a, POINTER(b), (int)c, (int)d))                                                  \
    X(ppoll_time64, __ppoll64(POINTER(a), (nfds_t)b, POINTER(c), POINTER(d)))                                      \
    X(pselect6_time64,                                                                                             \
      __pselect64((int)a, POINTER(b), POINTER(c), POINTER(d), POINTER(e), pselect_mask(POINTER(f))))               \
    X(epoll_pwait2, __epoll_pwait2_time64((int)a, POINTER(b), (int)c, POINTER(d), POINTER(e)))
/* 64-bit ARM does not have the older calls. */
#elif defined(SYS_poll)
#define SYSCALLS_OLD_WAITS(X)                                                                                      \
    X(poll, poll(POINTER(a), (nfds_t)b, (int)c))                                                                   \
    X(select, select((int)a, POINTER(b), POINTER(c), POINTER(d), POINTER(e)))                                      \
    X(epoll_wait, epoll_wait((int)a, POINTER(b), (int)c, (int)d))                                                  \
    X(epoll_pwait2, epoll_pwait2((int)a, POINTER(b), (int)c, POINTER(d), POINTER(e)))
#else
#define SYSCALLS_OLD_WAITS(X) X(epoll_pwait2, epoll_pwait2((int)a, POINTER(b), (int)c, POINTER(d), POINTER(e)))
#endif
#define SYSCALLS_WAITS(X)                                                                                          \
    SYSCALLS_OLD_WAITS(X)                                                                                          \
    X(ppoll, ppoll(POINTER(a), (nfds_t)b, POINTER(c), POINTER(d)))                                                 \
    X(pselect6, pselect((int)a, POINTER(b), POINTER(c), POINTER(d), POINTER(e), pselect_mask(POINTER(f))))         \
    X(epoll_pwait, epoll_pwait((int)a, POINTER(b), (int)c, (int)d, POINTER(e)))

/* Calls with a condition of their own: in family_of() (syscall.c). */
#if defined(__i386__)
#define SYSCALLS_WIDE_SPECIAL(X)                                                                                   \
    X(fcntl64, fcntl64((int)a, (int)b, c))                                                                         \
    X(recvmmsg_time64, __recvmmsg64((int)a, POINTER(b), (unsigned)c, (int)d, POINTER(e)))                          \
    X(socketcall, socketcall_interposed(a, POINTER(b)))
#else
#define SYSCALLS_WIDE_SPECIAL(X)
#endif
#define SYSCALLS_SPECIAL(X)                                                                                        \
    SYSCALLS_WIDE_SPECIAL(X)                                                                                       \
    X(sendto, sendto((int)a, POINTER(b), (size_t)c, (int)d, POINTER(e), (socklen_t)f))                             \
    X(fcntl, fcntl((int)a, (int)b, c))                                                                             \
    X(epoll_ctl, epoll_ctl((int)a, (int)b, (int)c, POINTER(d)))

#endif
