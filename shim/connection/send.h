/*
 * Sending on a connection: the program's bytes into frames and frames into the kernel, without waiting. The caller
 * holds the connection's lock.
 */
#ifndef PFSWRAP_CONNECTION_SEND_H
#define PFSWRAP_CONNECTION_SEND_H

#include "connection/connection.h"
#include "base/iov_iter.h"

/*
 * Seals from `from` and sends. What it has gone past is sealed and must not be offered again; what of it the kernel
 * did not take is pending (connection->tx), and goes out by send_flush(): with the next call, or in the background.
 * `more`: MSG_MORE, or 0. Returns 0, or a negated errno: EAGAIN, EPIPE, ENOBUFS, what the kernel said; what was
 * gone past before that stays.
 */
int send_some(struct connection *connection, int fd, struct iter *from, int more);

#endif
