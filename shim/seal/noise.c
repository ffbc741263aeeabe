/*
 * The handshake patterns, token by token in the order of the Noise specification (revision 34) and its extension
 * for hybrid forward secrecy, so that they can be compared.
 */
#include "seal/noise.h"

#include <sodium.h>
#include <string.h>

_Static_assert(NOISE_KEY_BYTES == crypto_scalarmult_BYTES, "DHLEN");

size_t noise_overhead_1(enum noise_pattern pattern)
{
    const size_t s = noise_pattern_has_client_key(pattern) ? NOISE_KEY_BYTES + NOISE_TAG_BYTES : 0;

    const size_t e1 = noise_pattern_is_hybrid(pattern) ? MLKEM_PUBLIC_BYTES + NOISE_TAG_BYTES : 0;

    return NOISE_KEY_BYTES + e1 + s + NOISE_TAG_BYTES;
}

size_t noise_overhead_2(enum noise_pattern pattern)
{
    const size_t ekem1 = noise_pattern_is_hybrid(pattern) ? MLKEM_CIPHERTEXT_BYTES + NOISE_TAG_BYTES : 0;

    return NOISE_KEY_BYTES + ekem1 + NOISE_TAG_BYTES;
}

static const char *protocol_name(enum noise_pattern pattern)
{
    switch (pattern) {
    case NOISE_IK:
        return "Noise_IK_25519_ChaChaPoly_SHA256";
    case NOISE_NK:
        return "Noise_NK_25519_ChaChaPoly_SHA256";
    case NOISE_IKPSK2:
        return "Noise_IKpsk2_25519_ChaChaPoly_SHA256";
    case NOISE_NKPSK2:
        return "Noise_NKpsk2_25519_ChaChaPoly_SHA256";
    case NOISE_IKHFS:
        return "Noise_IKhfs_25519+MLKEM768_ChaChaPoly_SHA256";
    case NOISE_NKHFS:
        return "Noise_NKhfs_25519+MLKEM768_ChaChaPoly_SHA256";
    case NOISE_IKHFS_PSK2:
        return "Noise_IKhfs+psk2_25519+MLKEM768_ChaChaPoly_SHA256";
    case NOISE_NKHFS_PSK2:
        return "Noise_NKhfs+psk2_25519+MLKEM768_ChaChaPoly_SHA256";
    case NOISE_PATTERNS:
        break;
    }
    return "";
}

void noise_start(struct noise_handshake *handshake, enum noise_pattern pattern, const uint8_t *prologue,
                 size_t prologue_length, const uint8_t responder_static[NOISE_KEY_BYTES])
{
    memset(handshake, 0, sizeof *handshake);
    handshake->pattern = (uint8_t)pattern;
    memcpy(handshake->rs, responder_static, sizeof handshake->rs);
    noise_symmetric_start(&handshake->symmetric, protocol_name(pattern));
    noise_mix_hash(&handshake->symmetric, prologue, prologue_length);
    noise_mix_hash(&handshake->symmetric, responder_static, NOISE_KEY_BYTES);
}

static bool is_hybrid(const struct noise_handshake *handshake)
{
    return noise_pattern_is_hybrid((enum noise_pattern)handshake->pattern);
}

/* Makes what the own token e1 or ekem1 sends. Returns 0 or NOISE_E_KEM_KEY. */
static int make_kem(struct noise_handshake *handshake, const struct mlkem_stack *stack)
{
    uint8_t coins[MLKEM_COINS_BYTES];
    int result;

    if (!handshake->kem_received) {
        randombytes_buf(handshake->kem_secret, sizeof handshake->kem_secret);
        mlkem_public(stack, handshake->kem_secret, handshake->kem);
        return 0;
    }
    randombytes_buf(coins, sizeof coins);
    result = mlkem_encapsulate(stack, handshake->kem, coins, handshake->kem, handshake->kem_secret);
    sodium_memzero(coins, sizeof coins);
    return result == 0 ? 0 : NOISE_E_KEM_KEY;
}

int noise_use_ephemeral(struct noise_handshake *handshake, const uint8_t secret[NOISE_KEY_BYTES],
                        const struct mlkem_stack *stack)
{
    memcpy(handshake->e, secret, sizeof handshake->e);
    crypto_scalarmult_base(handshake->e_public, handshake->e);
    handshake->has_ephemeral = 1;
    return is_hybrid(handshake) ? make_kem(handshake, stack) : 0;
}

static void wipe_ephemeral(struct noise_handshake *handshake)
{
    sodium_memzero(handshake->e, sizeof handshake->e);
    sodium_memzero(handshake->kem_secret, sizeof handshake->kem_secret);
    handshake->has_ephemeral = 0;
}

/* Token "e", for both sides. In a psk pattern, the public key is also mixed into the chaining key (section 9.2). */
static void mix_ephemeral(struct noise_handshake *handshake, const uint8_t e_public[NOISE_KEY_BYTES])
{
    noise_mix_hash(&handshake->symmetric, e_public, NOISE_KEY_BYTES);
    if (noise_pattern_has_psk((enum noise_pattern)handshake->pattern))
        noise_mix_key(&handshake->symmetric, e_public);
}

/* Tokens "ee", "es", "se", "ss": with a secret of this side that is in memory. */
static int mix_dh(struct noise_handshake *handshake, const uint8_t secret[NOISE_KEY_BYTES],
                  const uint8_t public_key[NOISE_KEY_BYTES])
{
    uint8_t shared[NOISE_KEY_BYTES];
    int result = NOISE_E_SMALL_ORDER;

    /* libsodium refuses a result of zeros as well; the second check does not depend on its version. */
    if (crypto_scalarmult(shared, secret, public_key) == 0 && !sodium_is_zero(shared, sizeof shared)) {
        noise_mix_key(&handshake->symmetric, shared);
        result = 0;
    }
    sodium_memzero(shared, sizeof shared);
    return result;
}

/* The same with the own static key, wherever it is. */
static int mix_static_dh(struct noise_handshake *handshake, const struct noise_static *s,
                         const uint8_t public_key[NOISE_KEY_BYTES], bool is_lasting)
{
    uint8_t shared[NOISE_KEY_BYTES];
    int result;

    if (s->secret != NULL)
        return mix_dh(handshake, s->secret, public_key);
    if (s->dh == NULL || s->dh(s->public_key, public_key, is_lasting, shared) != 0)
        return NOISE_E_STATIC;
    result = sodium_is_zero(shared, sizeof shared) ? NOISE_E_SMALL_ORDER : 0;
    if (result == 0)
        noise_mix_key(&handshake->symmetric, shared);
    sodium_memzero(shared, sizeof shared);
    return result;
}

/* Token "e1" of the writer. */
static size_t write_e1(struct noise_handshake *handshake, uint8_t *out)
{
    noise_encrypt_and_hash(&handshake->symmetric, handshake->kem, MLKEM_PUBLIC_BYTES, out);
    return MLKEM_PUBLIC_BYTES + NOISE_TAG_BYTES;
}

/* Token "ekem1" of the writer. */
static size_t write_ekem1(struct noise_handshake *handshake, uint8_t *out)
{
    noise_encrypt_and_hash(&handshake->symmetric, handshake->kem, MLKEM_CIPHERTEXT_BYTES, out);
    noise_mix_key(&handshake->symmetric, handshake->kem_secret);
    return MLKEM_CIPHERTEXT_BYTES + NOISE_TAG_BYTES;
}

int noise_write_1(struct noise_handshake *handshake, const struct noise_static *s, const uint8_t *payload,
                  size_t length, uint8_t *out)
{
    int result;

    if (!handshake->has_ephemeral)
        return NOISE_E_STATE;
    memcpy(out, handshake->e_public, NOISE_KEY_BYTES);
    out += NOISE_KEY_BYTES;
    mix_ephemeral(handshake, handshake->e_public);
    if ((result = mix_dh(handshake, handshake->e, handshake->rs)) != 0)
        return result;
    if (is_hybrid(handshake))
        out += write_e1(handshake, out);
    if (noise_pattern_has_client_key((enum noise_pattern)handshake->pattern)) {
        noise_encrypt_and_hash(&handshake->symmetric, s->public_key, NOISE_KEY_BYTES, out);
        out += NOISE_KEY_BYTES + NOISE_TAG_BYTES;
        if ((result = mix_static_dh(handshake, s, handshake->rs, true)) != 0)
            return result;
    }
    noise_encrypt_and_hash(&handshake->symmetric, payload, length, out);
    return 0;
}

int noise_read_1(struct noise_handshake *handshake, const struct noise_static *s, const uint8_t *message,
                 size_t length, uint8_t *payload)
{
    const size_t overhead = noise_overhead_1((enum noise_pattern)handshake->pattern);
    int result;

    if (length < overhead)
        return NOISE_E_AUTHENTIC;
    memset(handshake->rs, 0, sizeof handshake->rs);
    memcpy(handshake->re, message, sizeof handshake->re);
    message += NOISE_KEY_BYTES;
    mix_ephemeral(handshake, handshake->re);
    if ((result = mix_static_dh(handshake, s, handshake->re, false)) != 0)
        return result;
    if (is_hybrid(handshake)) {
        if (noise_decrypt_and_hash(&handshake->symmetric, message, MLKEM_PUBLIC_BYTES + NOISE_TAG_BYTES,
                                   handshake->kem) != 0)
            return NOISE_E_AUTHENTIC;
        handshake->kem_received = true;
        message += MLKEM_PUBLIC_BYTES + NOISE_TAG_BYTES;
    }
    if (noise_pattern_has_client_key((enum noise_pattern)handshake->pattern)) {
        if (noise_decrypt_and_hash(&handshake->symmetric, message, NOISE_KEY_BYTES + NOISE_TAG_BYTES,
                                   handshake->rs) != 0)
            return NOISE_E_AUTHENTIC;
        message += NOISE_KEY_BYTES + NOISE_TAG_BYTES;
        if ((result = mix_static_dh(handshake, s, handshake->rs, true)) != 0)
            return result;
    }
    if (noise_decrypt_and_hash(&handshake->symmetric, message, length - overhead + NOISE_TAG_BYTES, payload) != 0)
        return NOISE_E_AUTHENTIC;
    return (int)(length - overhead);
}

/* Token "psk", wherever the psk is: the state changes only if that succeeds. Returns 0 or NOISE_E_STATIC. */
static int mix_psk(struct noise_symmetric *symmetric, const struct noise_psk *psk)
{
    uint8_t extracted[NOISE_KEY_BYTES];

    if (!psk->is_remote)
        noise_extract(symmetric->ck, psk->key, extracted);
    else if (psk->extract == NULL || psk->extract(psk->id, symmetric->ck, extracted) != 0)
        return NOISE_E_STATIC;
    noise_mix_extracted_and_hash(symmetric, extracted);
    sodium_memzero(extracted, sizeof extracted);
    return 0;
}

int noise_write_2(struct noise_handshake *handshake, const struct noise_psk *psk, const uint8_t *payload,
                  size_t length, uint8_t *out)
{
    const enum noise_pattern pattern = (enum noise_pattern)handshake->pattern;
    int result;

    if (!handshake->has_ephemeral)
        return NOISE_E_STATE;
    memcpy(out, handshake->e_public, NOISE_KEY_BYTES);
    out += NOISE_KEY_BYTES;
    mix_ephemeral(handshake, handshake->e_public);
    result = mix_dh(handshake, handshake->e, handshake->re);
    if (result == 0 && is_hybrid(handshake))
        out += write_ekem1(handshake, out);
    if (result == 0 && noise_pattern_has_client_key(pattern))
        result = mix_dh(handshake, handshake->e, handshake->rs);
    wipe_ephemeral(handshake);
    if (result == 0 && noise_pattern_has_psk(pattern))
        result = mix_psk(&handshake->symmetric, psk);
    if (result != 0)
        return result;
    noise_encrypt_and_hash(&handshake->symmetric, payload, length, out);
    return 0;
}

/* Token "ekem1" of the reader; `room` is memory for the ciphertext. Returns 0 or NOISE_E_AUTHENTIC. */
static int read_ekem1(struct noise_handshake *handshake, const uint8_t *message, uint8_t *room,
                      const struct mlkem_stack *stack)
{
    uint8_t shared[MLKEM_SHARED_BYTES];

    if (noise_decrypt_and_hash(&handshake->symmetric, message, MLKEM_CIPHERTEXT_BYTES + NOISE_TAG_BYTES, room) != 0)
        return NOISE_E_AUTHENTIC;
    mlkem_decapsulate(stack, handshake->kem_secret, room, shared);
    noise_mix_key(&handshake->symmetric, shared);
    sodium_memzero(shared, sizeof shared);
    return 0;
}

/*
 * Reads the end of message 2 with one psk. Works on a copy of the state, which changes only if the psk is right.
 * Returns 0, NOISE_E_AUTHENTIC or NOISE_E_STATIC.
 */
static int try_psk(struct noise_handshake *handshake, const struct noise_psk *psk, const uint8_t *ciphertext,
                   size_t length, uint8_t *payload)
{
    struct noise_symmetric trial = handshake->symmetric;
    int result = mix_psk(&trial, psk);

    if (result == 0 && noise_decrypt_and_hash(&trial, ciphertext, length, payload) != 0)
        result = NOISE_E_AUTHENTIC;
    if (result == 0)
        handshake->symmetric = trial;
    sodium_memzero(&trial, sizeof trial);
    return result;
}

int noise_read_2(struct noise_handshake *handshake, const struct noise_static *s,
                 const struct noise_psk *const *psks, size_t psk_count, size_t *psk, const uint8_t *message,
                 size_t length, uint8_t *payload, const struct mlkem_stack *stack)
{
    const enum noise_pattern pattern = (enum noise_pattern)handshake->pattern;
    int result;

    if (!handshake->has_ephemeral)
        return NOISE_E_STATE;
    if (length < noise_overhead_2(pattern))
        return NOISE_E_AUTHENTIC;
    memcpy(handshake->re, message, sizeof handshake->re);
    message += NOISE_KEY_BYTES;
    length -= NOISE_KEY_BYTES;
    mix_ephemeral(handshake, handshake->re);
    result = mix_dh(handshake, handshake->e, handshake->re);
    if (result == 0 && is_hybrid(handshake)) {
        result = read_ekem1(handshake, message, payload, stack);
        message += MLKEM_CIPHERTEXT_BYTES + NOISE_TAG_BYTES;
        length -= MLKEM_CIPHERTEXT_BYTES + NOISE_TAG_BYTES;
    }
    wipe_ephemeral(handshake);
    if (result == 0 && noise_pattern_has_client_key(pattern))
        result = mix_static_dh(handshake, s, handshake->re, false);
    if (result != 0)
        return result;
    if (!noise_pattern_has_psk(pattern)) {
        result = noise_decrypt_and_hash(&handshake->symmetric, message, length, payload);
        return result == 0 ? (int)(length - NOISE_TAG_BYTES) : NOISE_E_AUTHENTIC;
    }
    result = NOISE_E_AUTHENTIC;
    for (size_t i = 0; i < psk_count; i++) {
        const int tried = try_psk(handshake, psks[i], message, length, payload);

        if (tried == 0) {
            *psk = i;
            return (int)(length - NOISE_TAG_BYTES);
        }
        if (tried == NOISE_E_STATIC) /* the next one may be here, or its holder may answer */
            result = tried;
    }
    return result;
}
