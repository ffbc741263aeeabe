/*
 * What the test programs use of glibc, and musl 1.2.3 lacks. The build of the test programs for musl reads this
 * file before each of them (mk/target/x86_64-musl.mk), so their sources are the same for both C libraries.
 */
#ifndef TESTS_MUSL_PROGRAMS_H
#define TESTS_MUSL_PROGRAMS_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))

/* System calls without a function; they come to the shim by syscall(2). */
#ifndef RWF_NOWAIT
#define RWF_HIPRI 1
#define RWF_NOWAIT 8
#define RWF_APPEND 16
#define RWF_DSYNC 2
#define RWF_SYNC 4
UNUSED static inline ssize_t preadv2(int fd, const struct iovec *vectors, int count, off_t offset, int flags)
{
    return syscall(SYS_preadv2, fd, vectors, count, offset, 0, flags);
}
UNUSED static inline ssize_t pwritev2(int fd, const struct iovec *vectors, int count, off_t offset, int flags)
{
    return syscall(SYS_pwritev2, fd, vectors, count, offset, 0, flags);
}
#define preadv64v2 preadv2
#define pwritev64v2 pwritev2
#endif

UNUSED static inline int execveat(int folder, const char *path, char *const arguments[], char *const environment[],
                                  int flags)
{
    return (int)syscall(SYS_execveat, folder, path, arguments, environment, flags);
}

UNUSED static inline int close_range(unsigned first, unsigned last, int flags)
{
    return (int)syscall(SYS_close_range, first, last, flags);
}

UNUSED static inline void closefrom(int first)
{
    (void)close_range((unsigned)first, ~0U, 0);
}

UNUSED static inline int epoll_pwait2(int epoll, struct epoll_event *events, int room,
                                      const struct timespec *timeout, const sigset_t *mask)
{
    return (int)syscall(SYS_epoll_pwait2, epoll, events, room, timeout, mask, _NSIG / 8);
}

/* posix_spawn(3) ignores that a descriptor is not open. */
UNUSED static inline int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions, int first)
{
    enum { MOST = 256 };
    for (int fd = first; fd < MOST; fd++)
        if (posix_spawn_file_actions_addclose(actions, fd) != 0)
            return ENOMEM;
    return 0;
}

/* All versions of a function are one. */
#define dlvsym(handle, name, version) dlsym(handle, name)
#define RTLD_DEEPBIND 0

UNUSED static inline const char *strerrorname_np(int error)
{
    return strerror(error);
}

/* <error.h> and <execinfo.h> */
UNUSED static inline void error(int status, int number, const char *format, ...)
{
    va_list list;
    (void)fflush(stdout);
    (void)fprintf(stderr, "%s: ", program_invocation_name);
    va_start(list, format);
    (void)vfprintf(stderr, format, list);
    va_end(list);
    (void)fprintf(stderr, number != 0 ? ": %s\n" : "\n", strerror(number));
    if (status != 0)
        exit(status);
}

UNUSED static inline int backtrace(void **frames, int room)
{
    (void)room;
    frames[0] = __builtin_return_address(0);
    return 1;
}

UNUSED static inline void backtrace_symbols_fd(void *const *frames, int count, int fd)
{
    for (int i = 0; i < count; i++)
        (void)dprintf(fd, "[%p]\n", frames[i]);
}

#endif
