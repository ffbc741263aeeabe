/*
 * Opens what the peer has sent: the calls of the seal, with memory for handshakes that is not on the program's
 * stack.
 */
#ifndef PFSWRAP_CONNECTION_FRAME_H
#define PFSWRAP_CONNECTION_FRAME_H

#include "connection/connection.h"

/* pfswrap_seal_open() and pfswrap_seal_open_in_place() for the connection's channel (pfswrap/seal.h). */
int frame_open(struct connection *connection, const uint8_t *in, size_t available, uint8_t *out, size_t size,
               struct pfswrap_seal_opened *opened);
int frame_open_in_place(struct connection *connection, uint8_t *in, size_t available,
                        struct pfswrap_seal_opened *opened);

#endif
