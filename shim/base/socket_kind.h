/*
 * What kind of socket a descriptor is. Asks the kernel (socket(7)). The answer of a kernel that does not reply,
 * because a system call filter forbids the question, is "it may be": the caller then refuses instead of letting
 * data pass.
 */
#ifndef PFSWRAP_BASE_SOCKET_KIND_H
#define PFSWRAP_BASE_SOCKET_KIND_H

#include <stdbool.h>

/* Whether `fd` is a TCP or MPTCP socket. True if that cannot be found out. */
bool socket_may_be_tcp(int fd);

/* Whether `fd` is an IPv4 or IPv6 socket. True if that cannot be found out. */
bool socket_may_be_internet(int fd);

#endif
