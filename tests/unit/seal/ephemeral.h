/* A handshake of its own with a new ephemeral key, for tests that speak Noise without a channel. */
#ifndef PFSWRAP_TESTS_SEAL_EPHEMERAL_H
#define PFSWRAP_TESTS_SEAL_EPHEMERAL_H

#include <sodium.h>

#include "seal/noise.h"

static inline int make_ephemeral(struct noise_handshake *handshake, const struct mlkem_stack *stack)
{
    uint8_t secret[NOISE_KEY_BYTES];

    randombytes_buf(secret, sizeof secret);
    return noise_use_ephemeral(handshake, secret, stack);
}

#endif
