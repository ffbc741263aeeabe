/*
 * Receiving on an open connection: bytes for the program, without waiting. The caller holds the connection's lock.
 */
#ifndef PFSWRAP_CONNECTION_RECEIVE_H
#define PFSWRAP_CONNECTION_RECEIVE_H

#include "connection/connection.h"
#include "base/iov_iter.h"

/*
 * Puts what can be had without waiting to `to`. `peek`: and leaves it for the next call. Returns the count, 0 for
 * an orderly end of stream, or a negated errno: EAGAIN, ECONNRESET (broken, forged, cut off without FINAL), or what
 * the kernel said. With no room at all: 0 as soon as there would be something.
 */
long receive_some(struct connection *connection, int fd, struct iter *to, bool peek);

/*
 * Whether a read would not have to wait: there is plaintext, or a whole frame of it in the kernel, or an end or
 * error to tell. A part of a frame is taken out of the kernel, which would go on calling the socket readable.
 */
bool receive_ahead(struct connection *connection, int fd);

/* How many bytes a read would give (FIONREAD, tcp(7)): exact up to 48 KiB, an estimate that is not too low above.
 */
size_t receive_available(struct connection *connection, int fd);

/*
 * Whether the program has sent since it received last, and nothing of the answer is known to be there: neither in
 * the buffer nor by an event.
 */
bool receive_awaits_answer(const struct connection *connection);

/* Whether the peer has sent anything that the program has not read, but for FINAL. */
bool receive_is_unread(const struct connection *connection, int fd);

/* Takes up to `size` bytes more out of the kernel, behind what is not opened yet. As transport_receive(). */
long receive_fill(struct connection *connection, int fd, size_t size);

#endif
