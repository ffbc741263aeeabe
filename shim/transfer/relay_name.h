/*
 * The names of relays. To the kernel, the program's end of a relayed connection is one of a pair of Unix sockets.
 * The relay binds its own end to an abstract name (unix(7)) that contains both addresses of the TCP connection. So
 * a relay's end needs no kind of its own in the table of descriptors: getpeername(2) recognises it in every
 * process, also in one that received it through exec or SCM_RIGHTS. Makes system calls only.
 */
#ifndef PFSWRAP_TRANSFER_RELAY_NAME_H
#define PFSWRAP_TRANSFER_RELAY_NAME_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "connection/connection.h"
#include "fd/program_socket.h"

/* Gives the relay's `end` the name of the connection. Returns 0 or a negative errno value of bind(2). */
int relay_name_bind(int end, const struct connection *connection);

/*
 * Whether `fd` is the program's end of a relayed connection. If so, *self and *peer are the addresses of the TCP
 * connection; NULL: not wanted. Keeps errno.
 */
bool relay_name_read(int fd, struct sockaddr_in6 *self, struct sockaddr_in6 *peer);

/* For shim/order.c: the addresses of relayed connections, for modules that must not call interposed functions. */
extern const struct address_resolver relay_address_resolver;

#endif
