/*
 * Wiping where it has to be cheap: what libsodium's functions leave below the stack pointer when they return
 * (1.0.18 leaves the live stream key there after each rekeying call), and a few bytes once a chunk. Inline, so that
 * the frame that is wiped from is the one that made those calls. Knows nothing of keys; how deep each kind of call
 * reaches was measured, and tests/unit/seal/test_residue.c goes on measuring.
 */
#ifndef PFSWRAP_SEAL_WIPE_H
#define PFSWRAP_SEAL_WIPE_H

#include <sodium.h>
#include <string.h>

enum {
    DEAD_STACK_STREAM = 1024,    /* secretstream push, pull and init: 1.0.18 leaves its key about 500 bytes down */
    DEAD_STACK_HANDSHAKE = 8192, /* X25519, HMAC-SHA256 and the frames of ours around them */
};

#define dead_stack_wipe(bytes) sodium_stackzero(bytes)

/*
 * sodium_memzero for the once-a-chunk path and a size known to the compiler: a few stores in place of two calls,
 * which at 64 bytes a chunk is 1 % of the whole. The empty statement uses the memory, so the stores cannot be left
 * out.
 */
static inline void wipe_inline(void *memory, size_t size)
{
    memset(memory, 0, size);
    __asm__ volatile("" : : "r"(memory) : "memory");
}

#endif
