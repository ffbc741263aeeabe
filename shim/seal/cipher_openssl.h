/*
 * For cipher.c: the same by OpenSSL's ChaCha20 and Poly1305. Builds without libcrypto.a have none of it:
 * openssl_cipher_set_level() then returns false, and the others are not called.
 */
#ifndef PFSWRAP_SEAL_CIPHER_OPENSSL_H
#define PFSWRAP_SEAL_CIPHER_OPENSSL_H

#include "seal/cipher.h"

/* Tells OpenSSL's code which instructions it may use. Returns false if this build or processor does not have them.
 */
bool openssl_cipher_set_level(enum cipher_level level);

/* The level that is best for this processor; CIPHER_LIBSODIUM if that is not OpenSSL's. */
enum cipher_level openssl_cipher_best_level(void);

/* The name and version of the library, or NULL. */
const char *openssl_cipher_name(void);

void openssl_cipher_push(cipher_stream *stream, uint8_t *out, const uint8_t *data, size_t length,
                         const uint8_t ad[CIPHER_AD_BYTES], uint8_t tag);
bool openssl_cipher_pull(cipher_stream *stream, uint8_t *out, uint8_t *tag, const uint8_t *in, size_t length,
                         const uint8_t ad[CIPHER_AD_BYTES]);

#endif
