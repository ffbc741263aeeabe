/*
 * What receive.c, which serves the program's receives, and receive_ahead.c, which works before them, share. All
 * functions are called locked.
 */
#ifndef PFSWRAP_CONNECTION_RECEIVE_INTERNAL_H
#define PFSWRAP_CONNECTION_RECEIVE_INTERNAL_H

#include "connection/receive.h"

/* Bytes of plaintext that are opened ahead of the program, and that one call asks the kernel for. */
enum { LOOK_AHEAD_MAX = CONNECTION_BATCH * PFSWRAP_SEAL_CHUNK_MAX };

enum step {
    STEP_DATA,      /* plaintext was delivered, or is in rx_plain */
    STEP_WANT_READ, /* the next frame is not complete */
    STEP_OVER,      /* the stream has ended, or the connection has failed */
};

/*
 * Opens the next frame into `to` (NULL: into rx_plain). With STEP_WANT_READ, rx_cipher must have *need bytes before
 * the next attempt.
 */
enum step receive_next(struct connection *connection, int fd, struct iov_iter *to, size_t *need);

/* Handles the answer `count` of receive_fill(), which is the end of the stream (0) or a negative errno value. */
enum step receive_no_bytes(struct connection *connection, int fd, long count);

/* If everything is delivered, poll must not report the socket as readable because of the trailer alone. */
void receive_trailer(struct connection *connection, int fd);

/* Opens frames into rx_plain until it has `wanted` bytes. The trailer of the last frame stays in the kernel. */
void receive_look_ahead(struct connection *connection, int fd, size_t wanted);

/* Whether the next receive would find a whole data frame in the kernel, and nothing in the buffers. */
bool receive_next_is_in_kernel(struct connection *connection, int fd);

/* Whether nothing more can be received. */
static inline bool receive_is_over(const struct connection *connection)
{
    return connection->final_received || connection->phase != CONNECTION_OPEN;
}

#endif
