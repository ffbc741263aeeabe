/*
 * Two tunnels in one process, with a buffer for each direction between them. Their transports behave badly if the
 * test wants it: they take a few bytes, none, or all, and return as they like.
 */
#ifndef PFSWRAP_TESTS_SEAL_TUNNELS_H
#define PFSWRAP_TESTS_SEAL_TUNNELS_H

#include <pfswrap/tunnel.h>

#include "pair.h"
#include "seal/tunnel_internal.h"

/* One direction. */
struct lane {
    struct wire wire;
    size_t room;  /* the most that the wire holds */
    bool ended;   /* no more will come */
    bool closed;  /* takes nothing at the moment */
    bool ragged;  /* moves a random number of bytes at a time, and sometimes none */
    size_t calls; /* that moved something */
    const void *stopped_at;
    size_t stopped_length;
};

struct side {
    struct lane *in, *out;
};

struct ends {
    struct pair *pair;
    struct lane up, down;
    struct side client_side, server_side;
    struct pfswrap_tunnel *client, *server;
    uint8_t binding[2][32];
};

/* The keys and lanes of two ends, before the tunnels are made, and freed. */
struct ends *ends_new(void);
void ends_free(struct ends *ends);

/* Makes both tunnels; completes their handshake; and all of this at once. */
void ends_start(struct ends *ends);
void ends_shake_hands(struct ends *ends);
struct ends *ends_open(void);

/* Moves data both ways at once, in random lengths, until both directions are closed, and compares it. */
void ends_converse(struct ends *ends);

/* pfswrap_tunnel_transport.write of one side. */
int lane_write(void *context, const void *data, size_t length);

#endif
