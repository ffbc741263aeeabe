/*
 * Two endpoints in one process: keyrings, configurations, channels, and a wire between them made of two buffers.
 * Calls the public interface only.
 */
#ifndef PFSWRAP_TESTS_SEAL_PAIR_H
#define PFSWRAP_TESTS_SEAL_PAIR_H

#include <check.h>
#include <sodium.h>
#include <string.h>

#include <pfswrap/seal.h>

enum { PAIR_WIRE = 1 << 20, PAIR_NOW = 1800000000 /* seconds since 1970 */ };

struct wire {
    uint8_t bytes[PAIR_WIRE];
    size_t length;
};

struct end {
    struct pfswrap_seal channel;
    struct pfswrap_seal_config config;
    struct pfswrap_keyring *keyring;
    uint8_t secret[32], public_key[32];
    struct wire in; /* what has reached it and is not consumed */
    uint8_t data[PAIR_WIRE];
    size_t data_length; /* what it has opened */
    size_t frames;      /* in so many frames */
    bool final;         /* it has received the end of the stream */
};

struct pair {
    struct end client, server;
};

extern const char *const pair_names[2]; /* "server", "client" */

/* Bytes that do not repeat soon. */
void fill(uint8_t *data, size_t size);

/* Keys and configurations that fit; a test may change them before pair_start(). To be freed with pair_free(). */
struct pair *pair_new(void);
void pair_free(struct pair *pair);

/* Gives both ends the same preshared key. */
void pair_add_psk(struct pair *pair);

/* Makes both configurations fit a pattern. */
void pair_set_pattern(struct pair *pair, enum pfswrap_seal_pattern pattern);

/* Behind the last pattern that this build has: the hybrid ones need ML-KEM. */
int pair_patterns_end(void);

/* Initialises both channels. */
void pair_start(struct pair *pair);

/* The same, and carries both messages of the handshake. The client then owes the confirm. */
void pair_start_handshake(struct pair *pair);

/* Carries everything both ways until nothing moves. Returns 0, or the first error of either side. */
int pair_settle(struct pair *pair);

/* A new pair whose handshake and confirm are done. */
struct pair *pair_open(void);

/* Seals `data` at `from` and expects that `to` opens exactly this. */
void pair_check_transfer(struct end *from, struct end *to, const void *data, size_t length);

/* Adds bytes at the end of a wire; removes them at its beginning. */
void wire_append(struct wire *wire, const uint8_t *bytes, size_t length);
void wire_consume(struct wire *wire, size_t length);

/* Puts everything that `from` owes on `wire`. Returns the number of bytes, or the error. */
int end_take(struct end *from, struct wire *wire);

/* Opens what has reached `end` until it needs more. Returns 0, or the error. */
int end_open(struct end *end);

/* Seals all of `data` in frames onto `wire`. Returns 0, or the error. */
int end_send(struct end *from, struct wire *wire, const void *data, size_t length);

#endif
