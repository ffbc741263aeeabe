/*
 * ML-KEM-768 by libsodium, on the caller's stack or on memory of the caller's (mlkem.h). scripts/mlkem-object
 * compiles this file, and says where the functions come from.
 */
#include "seal/mlkem.h"

#include <sodium.h>
#include <string.h>

#include "seal/stack_switch.h"
#include "seal/wipe.h"

#ifdef PFSWRAP_MLKEM_SOURCE /* the version of libsodium whose ML-KEM is linked into this object */
#include <crypto_kem_mlkem768.h>
#define MLKEM_VERSION PFSWRAP_MLKEM_SOURCE
#else
#define MLKEM_VERSION SODIUM_VERSION_STRING
#endif

#if defined crypto_kem_mlkem768_PUBLICKEYBYTES && !defined PFSWRAP_NO_MLKEM

_Static_assert((int)MLKEM_SEED_BYTES == (int)crypto_kem_mlkem768_SEEDBYTES, "seed");
_Static_assert((int)MLKEM_PUBLIC_BYTES == (int)crypto_kem_mlkem768_PUBLICKEYBYTES, "public key");
_Static_assert((int)MLKEM_CIPHERTEXT_BYTES == (int)crypto_kem_mlkem768_CIPHERTEXTBYTES, "ciphertext");
_Static_assert((int)MLKEM_SHARED_BYTES == (int)crypto_kem_mlkem768_SHAREDSECRETBYTES, "shared secret");

bool mlkem_is_available(void)
{
    return true;
}

const char *mlkem_name(void)
{
    return "libsodium " MLKEM_VERSION;
}

/* One operation: what it needs, and its result. */
struct operation {
    const uint8_t *seed, *public_key, *coins, *from;
    uint8_t *to, *shared;
    int result;
};

static void run_public(void *argument)
{
    const struct operation *operation = argument;
    uint8_t secret[crypto_kem_mlkem768_SECRETKEYBYTES];

    (void)crypto_kem_mlkem768_seed_keypair(operation->to, secret, operation->seed);
    sodium_memzero(secret, sizeof secret);
}

static void run_encapsulate(void *argument)
{
    struct operation *operation = argument;
    uint8_t ciphertext[MLKEM_CIPHERTEXT_BYTES];

    operation->result = crypto_kem_mlkem768_enc_deterministic(ciphertext, operation->shared, operation->public_key,
                                                              operation->coins);
    if (operation->result == 0)
        memcpy(operation->to, ciphertext, sizeof ciphertext);
}

static void run_decapsulate(void *argument)
{
    const struct operation *operation = argument;
    uint8_t secret[crypto_kem_mlkem768_SECRETKEYBYTES], public_key[MLKEM_PUBLIC_BYTES];

    (void)crypto_kem_mlkem768_seed_keypair(public_key, secret, operation->seed);
    if (crypto_kem_mlkem768_dec(operation->shared, operation->from, secret) != 0) /* it never fails */
        randombytes_buf(operation->shared, MLKEM_SHARED_BYTES);
    sodium_memzero(secret, sizeof secret);
}

/* libsodium wipes the secrets that it names, but not every value that depends on them. */
static void run(const struct mlkem_stack *stack, void (*function)(void *), struct operation *operation)
{
    if (STACK_CAN_SWITCH && stack->memory != NULL && stack->size >= MLKEM_STACK_BYTES) {
        uint8_t *const top = stack->memory + stack->size;

        stack_switch(function, operation, top);
        sodium_memzero(top - MLKEM_STACK_BYTES, MLKEM_STACK_BYTES);
    } else {
        function(operation);
        dead_stack_wipe(MLKEM_STACK_BYTES);
    }
}

void mlkem_public(const struct mlkem_stack *stack, const uint8_t seed[MLKEM_SEED_BYTES],
                  uint8_t public_key[MLKEM_PUBLIC_BYTES])
{
    struct operation operation = {.seed = seed, .to = public_key};

    run(stack, run_public, &operation);
}

int mlkem_encapsulate(const struct mlkem_stack *stack, const uint8_t public_key[MLKEM_PUBLIC_BYTES],
                      const uint8_t coins[MLKEM_COINS_BYTES], uint8_t ciphertext[MLKEM_CIPHERTEXT_BYTES],
                      uint8_t shared[MLKEM_SHARED_BYTES])
{
    struct operation operation = {.public_key = public_key, .coins = coins, .to = ciphertext, .shared = shared};

    run(stack, run_encapsulate, &operation);
    return operation.result == 0 ? 0 : -1;
}

void mlkem_decapsulate(const struct mlkem_stack *stack, const uint8_t seed[MLKEM_SEED_BYTES],
                       const uint8_t ciphertext[MLKEM_CIPHERTEXT_BYTES], uint8_t shared[MLKEM_SHARED_BYTES])
{
    struct operation operation = {.seed = seed, .from = ciphertext, .shared = shared};

    run(stack, run_decapsulate, &operation);
}

#else /* Without ML-KEM, no channel uses these: pfswrap_seal_init() refuses, and a responder refuses the pattern.  \
       */

bool mlkem_is_available(void)
{
    return false;
}

const char *mlkem_name(void)
{
    return NULL;
}

void mlkem_public(const struct mlkem_stack *stack, const uint8_t seed[MLKEM_SEED_BYTES],
                  uint8_t public_key[MLKEM_PUBLIC_BYTES])
{
    (void)stack;
    (void)seed;
    memset(public_key, 0xFF, MLKEM_PUBLIC_BYTES); /* no peer accepts this key: its numbers are not reduced */
}

int mlkem_encapsulate(const struct mlkem_stack *stack, const uint8_t public_key[MLKEM_PUBLIC_BYTES],
                      const uint8_t coins[MLKEM_COINS_BYTES], uint8_t ciphertext[MLKEM_CIPHERTEXT_BYTES],
                      uint8_t shared[MLKEM_SHARED_BYTES])
{
    (void)stack;
    (void)public_key;
    (void)coins;
    (void)ciphertext;
    (void)shared;
    return -1;
}

void mlkem_decapsulate(const struct mlkem_stack *stack, const uint8_t seed[MLKEM_SEED_BYTES],
                       const uint8_t ciphertext[MLKEM_CIPHERTEXT_BYTES], uint8_t shared[MLKEM_SHARED_BYTES])
{
    (void)stack;
    (void)seed;
    (void)ciphertext;
    randombytes_buf(shared, MLKEM_SHARED_BYTES);
}

#endif
