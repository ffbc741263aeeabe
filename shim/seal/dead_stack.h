/*
 * Wiping what libsodium's functions leave below the stack pointer when they return: 1.0.18 leaves the live stream
 * key there after each rekeying call. Inline, so that the frame it wipes from is the one that made those calls.
 * Knows nothing of keys; how deep each kind of call reaches was measured, and tests/unit/seal/test_residue.c goes
 * on measuring.
 */
#ifndef PFSWRAP_SEAL_DEAD_STACK_H
#define PFSWRAP_SEAL_DEAD_STACK_H

#include <sodium.h>

enum {
    DEAD_STACK_STREAM = 1024,    /* secretstream push, pull and init: 1.0.18 leaves its key about 500 bytes down */
    DEAD_STACK_HANDSHAKE = 8192, /* X25519, HMAC-SHA256 and the frames of ours around them */
};

#define dead_stack_wipe(bytes) sodium_stackzero(bytes)

#endif
