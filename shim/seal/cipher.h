/*
 * crypto_secretstream_xchacha20poly1305_push() and _pull() of libsodium, byte for byte, for the frames of this
 * protocol. Where the build has OpenSSL's assembler and the processor has AVX2, that computes ChaCha20 and
 * Poly1305; everywhere else libsodium does. The bytes are the same, so two sides need not agree, and a process may
 * choose anew. docs/ARCHITECTURE.md says why.
 *
 * No call allocates, locks or makes a system call.
 */
#ifndef PFSWRAP_SEAL_CIPHER_H
#define PFSWRAP_SEAL_CIPHER_H

#include <sodium.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CIPHER_AD_BYTES = 3,         /* of additional data */
    CIPHER_OVERHEAD = 17,        /* an encrypted tag byte and a MAC */
    CIPHER_MAC_BYTES = 16,       /* of them, behind the ciphertext */
    CIPHER_LENGTH_MAX = 1 << 30, /* bytes of plaintext; the protocol has less */
};

typedef crypto_secretstream_xchacha20poly1305_state cipher_stream;

/* What computes: libsodium, or OpenSSL's code for a processor with at least these instructions. */
enum cipher_level {
    CIPHER_LIBSODIUM,
    CIPHER_BASE, /* no vector instructions beyond the architecture's own */
    CIPHER_SSSE3,
    CIPHER_AVX,
    CIPHER_AVX2,
    CIPHER_AVX512VL, /* 256-bit vectors of AVX-512 */
    CIPHER_AVX512,
    CIPHER_AVX512_IFMA,
    CIPHER_LEVELS
};

/* Chooses by the processor. To be called after sodium_init(), before the first frame; more than once does no harm.
 */
void cipher_choose(void);

/*
 * Makes later calls use this level, for tests. Returns false, and changes nothing, if the build or the processor
 * does not have it.
 */
bool cipher_set_level(enum cipher_level level);

/* What computes now: "libsodium", or the name and version of the other library. */
const char *cipher_name(void);

/*
 * Seals `length` bytes of `data` under `tag`, and advances the stream, with a rekey if the tag asks for it or the
 * counter has ended. Writes length + CIPHER_OVERHEAD bytes to `out`, which must not overlap `data`.
 */
void cipher_push(cipher_stream *stream, uint8_t *out, const uint8_t *data, size_t length,
                 const uint8_t ad[CIPHER_AD_BYTES], uint8_t tag);

/*
 * Opens length + CIPHER_OVERHEAD bytes of `in`. Returns true if they are authentic: then `out` has `length` bytes
 * of plaintext, *tag the tag, and the stream is advanced. Otherwise nothing is written and nothing has changed.
 * `out` may be in + 1, where the ciphertext begins; else they must not overlap.
 */
bool cipher_pull(cipher_stream *stream, uint8_t *out, uint8_t *tag, const uint8_t *in, size_t length,
                 const uint8_t ad[CIPHER_AD_BYTES]);

#endif
