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

/* The value of `option`, SO_COOKIE or SO_NETNS_COOKIE; 0: `fd` is not a socket, or the kernel lacks the option. */
static inline uint64_t socket_cookie(int fd, int option)
{
    uint64_t cookie = 0;
    socklen_t length = sizeof cookie;
    return raw_syscall(SYS_getsockopt, fd, SOL_SOCKET, option, &cookie, &length) == 0 ? cookie : 0;
}

#endif
