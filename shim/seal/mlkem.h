/*
 * ML-KEM-768 (FIPS 203), the post-quantum part of the hybrid handshakes: libsodium's, since 1.0.22. A build may
 * lack it (mk/mlkem.mk). Nothing here takes random bytes: the caller passes them, so that a key pair is a seed.
 *
 * The functions need up to MLKEM_STACK_BYTES of stack. A caller whose own stack may be smaller passes other memory,
 * on which they run then. A signal handler that interrupts them may run there, too. Both are wiped afterwards.
 */
#ifndef PFSWRAP_SEAL_MLKEM_H
#define PFSWRAP_SEAL_MLKEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MLKEM_SEED_BYTES = 64, /* d || z (FIPS 203, algorithm 16) */
    MLKEM_PUBLIC_BYTES = 1184,
    MLKEM_CIPHERTEXT_BYTES = 1088,
    MLKEM_COINS_BYTES = 32, /* m (FIPS 203, algorithm 17) */
    MLKEM_SHARED_BYTES = 32,
    MLKEM_STACK_BYTES = 32 * 1024, /* tests/unit/seal/test_mlkem.c measures what is used */
};

/* Memory to run on; {NULL, 0}: the caller's stack. At least MLKEM_STACK_BYTES. */
struct mlkem_stack {
    uint8_t *memory;
    size_t size;
};

/* Whether this build has it, and as what, for example "libsodium 1.0.22"; NULL if it has not. */
bool mlkem_is_available(void);
const char *mlkem_name(void);

/* The public key of a seed. */
void mlkem_public(const struct mlkem_stack *stack, const uint8_t seed[MLKEM_SEED_BYTES],
                  uint8_t public_key[MLKEM_PUBLIC_BYTES]);

/*
 * A ciphertext for a public key, and the shared secret in it. Returns 0, or -1 if the key is not valid (FIPS 203,
 * section 7.2). `ciphertext` may be `public_key`.
 */
int mlkem_encapsulate(const struct mlkem_stack *stack, const uint8_t public_key[MLKEM_PUBLIC_BYTES],
                      const uint8_t coins[MLKEM_COINS_BYTES], uint8_t ciphertext[MLKEM_CIPHERTEXT_BYTES],
                      uint8_t shared[MLKEM_SHARED_BYTES]);

/*
 * The shared secret in a ciphertext. There is no error: a ciphertext that was made in another way gives a secret
 * that only the seed determines (implicit rejection), and what is encrypted with it then does not authenticate.
 */
void mlkem_decapsulate(const struct mlkem_stack *stack, const uint8_t seed[MLKEM_SEED_BYTES],
                       const uint8_t ciphertext[MLKEM_CIPHERTEXT_BYTES], uint8_t shared[MLKEM_SHARED_BYTES]);

#endif
