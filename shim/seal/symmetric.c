/*
 * Noise's SymmetricState with libsodium's SHA-256, HMAC and ChaCha20-Poly1305. Each function wipes its own
 * intermediate values. The caller wipes the stack below (wipe.h), once for a whole message.
 */
#include "seal/symmetric.h"

#include <sodium.h>
#include <string.h>

_Static_assert(NOISE_KEY_BYTES == crypto_hash_sha256_BYTES, "HASHLEN");
_Static_assert(NOISE_KEY_BYTES == crypto_aead_chacha20poly1305_ietf_KEYBYTES, "cipher key");
_Static_assert(NOISE_TAG_BYTES == crypto_aead_chacha20poly1305_ietf_ABYTES, "tag");

/* The first step of HKDF (section 4.3): `extracted` may be `ck`. */
static void extract(const uint8_t ck[NOISE_KEY_BYTES], const uint8_t *material, size_t length,
                    uint8_t extracted[NOISE_KEY_BYTES])
{
    crypto_auth_hmacsha256_state state;

    crypto_auth_hmacsha256_init(&state, ck, NOISE_KEY_BYTES);
    crypto_auth_hmacsha256_update(&state, material, length);
    crypto_auth_hmacsha256_final(&state, extracted);
    sodium_memzero(&state, sizeof state);
}

/*
 * Its other steps, with two outputs, or three if `third` is not NULL. All HMACs of the outputs have the same key,
 * so its pad blocks are hashed only once, which saves a sixth of the hashing in a handshake.
 */
static void expand(const uint8_t extracted[NOISE_KEY_BYTES], uint8_t *first, uint8_t *second, uint8_t *third)
{
    uint8_t *const outputs[] = {first, second, third};
    crypto_auth_hmacsha256_state keyed, state;

    crypto_auth_hmacsha256_init(&keyed, extracted, NOISE_KEY_BYTES);
    for (uint8_t i = 0; i < 3 && outputs[i] != NULL; i++) {
        const uint8_t number = (uint8_t)(i + 1);

        memcpy(&state, &keyed, sizeof state);
        if (i > 0)
            crypto_auth_hmacsha256_update(&state, outputs[i - 1], NOISE_KEY_BYTES);
        crypto_auth_hmacsha256_update(&state, &number, 1);
        crypto_auth_hmacsha256_final(&state, outputs[i]);
    }
    sodium_memzero(&keyed, sizeof keyed);
    sodium_memzero(&state, sizeof state);
}

static void derive(const uint8_t ck[NOISE_KEY_BYTES], const uint8_t *material, size_t length, uint8_t *first,
                   uint8_t *second, uint8_t *third)
{
    uint8_t extracted[NOISE_KEY_BYTES];

    extract(ck, material, length, extracted);
    expand(extracted, first, second, third);
    sodium_memzero(extracted, sizeof extracted);
}

/* The nonce of ChaChaPoly: 32 zero bits, then n, little-endian (section 12.3). */
static void write_nonce(uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES], uint64_t n)
{
    memset(nonce, 0, 4);
    for (int i = 0; i < 8; i++)
        nonce[4 + i] = (uint8_t)(n >> (8 * i));
}

void noise_symmetric_start(struct noise_symmetric *symmetric, const char *name)
{
    const size_t length = strlen(name);

    memset(symmetric, 0, sizeof *symmetric);
    if (length <= sizeof symmetric->h)
        memcpy(symmetric->h, name, length);
    else
        crypto_hash_sha256(symmetric->h, (const uint8_t *)name, length);
    memcpy(symmetric->ck, symmetric->h, sizeof symmetric->ck);
}

void noise_mix_hash(struct noise_symmetric *symmetric, const uint8_t *data, size_t length)
{
    crypto_hash_sha256_state state;

    crypto_hash_sha256_init(&state);
    crypto_hash_sha256_update(&state, symmetric->h, sizeof symmetric->h);
    crypto_hash_sha256_update(&state, data, length);
    crypto_hash_sha256_final(&state, symmetric->h);
}

void noise_mix_key(struct noise_symmetric *symmetric, const uint8_t material[NOISE_KEY_BYTES])
{
    derive(symmetric->ck, material, NOISE_KEY_BYTES, symmetric->ck, symmetric->k, NULL);
    symmetric->n = 0;
}

void noise_extract(const uint8_t ck[NOISE_KEY_BYTES], const uint8_t material[NOISE_KEY_BYTES],
                   uint8_t extracted[NOISE_KEY_BYTES])
{
    extract(ck, material, NOISE_KEY_BYTES, extracted);
}

void noise_mix_extracted_and_hash(struct noise_symmetric *symmetric, const uint8_t extracted[NOISE_KEY_BYTES])
{
    uint8_t hashed[NOISE_KEY_BYTES];

    expand(extracted, symmetric->ck, hashed, symmetric->k);
    symmetric->n = 0;
    noise_mix_hash(symmetric, hashed, sizeof hashed);
    sodium_memzero(hashed, sizeof hashed);
}

void noise_encrypt_and_hash(struct noise_symmetric *symmetric, const uint8_t *plaintext, size_t length,
                            uint8_t *out)
{
    uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];

    write_nonce(nonce, symmetric->n++);
    crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, plaintext, length, symmetric->h, sizeof symmetric->h, NULL,
                                              nonce, symmetric->k);
    noise_mix_hash(symmetric, out, length + NOISE_TAG_BYTES);
}

int noise_decrypt_and_hash(struct noise_symmetric *symmetric, const uint8_t *ciphertext, size_t length,
                           uint8_t *out)
{
    uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];
    uint8_t transcript[NOISE_KEY_BYTES];

    /* The ciphertext is hashed first, because `out` may overwrite it. */
    memcpy(transcript, symmetric->h, sizeof transcript);
    noise_mix_hash(symmetric, ciphertext, length);
    write_nonce(nonce, symmetric->n++);
    return crypto_aead_chacha20poly1305_ietf_decrypt(out, NULL, NULL, ciphertext, length, transcript,
                                                     sizeof transcript, nonce, symmetric->k);
}

void noise_split(const struct noise_symmetric *symmetric, uint8_t initiator[NOISE_KEY_BYTES],
                 uint8_t responder[NOISE_KEY_BYTES])
{
    derive(symmetric->ck, NULL, 0, initiator, responder, NULL);
}
