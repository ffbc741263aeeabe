/*
 * The numbers that identify a socket (SO_COOKIE, socket(7)) and its network namespace (SO_NETNS_COOKIE). All
 * descriptors of a socket have the same cookie, in every process, and the kernel never uses a cookie twice. Makes
 * one system call, and keeps errno.
 */
#ifndef PFSWRAP_BASE_SOCKET_COOKIE_H
#define PFSWRAP_BASE_SOCKET_COOKIE_H

#include <stdint.h>
#include <sys/socket.h>

#include "base/raw_syscall.h"

/*
 * Reads `option`, SO_COOKIE or SO_NETNS_COOKIE. Returns 0, or a negative errno value; -ENOPROTOOPT: the kernel
 * lacks the option.
 */
static inline long socket_cookie_read(int fd, int option, uint64_t *cookie)
{
    socklen_t length = sizeof *cookie;
    *cookie = 0;
    return raw_syscall(SYS_getsockopt, fd, SOL_SOCKET, option, cookie, &length);
}

/* The value of `option`; 0: `fd` is not a socket, or the kernel did not answer. */
static inline uint64_t socket_cookie(int fd, int option)
{
    uint64_t cookie;
    return socket_cookie_read(fd, option, &cookie) == 0 ? cookie : 0;
}

#endif
