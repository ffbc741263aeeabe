/*
 * The relay: a process that takes a sealed connection over while the program gets one end of a socket pair at the
 * same numbers. It serves whatever reads and writes without an interposed call: libc's own streams at 0, 1 and 2,
 * static and foreign programs after exec, processes that get the descriptor in a message (SCM_RIGHTS, unix(7)).
 */
#ifndef PFSWRAP_TRANSFER_RELAY_H
#define PFSWRAP_TRANSFER_RELAY_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "connection/endpoint.h"

/*
 * Whether a sealed connection that is to stand at `number` has to be relayed: at 0, 1 and 2, and everywhere in a
 * child of vfork(), whose table of descriptors is its parent's.
 */
bool relay_is_needed(int number);

/*
 * Hands the connection behind `fd` to a relay. All its numbers in this process are then ends of one socket pair,
 * with the program's O_NONBLOCK, close-on-exec, timeouts and places in epoll instances. Returns 0, also if `fd` is
 * no sealed descriptor (any more), or an errno and nothing has changed: EMFILE, ENOMEM, EAGAIN (no process can be
 * made).
 */
int relay_start(int fd);

/*
 * The same for one place: makes a relay for the endpoint's connection, of which `socket` is a descriptor, and
 * changes no number. Returns the program's end, with close-on-exec; or a negated errno. Locked before and after.
 */
int relay_make(struct endpoint *endpoint, struct connection *connection, int socket);

/* The relay itself, in the process made for it: `end` is its end of the pair, `program` the process that has
 * made it. Never returns. */
_Noreturn void relay_run(struct endpoint *endpoint, int fd, int end, pid_t program);

/* Names `end` after the connection's addresses, so that whoever has the program's end can be told. */
int relay_name_bind(int end, const struct connection *connection);

/*
 * Whether `fd` is the program's end of a relayed connection, here or in the process that passed it on; then the
 * connection's addresses. NULL where they are not asked for. Keeps errno.
 */
bool relay_name_read(int fd, struct sockaddr_in6 *self, struct sockaddr_in6 *peer);

/* Whether that is so for the name that getpeername(2) gave for it, and what is in it. */
bool relay_name_parse(const struct sockaddr *name, socklen_t length, struct sockaddr_in6 *self,
                      struct sockaddr_in6 *peer);

/* The length of an address of its family, for what getsockname(2) returns. */
socklen_t relay_name_length(const struct sockaddr_in6 *address);

#endif
