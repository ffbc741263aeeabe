/*
 * The inside of a keyring, for the files of shim/seal; pfswrap/keys.h is the public part. The struct and its table
 * of peers are in guarded memory, which is read-only except while something is added.
 */
#ifndef PFSWRAP_SEAL_KEYRING_H
#define PFSWRAP_SEAL_KEYRING_H

#include <stdbool.h>

#include <pfswrap/keys.h>

enum { KEYRING_PSK_ID_BYTES = 8 };

struct keyring_identity {
    uint8_t secret[PFSWRAP_KEY_BYTES];
    uint8_t public_key[PFSWRAP_KEY_BYTES];
};

struct keyring_psk {
    uint8_t key[PFSWRAP_KEY_BYTES];
    uint8_t id[KEYRING_PSK_ID_BYTES]; /* BLAKE2b-64 of "pfswrap psk id 1", keyed with the psk */
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
    struct keyring_peer *peers;
};

/* Look up an entry; NULL if there is none. The values are not secret, so memcmp() compares them. */
const struct keyring_identity *keyring_find_identity(const struct pfswrap_keyring *keyring,
                                                     const uint8_t public_key[PFSWRAP_KEY_BYTES]);
const struct keyring_psk *keyring_find_psk(const struct pfswrap_keyring *keyring,
                                           const uint8_t id[KEYRING_PSK_ID_BYTES]);
const struct keyring_peer *keyring_find_peer(const struct pfswrap_keyring *keyring,
                                             const uint8_t public_key[PFSWRAP_KEY_BYTES]);

/* Whether `name` is valid in a peers file: 1 to 63 characters from A-Z a-z 0-9 . _ - @. */
bool keyring_name_is_valid(const char *name, size_t length);

/* Whether both have the same entries in the same order. Secrets are compared in constant time. */
bool keyring_is_equal(const struct pfswrap_keyring *one, const struct pfswrap_keyring *other);

/* Formats *error like printf(3), unless `error` is NULL. */
void keys_error_set(struct pfswrap_keys_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
