/*
 * The inside of a keyring, for the files of shim/seal; pfswrap/keys.h is the public part. The struct and its table
 * of peers are in guarded memory, which is read-only except while something is added.
 */
#ifndef PFSWRAP_SEAL_KEYRING_H
#define PFSWRAP_SEAL_KEYRING_H

#include <stdbool.h>

#include <pfswrap/keys.h>

#include "seal/noise.h"

enum { KEYRING_PSK_ID_BYTES = NOISE_PSK_ID_BYTES };

/* When a key was made, and the last second in which it may begin a connection, in Unix time. */
struct keyring_period {
    int64_t created; /* 0: not known */
    int64_t not_after;
};

struct keyring_identity {
    uint8_t secret[PFSWRAP_KEY_BYTES];
    uint8_t public_key[PFSWRAP_KEY_BYTES];
    struct keyring_period period;
    bool is_remote; /* `secret` is zeros: another process has it, and `dh` asks that one */
    noise_remote_dh *dh;
};

struct keyring_psk {
    struct noise_psk secret; /* its id: BLAKE2b-64 of "pfswrap psk id 1", keyed with the psk */
    struct keyring_period period;
};

struct keyring_peer {
    uint8_t public_key[PFSWRAP_KEY_BYTES];
    int64_t not_after; /* the last second in which the key is valid, Unix time */
    char name[PFSWRAP_NAME_BYTES];
};

struct pfswrap_keyring {
    struct keyring_identity identities[PFSWRAP_KEYRING_IDENTITIES_MAX];
    struct keyring_psk psks[PFSWRAP_KEYRING_PSKS_MAX];
    size_t identity_count, psk_count, peer_count, peer_capacity;
    bool is_adding;             /* between keyring_begin_adding() and keyring_end_adding() */
    struct keyring_peer *peers; /* peer_capacity of them; behind them, an index by public key (keyring.c) */
};

/* Look up an entry; NULL if there is none. The values are not secret, so memcmp() compares them. */
const struct keyring_identity *keyring_find_identity(const struct pfswrap_keyring *keyring,
                                                     const uint8_t public_key[PFSWRAP_KEY_BYTES]);
const struct keyring_psk *keyring_find_psk(const struct pfswrap_keyring *keyring,
                                           const uint8_t id[KEYRING_PSK_ID_BYTES]);
const struct keyring_peer *keyring_find_peer(const struct pfswrap_keyring *keyring,
                                             const uint8_t public_key[PFSWRAP_KEY_BYTES]);

/*
 * Adds an identity whose secret another process has. With a `dh` that is NULL its handshakes fail (E_AGENT).
 * Returns 0, or -1 as pfswrap_keyring_add_identity().
 */
int keyring_add_remote(struct pfswrap_keyring *keyring, const uint8_t public_key[PFSWRAP_KEY_BYTES],
                       noise_remote_dh *dh);

/* The same for a psk that another process has under its id. */
int keyring_add_remote_psk(struct pfswrap_keyring *keyring, const uint8_t id[KEYRING_PSK_ID_BYTES],
                           noise_remote_psk *extract);

/* Whether the key may begin a connection at `now`. */
static inline bool keyring_is_current(const struct keyring_period *period, uint64_t now)
{
    return now <= (uint64_t)period->not_after;
}

/* The number of psks that may begin a connection at `now`. */
size_t keyring_current_psks(const struct pfswrap_keyring *keyring, uint64_t now);

/* The key that was added last, an identity or a psk, was made at `created`. */
void keyring_set_created(struct pfswrap_keyring *keyring, bool is_psk, int64_t created);

/* No key that is older than `seconds` begins a connection from now on. Open connections go on. */
void keyring_limit_age(struct pfswrap_keyring *keyring, int64_t seconds);

/* Reads YYYY-MM-DD (its end) or YYYY-MM-DDThh:mm:ssZ. Returns Unix time, or -1. */
int64_t keyring_read_date(const char *text, size_t length);

/* Whether `name` is valid in a peers file: 1 to 63 characters from A-Z a-z 0-9 . _ - @. */
bool keyring_name_is_valid(const char *name, size_t length);

/*
 * Around the addition of many peers: the keyring is writable until the end. Each change of its pages costs more,
 * the more pages it has. Returns 0, or -1: the pages cannot be changed.
 */
int keyring_begin_adding(struct pfswrap_keyring *keyring);
void keyring_end_adding(struct pfswrap_keyring *keyring);

/* Whether both have the same entries in the same order. Secrets are compared in constant time. */
bool keyring_is_equal(const struct pfswrap_keyring *one, const struct pfswrap_keyring *other);

/* Reads a key file that no keyring is for. Returns 0, or -1 with *error filled. The caller wipes the key. */
int keyfile_load_secret(uint8_t key[PFSWRAP_KEY_BYTES], const char *path, struct pfswrap_keys_error *error);

/* Formats *error like printf(3), unless `error` is NULL. */
void keys_error_set(struct pfswrap_keys_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
