/*
 * The numbers that the kernel gives to a socket and to its network namespace (socket(7)): the same under every
 * number of a descriptor, in every process, and never given twice. No libc, and errno is left alone.
 */
#ifndef PFSWRAP_BASE_SOCKET_COOKIE_H
#define PFSWRAP_BASE_SOCKET_COOKIE_H

#include <stdint.h>
#include <sys/socket.h>

#include "base/raw_syscall.h"

/* What `option` says, SO_COOKIE or SO_NETNS_COOKIE; 0: `fd` is no socket, or the kernel does not know the option.
 */
static inline uint64_t socket_cookie(int fd, int option)
{
    uint64_t cookie = 0;
    socklen_t length = sizeof cookie;
    return raw_syscall(SYS_getsockopt, fd, SOL_SOCKET, option, &cookie, &length) == 0 ? cookie : 0;
}

#endif
