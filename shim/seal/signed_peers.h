/*
 * A peers file that is signed: FILE, and its signature FILE.minisig beside it. The trusted comment of the signature
 * says that the file is one of peers, which serial number it has, and when it was signed:
 *
 *     pfswrap peers serial=42 created=2026-11-30T07:00:00Z
 *
 * So a signature by the same key on another kind of file is none on a peers file. Whether the serial number is
 * high enough is decided by the caller.
 */
#ifndef PFSWRAP_SEAL_SIGNED_PEERS_H
#define PFSWRAP_SEAL_SIGNED_PEERS_H

#include "seal/signature.h"

#define SIGNED_PEERS_WORDS "pfswrap peers "

enum {
    SIGNED_PEERS_DIGEST_BYTES = 32,
    SIGNED_PEERS_PATH_MAX = 4096, /* bytes of FILE.minisig, with the terminator */
};

struct signed_peers {
    uint64_t serial;                           /* 1 or more; 0: the file is not signed */
    int64_t created;                           /* Unix time; 0: the signature does not say it */
    uint8_t digest[SIGNED_PEERS_DIGEST_BYTES]; /* of the content: the first bytes of the hash that is signed */
    struct signature_key signer;
};

/* Reads a decimal number from 1 to 2^63-1, without leading zeros. Returns 0 if `text` is anything else. */
uint64_t signed_peers_read_serial(const char *text, size_t length);

/* Reads a trusted comment. Returns 0, or -1 with *error filled. `path` is for messages. */
int signed_peers_read_comment(struct signed_peers *version, const char *comment, const char *path,
                              struct pfswrap_keys_error *error);

/*
 * Adds the peers of a file that one of `keys` has signed. What is verified is what is parsed: the file is read
 * once. Returns 0 with *version filled, or -1 with *error filled.
 */
int signed_peers_load(struct pfswrap_keyring *keyring, const char *path, const struct signature_key *keys,
                      size_t count, struct signed_peers *version, struct pfswrap_keys_error *error);

#endif
