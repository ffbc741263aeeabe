/*
 * The state of a tunnel, and what tunnel.c, which sends, and tunnel_read.c, which receives, share.
 */
#ifndef PFSWRAP_SEAL_TUNNEL_STATE_H
#define PFSWRAP_SEAL_TUNNEL_STATE_H

#include <pfswrap/tunnel.h>

#include "seal/channel.h"

enum {
    TUNNEL_IN_BYTES = 2 * PFSWRAP_SEAL_FRAME_MAX,
    TUNNEL_OUT_BYTES = PFSWRAP_SEAL_CHUNK_MAX + PFSWRAP_SEAL_BEGIN_OVERHEAD,
    TUNNEL_STACK_BYTES = 96 * 1024, /* three times what ML-KEM needs: a signal handler may run there */
};
_Static_assert((int)TUNNEL_OUT_BYTES >= (int)PFSWRAP_SEAL_TAKE_BYTES, "a handshake message fits");

struct pfswrap_tunnel {
    struct pfswrap_seal channel;
    const struct pfswrap_seal_config *config;
    struct pfswrap_tunnel_transport transport;
    size_t record; /* bytes of the transport's records; 0 if it has none */
    struct pfswrap_tunnel_counts counts;
    uint8_t *left; /* plaintext in `in` that was not read yet */
    size_t left_length;
    size_t in_first, in_last;   /* the bytes in `in` */
    size_t out_first, out_last; /* the bytes in `out` that the transport has not taken */
    size_t kept;                /* bytes of data in the frame for which write() has not returned yet */
    unsigned writes_since_read; /* during a re-handshake */
    uint8_t scratch[CHANNEL_SCRATCH_BYTES];
    uint8_t stack[TUNNEL_STACK_BYTES] __attribute__((aligned(16))); /* pages that only hybrid patterns touch */
    uint8_t in[TUNNEL_IN_BYTES];
    uint8_t out[TUNNEL_OUT_BYTES];
};

/* Memory for the messages of handshakes. */
struct channel_room tunnel_room(struct pfswrap_tunnel *tunnel);

/* The time passes for the channel. */
void tunnel_tick(struct pfswrap_tunnel *tunnel);

/*
 * Passes to the transport what is left in `out`, and then all messages that the channel owes. Returns 1, STOPPED,
 * or an error.
 */
int tunnel_settle(struct pfswrap_tunnel *tunnel);

/*
 * In write(): reads the answer to a re-handshake that a program waits for which only writes. A program that reads
 * gets it there. Data that comes before it is kept for read(). Returns 1 or an error.
 */
int tunnel_read_answer(struct pfswrap_tunnel *tunnel);

#endif
