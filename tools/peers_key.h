/*
 * The secret key that signs peers files, in minisign's format, so that minisign(1) can use it, too.
 */
#ifndef PFSWRAP_TOOLS_PEERS_KEY_H
#define PFSWRAP_TOOLS_PEERS_KEY_H

#include "seal/signature.h"

struct peers_key {
    uint8_t id[SIGNATURE_ID_BYTES];
    uint8_t secret[64]; /* the seed, and the public key (libsodium, crypto_sign) */
};

/* Makes a key and writes it to a new file, without a password. Returns 0, or -1 after a message. */
int peers_key_make(struct peers_key *key, const char *path);

/* Reads a key; asks for its password if it has one. Returns 0, or -1 after a message. The caller wipes it. */
int peers_key_read(struct peers_key *key, const char *path);

/* The public part. */
struct signature_key peers_key_public(const struct peers_key *key);

/* Writes the public key to standard output as minisign(1) has it in a file. */
void peers_key_print_public(const struct peers_key *key);

/*
 * Writes the signature over `length` bytes of `content`, and over a trusted comment, to FILE.minisig, in place of
 * the one that was there. Returns 0, or -1 after a message.
 */
int peers_key_sign(const struct peers_key *key, const void *content, size_t length, const char *comment,
                   const char *path);

#endif
