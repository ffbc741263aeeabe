/*
 * Sending on a connection: the program's bytes into frames, and frames to the kernel. Nothing here waits. The
 * caller holds the connection's lock.
 */
#ifndef PFSWRAP_CONNECTION_SEND_H
#define PFSWRAP_CONNECTION_SEND_H

#include "connection/connection.h"
#include "base/iov_iter.h"

/*
 * Seals the bytes of `from` and sends them. `from` advances past the bytes that are sealed; they must not be sealed
 * again. Those that the kernel did not take are pending (connection->tx). send_flush() sends them, in the next call
 * or in the background thread. `more`: MSG_MORE, or 0. Returns 0, or a negative errno value: EAGAIN, EPIPE,
 * ENOBUFS, or the kernel's error. `from` may have advanced before an error, too.
 */
int send_some(struct connection *connection, int fd, struct iov_iter *from, int more);

#endif
