/*
 * The functions that glibc 2.17 or musl 1.2.3 lack, as bare system calls.
 */
#include "base/libc_newer.h"

#include <errno.h>
#include <stddef.h>
#include <unistd.h>
#if defined(__i386__)
#include <linux/time_types.h>
#endif

#include "base/libc.h"
#include "base/raw_syscall.h"

enum { SIGNAL_SET_BYTES = 8 }; /* as the kernel counts them */

static long result_of(long result)
{
    if (result >= 0)
        return result;
    errno = (int)-result;
    return -1;
}

static int newer_close_range(unsigned first, unsigned last, int flags)
{
    return (int)result_of(raw_syscall(SYS_close_range, first, last, flags));
}

static int newer_execveat(int folder, const char *path, char *const arguments[], char *const environment[],
                          int flags)
{
    return (int)result_of(raw_syscall(SYS_execveat, folder, path, arguments, environment, flags));
}

static int newer_epoll_pwait2(int epoll, struct epoll_event *events, int room, const struct timespec *timeout,
                              const sigset_t *mask)
{
#if defined(__i386__)
    /* the kernel's seconds have 64 bits */
    struct __kernel_timespec wide;
    if (timeout != NULL)
        wide = (struct __kernel_timespec){.tv_sec = timeout->tv_sec, .tv_nsec = timeout->tv_nsec};
    const void *const wait = timeout != NULL ? &wide : NULL;
#else
    const void *const wait = timeout;
#endif
    return (int)result_of(raw_syscall(SYS_epoll_pwait2, epoll, events, room, wait, mask, SIGNAL_SET_BYTES));
}

/* The fifth argument is the upper half of the offset, which the kernel looks at on 32-bit machines only. */
static ssize_t newer_preadv2(int fd, const struct iovec *vectors, int count, off_t offset, int flags)
{
    return result_of(raw_syscall(SYS_preadv2, fd, vectors, count, offset, (int64_t)offset >> 32, flags));
}

static ssize_t newer_pwritev2(int fd, const struct iovec *vectors, int count, off_t offset, int flags)
{
    return result_of(raw_syscall(SYS_pwritev2, fd, vectors, count, offset, (int64_t)offset >> 32, flags));
}

static ssize_t newer_copy_file_range(int fd, off_t *offset, int other, off_t *other_offset, size_t count,
                                     unsigned flags)
{
    return result_of(raw_syscall(SYS_copy_file_range, fd, offset, other, other_offset, count, flags));
}

/* libc would have to keep its own state in order, so it has no stand-in. */
static pid_t newer_fork(void)
{
    errno = ENOSYS;
    return -1;
}

#define ENTRY(name, function)                                                                                      \
    {                                                                                                              \
        name, (void (*)(void))(function)                                                                           \
    }

const struct libc_newer libc_newer[] = {
    ENTRY("close_range", newer_close_range),
    ENTRY("_Fork", newer_fork),
    ENTRY("epoll_pwait2", newer_epoll_pwait2),
    ENTRY("execveat", newer_execveat),
    ENTRY("preadv2", newer_preadv2),
    ENTRY("preadv64v2", newer_preadv2),
    ENTRY("pwritev2", newer_pwritev2),
    ENTRY("pwritev64v2", newer_pwritev2),
    ENTRY("copy_file_range", newer_copy_file_range),
    {NULL, NULL},
};
