/*
 * Single keys: random keys, public keys, keys from passwords, and base64. Wipes what the functions leave on the
 * stack.
 */
#include <pfswrap/keys.h>

#include <sodium.h>
#include <string.h>

#include "seal/wipe.h"
#include "seal/keyring.h"

_Static_assert(PFSWRAP_KEY_BYTES == crypto_scalarmult_SCALARBYTES, "X25519");
_Static_assert(PFSWRAP_KEY_TEXT_BYTES ==
                   sodium_base64_ENCODED_LEN(PFSWRAP_KEY_BYTES, sodium_base64_VARIANT_ORIGINAL),
               "base64 with padding");

/* Must never be changed: with other numbers, a password gives another key. */
enum { ARGON2ID_PASSES = 3, ARGON2ID_BYTES = 256 * 1024 * 1024 };

static const char password_context[] = "pfswrap password key 1"; /* the terminator is part of it */

void pfswrap_key_generate(uint8_t key[PFSWRAP_KEY_BYTES])
{
    if (key != NULL)
        randombytes_buf(key, PFSWRAP_KEY_BYTES);
}

void pfswrap_key_derive_public(uint8_t public_key[PFSWRAP_KEY_BYTES], const uint8_t secret[PFSWRAP_KEY_BYTES])
{
    if (public_key == NULL || secret == NULL)
        return;
    crypto_scalarmult_base(public_key, secret);
    dead_stack_wipe(DEAD_STACK_HANDSHAKE);
}

int pfswrap_key_from_password(uint8_t secret[PFSWRAP_KEY_BYTES], const char *password, size_t password_length,
                              const char *user, const uint8_t server_public[PFSWRAP_KEY_BYTES])
{
    uint8_t salt[crypto_pwhash_SALTBYTES];
    crypto_generichash_state state;
    int result;

    if (secret == NULL || password == NULL || user == NULL || server_public == NULL ||
        !keyring_name_is_valid(user, strnlen(user, PFSWRAP_NAME_BYTES)) || password_length == 0 ||
        password_length > PTRDIFF_MAX || /* no memory is as long; with 32 bits, libsodium would read it */
        sodium_init() < 0)
        return -1;
    crypto_generichash_init(&state, server_public, PFSWRAP_KEY_BYTES, sizeof salt);
    crypto_generichash_update(&state, (const uint8_t *)password_context, sizeof password_context);
    crypto_generichash_update(&state, (const uint8_t *)user, strlen(user));
    crypto_generichash_final(&state, salt, sizeof salt);
    result = crypto_pwhash(secret, PFSWRAP_KEY_BYTES, password, password_length, salt, ARGON2ID_PASSES,
                           ARGON2ID_BYTES, crypto_pwhash_ALG_ARGON2ID13);
    dead_stack_wipe(DEAD_STACK_HANDSHAKE);
    return result;
}

void pfswrap_key_encode(char text[PFSWRAP_KEY_TEXT_BYTES], const uint8_t key[PFSWRAP_KEY_BYTES])
{
    if (text != NULL && key != NULL)
        sodium_bin2base64(text, PFSWRAP_KEY_TEXT_BYTES, key, PFSWRAP_KEY_BYTES, sodium_base64_VARIANT_ORIGINAL);
}

int pfswrap_key_decode(uint8_t key[PFSWRAP_KEY_BYTES], const char *text, size_t length)
{
    size_t decoded;
    uint8_t bits = 0;

    if (key == NULL || text == NULL || length != PFSWRAP_KEY_TEXT_BYTES - 1)
        return -1;
    for (size_t i = 0; i < length; i++)
        bits |= (uint8_t)text[i];
    if ((bits & 0x80) != 0) /* libsodium 1.0.18 ignores the highest bit of characters */
        return -1;
    return sodium_base642bin(key, PFSWRAP_KEY_BYTES, text, length, NULL, &decoded, NULL,
                             sodium_base64_VARIANT_ORIGINAL) == 0 &&
                   decoded == PFSWRAP_KEY_BYTES
               ? 0
               : -1;
}
