/*
 * Chooses between the two implementations of the stream's cipher. The choice is one byte, the same in all threads
 * that make it.
 */
#include "seal/cipher.h"

#include <stdatomic.h>

#include "seal/cipher_openssl.h"

static _Atomic uint8_t chosen; /* enum cipher_level */

static bool openssl_is_chosen(void)
{
    return atomic_load_explicit(&chosen, memory_order_relaxed) != CIPHER_LIBSODIUM;
}

bool cipher_set_level(enum cipher_level level)
{
    if (level != CIPHER_LIBSODIUM && !openssl_cipher_set_level(level))
        return false;
    atomic_store_explicit(&chosen, (uint8_t)level, memory_order_release);
    return true;
}

void cipher_choose(void)
{
    (void)cipher_set_level(openssl_cipher_best_level());
}

const char *cipher_name(void)
{
    return openssl_is_chosen() ? openssl_cipher_name() : "libsodium";
}

void cipher_push(cipher_stream *stream, uint8_t *out, const uint8_t *data, size_t length,
                 const uint8_t ad[CIPHER_AD_BYTES], uint8_t tag)
{
    if (openssl_is_chosen())
        openssl_cipher_push(stream, out, data, length, ad, tag);
    else
        (void)crypto_secretstream_xchacha20poly1305_push(stream, out, NULL, data, length, ad, CIPHER_AD_BYTES, tag);
}

bool cipher_pull(cipher_stream *stream, uint8_t *out, uint8_t *tag, const uint8_t *in, size_t length,
                 const uint8_t ad[CIPHER_AD_BYTES])
{
    if (openssl_is_chosen())
        return openssl_cipher_pull(stream, out, tag, in, length, ad);
    return crypto_secretstream_xchacha20poly1305_pull(stream, out, NULL, tag, in, length + CIPHER_OVERHEAD, ad,
                                                      CIPHER_AD_BYTES) == 0;
}
