/*
 * Signatures in the format of minisign(1): Ed25519 over the BLAKE2b-512 of a file ("ED"), and a second signature
 * over the first one and a line of text, the trusted comment. Only this kind is accepted. Bytes in, bytes out; no
 * allocation. The format is in https://jedisct1.github.io/minisign/ ("Signature format").
 */
#ifndef PFSWRAP_SEAL_SIGNATURE_H
#define PFSWRAP_SEAL_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pfswrap/keys.h>

#define SIGNATURE_SUFFIX ".minisig" /* the signature of FILE is in FILE.minisig */

enum {
    SIGNATURE_ID_BYTES = 8,
    SIGNATURE_BYTES = 64,
    SIGNATURE_HASH_BYTES = 64,     /* BLAKE2b-512 */
    SIGNATURE_KEY_TEXT_BYTES = 57, /* a public key in base64: "Ed", the id and 32 bytes; with the terminator */
    SIGNATURE_COMMENT_BYTES = 256, /* of a trusted comment, with the terminator */
    SIGNATURE_FILE_MAX = 1024,     /* bytes of a file with a signature; minisign's have about 300 */
};

struct signature_key {
    uint8_t id[SIGNATURE_ID_BYTES];
    uint8_t public_key[32];
};

struct signature {
    uint8_t id[SIGNATURE_ID_BYTES]; /* of the key */
    uint8_t of_content[SIGNATURE_BYTES], of_comment[SIGNATURE_BYTES];
    char comment[SIGNATURE_COMMENT_BYTES]; /* the trusted one */
};

/* A public key in base64, as minisign(1) prints it. Decoding returns 0, or -1: `text` is anything else. */
int signature_key_decode(struct signature_key *key, const char *text, size_t length);
void signature_key_encode(char text[SIGNATURE_KEY_TEXT_BYTES], const struct signature_key *key);

/* The id as minisign(1) prints it: 16 hexadecimal digits. */
uint64_t signature_id_number(const uint8_t id[SIGNATURE_ID_BYTES]);

/* Parses the four lines of the file `path`. Returns 0, or -1 with *error filled: "FILE:LINE: what, expected ...".
 */
int signature_parse(struct signature *signature, const char *text, size_t length, const char *path,
                    struct pfswrap_keys_error *error);

/*
 * Whether one of `keys` has made the signature over these bytes and over its trusted comment. Returns the key's
 * index, or -1 with *error filled.
 */
int signature_verify(const struct signature *signature, const struct signature_key *keys, size_t count,
                     const void *content, size_t length, const char *path, struct pfswrap_keys_error *error);

/* Whether this key has made the signature over the trusted comment; the content is not looked at. */
bool signature_verify_comment(const struct signature *signature, const struct signature_key *key);

/* The hash that is signed. */
void signature_hash(uint8_t hash[SIGNATURE_HASH_BYTES], const void *content, size_t length);

#endif
