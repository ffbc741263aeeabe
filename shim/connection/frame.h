/*
 * The calls of the seal with memory that is not on the program's stack: for the messages and the state of
 * handshakes, and for ML-KEM to run on.
 */
#ifndef PFSWRAP_CONNECTION_FRAME_H
#define PFSWRAP_CONNECTION_FRAME_H

#include "connection/connection.h"

enum { FRAME_NO_MEMORY = -101 }; /* beside enum pfswrap_seal_error and RENEW_REMOVED */

/*
 * pfswrap_seal_open(), pfswrap_seal_open_in_place() and pfswrap_seal_take() for the connection's channel
 * (pfswrap/seal.h). FRAME_NO_MEMORY: there is none for the state of a handshake, and nothing has changed.
 */
int frame_open(struct connection *connection, const uint8_t *in, size_t available, uint8_t *out, size_t size,
               struct pfswrap_seal_opened *opened);
int frame_open_in_place(struct connection *connection, uint8_t *in, size_t available,
                        struct pfswrap_seal_opened *opened);
int frame_take(struct connection *connection, uint8_t *out, size_t size);

#endif
