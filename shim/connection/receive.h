/*
 * Receiving on an open connection: frames from the kernel, bytes for the program. Nothing here waits. The caller
 * holds the connection's lock.
 */
#ifndef PFSWRAP_CONNECTION_RECEIVE_H
#define PFSWRAP_CONNECTION_RECEIVE_H

#include "connection/connection.h"
#include "base/iov_iter.h"

/*
 * Copies to `to` what is available without waiting. `peek`: the bytes stay available for the next call. Returns
 * their count, 0 at the orderly end of the stream, or a negative errno value: EAGAIN, ECONNRESET (the connection
 * was reset, a frame is not authentic, or the stream ended without FINAL), or the kernel's error. If `to` has no
 * room, returns 0 if something is available, else -EAGAIN.
 */
long receive_some(struct connection *connection, int fd, struct iov_iter *to, bool peek);

/*
 * FINAL has come. A peer need not end the transport behind it, so the kernel may have no bytes and no FIN, and
 * would report nothing. This shuts the socket down for reading. Then the kernel reports the end of the stream as
 * after a FIN, to all that wait for the socket: level-triggered always, edge-triggered once (shutdown(2), poll(2)).
 */
void receive_end_stream(struct connection *connection, int fd);

/*
 * Whether a read would return at once: with plaintext, with a whole frame that is still in the kernel, or with the
 * end of the stream or an error. A part of a frame is moved from the kernel to the buffer. Otherwise poll would
 * continue to report the socket as readable. False also when FINAL has just been found, since the kernel reports
 * the end by itself then.
 */
bool receive_ahead(struct connection *connection, int fd);

/* How many bytes a read would return (FIONREAD, tcp(7)): exact up to 48 KiB; above that, at least as many. */
size_t receive_available(struct connection *connection, int fd);

/*
 * Whether the program has sent since it last tried to receive or got an event, and nothing is in the buffer. Then a
 * read most likely waits for the peer's answer.
 */
bool receive_awaits_answer(const struct connection *connection);

/*
 * The program has closed the connection, and the kernel has everything that was sent: opens what the program has
 * not read, and throws it away. FINAL may be in it, or an error, which is logged then. The log also says
 * `truncated` if the transport had ended without FINAL when the program closed the connection (`ended_early`).
 * Returns whether the peer has sent anything but FINAL. *drained: the kernel has said that it has no more bytes.
 */
bool receive_rest(struct connection *connection, int fd, bool *drained);

/*
 * For a program that only sends: processes the frames of a re-handshake that are next in the kernel. If one is due,
 * up to 64 KiB of data in front of it are moved to the buffer. The end of the stream stays for a receive to find.
 */
void receive_control(struct connection *connection, int fd);

/* Moves the plaintext to the beginning of the receive buffer `rx`, and the ciphertext behind it. */
void receive_compact(struct connection *connection, uint8_t *rx);

/* Appends up to `size` bytes from the kernel to rx_cipher. Returns what transport_receive() does, or -ENOBUFS. */
long receive_fill(struct connection *connection, int fd, size_t size);

#endif
