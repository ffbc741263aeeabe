/*
 * Makes the program's end of a relayed connection, one of a pair of Unix sockets, look like a TCP socket. For
 * option.c.
 */
#ifndef PFSWRAP_SOCKET_ADDRESS_H
#define PFSWRAP_SOCKET_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

/* Whether `fd` is the program's end of a relayed connection. */
bool address_is_relayed(int fd);

/*
 * The kernel has refused an option of TCP or IP. If `fd` is relayed, returns true, and the call succeeds: setting
 * has no effect (`value` and `length` are NULL), and getting returns 0 in `value`, like an option that was never
 * set.
 */
bool address_option_refused(int fd, int level, int option, void *value, socklen_t *length);

/* The kernel has returned SO_DOMAIN or SO_PROTOCOL. If `fd` is relayed, the value becomes that of a TCP socket. */
void address_option_answered(int fd, int option, void *value, socklen_t length);

#endif
