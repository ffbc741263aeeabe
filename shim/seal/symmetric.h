/*
 * Noise's SymmetricState (Noise specification revision 34, sections 5.1 and 5.2) for ChaChaPoly and SHA256: a
 * chaining key, a transcript hash and a cipher key. noise.c processes the tokens of handshake patterns with it.
 */
#ifndef PFSWRAP_SEAL_SYMMETRIC_H
#define PFSWRAP_SEAL_SYMMETRIC_H

#include <stddef.h>
#include <stdint.h>

enum {
    NOISE_KEY_BYTES = 32, /* DHLEN, HASHLEN, and the length of a cipher key */
    NOISE_TAG_BYTES = 16,
};

struct noise_symmetric {
    uint8_t ck[NOISE_KEY_BYTES]; /* chaining key */
    uint8_t h[NOISE_KEY_BYTES];  /* handshake hash */
    uint8_t k[NOISE_KEY_BYTES];  /* cipher key */
    uint64_t n;                  /* its nonce */
};

/* InitializeSymmetric(name). There is no cipher key yet; all patterns used here mix one in before they encrypt. */
void noise_symmetric_start(struct noise_symmetric *symmetric, const char *name);

/* MixHash(data); MixKey(material) with 32 bytes. */
void noise_mix_hash(struct noise_symmetric *symmetric, const uint8_t *data, size_t length);
void noise_mix_key(struct noise_symmetric *symmetric, const uint8_t material[NOISE_KEY_BYTES]);

/*
 * MixKeyAndHash(material) in two parts: the first step of HKDF (section 4.3), HMAC-SHA256 of the material with the
 * chaining key, and the rest. Whoever has the material can do the first for another process.
 */
void noise_extract(const uint8_t ck[NOISE_KEY_BYTES], const uint8_t material[NOISE_KEY_BYTES],
                   uint8_t extracted[NOISE_KEY_BYTES]);
void noise_mix_extracted_and_hash(struct noise_symmetric *symmetric, const uint8_t extracted[NOISE_KEY_BYTES]);

/* EncryptAndHash(plaintext): writes length + NOISE_TAG_BYTES bytes to `out`, which may be `plaintext`. */
void noise_encrypt_and_hash(struct noise_symmetric *symmetric, const uint8_t *plaintext, size_t length,
                            uint8_t *out);

/*
 * DecryptAndHash(ciphertext): writes length - NOISE_TAG_BYTES bytes to `out`; `length` is at least NOISE_TAG_BYTES.
 * Returns 0, or -1 if the ciphertext is not authentic: the state cannot be used any more then.
 */
int noise_decrypt_and_hash(struct noise_symmetric *symmetric, const uint8_t *ciphertext, size_t length,
                           uint8_t *out);

/* Split(): the keys for the initiator's and for the responder's direction. */
void noise_split(const struct noise_symmetric *symmetric, uint8_t initiator[NOISE_KEY_BYTES],
                 uint8_t responder[NOISE_KEY_BYTES]);

#endif
