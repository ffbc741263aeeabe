/*
 * Wipes secrets that the functions of libsodium and OpenSSL leave on the stack below the stack pointer. libsodium
 * 1.0.18 leaves the live stream key there after each call that rekeys, OpenSSL's assembler powers of the MAC's key.
 * The functions here are inline, so that they wipe from the stack frame of the function that has made those calls.
 * The depths were measured; tests/unit/seal/test_residue.c measures them again.
 */
#ifndef PFSWRAP_SEAL_WIPE_H
#define PFSWRAP_SEAL_WIPE_H

#include <sodium.h>
#include <string.h>

enum {
    DEAD_STACK_STREAM = 1792,    /* cipher.h: OpenSSL's code reaches 1,664 bytes; libsodium's has the key at 500 */
    DEAD_STACK_HANDSHAKE = 4352, /* X25519 and ChaCha20-Poly1305, and the functions of this module around them */
};

#define dead_stack_wipe(bytes) sodium_stackzero(bytes)

/*
 * Wipes a small block whose size the compiler knows, once for each chunk. Two calls of sodium_memzero() would take
 * 1 % of the time of a chunk of 64 bytes. The empty statement uses the memory, so that the compiler cannot omit the
 * stores.
 */
static inline void wipe_inline(void *memory, size_t size)
{
    memset(memory, 0, size);
    __asm__ volatile("" : : "r"(memory) : "memory");
}

#endif
