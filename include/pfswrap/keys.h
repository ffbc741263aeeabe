/*
 * pfswrap/keys.h: the keys of seal channels. A keyring holds identities (static X25519 keys), preshared keys and a
 * table of peers. Secrets are in guarded, locked memory that is left out of core dumps.
 *
 * Functions that fill a keyring may allocate memory and read files. Channels that use a keyring do neither, so any
 * number of channels and threads may share it while nothing is added to it.
 *
 * A pointer that a function needs and that is NULL is an error: the function returns -1, with *error filled if it
 * has one. A keyring that is NULL has no entries. Functions without a result do nothing then.
 */
#ifndef PFSWRAP_KEYS_H
#define PFSWRAP_KEYS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

enum {
    PFSWRAP_KEY_BYTES = 32,      /* bytes of a secret key, public key or preshared key */
    PFSWRAP_KEY_TEXT_BYTES = 45, /* bytes of a key in base64 (RFC 4648, section 4), with the terminator */
    PFSWRAP_NAME_BYTES = 64,     /* bytes of a peer or service name, with the terminator */
    PFSWRAP_KEYRING_IDENTITIES_MAX = 16,
    PFSWRAP_KEYRING_PSKS_MAX = 16,
};

/* `not_after` of a key that does not expire. */
#define PFSWRAP_NEVER INT64_MAX

/* A message of one line, without a newline: "FILE:LINE: message" or "FILE: message". */
struct pfswrap_keys_error {
    char text[640];
};

struct pfswrap_keyring;

/* Makes an empty keyring. Returns NULL if there is no memory or libsodium cannot be initialised. */
struct pfswrap_keyring *pfswrap_keyring_new(void);

/* Wipes and frees a keyring. NULL is allowed. No other thread may be in a call that uses the keyring. */
void pfswrap_keyring_free(struct pfswrap_keyring *keyring);

/*
 * Adds an identity, a secret X25519 key (RFC 7748), as a copy. Any 32 bytes are valid; they are clamped when they
 * are used. A client uses the first identity; a server answers to all of them. Returns 0, or -1 if the keyring has
 * this identity or 16 others.
 */
int pfswrap_keyring_add_identity(struct pfswrap_keyring *keyring, const uint8_t secret[PFSWRAP_KEY_BYTES]);

/*
 * Adds a preshared key of 32 random bytes, as a copy. With at least one of them, channels use only the psk
 * patterns. Both sides must have one in common; the responder chooses the first of the initiator's keys that it
 * has. Returns 0, or -1 if the keyring has this key or 16 others.
 */
int pfswrap_keyring_add_psk(struct pfswrap_keyring *keyring, const uint8_t psk[PFSWRAP_KEY_BYTES]);

/*
 * Adds a peer: its name (1 to 63 characters from A-Z a-z 0-9 . _ - @), its public key, and the last second (Unix
 * time) in which the key is valid, or PFSWRAP_NEVER. A name may have several keys; a key has one name. Returns 0,
 * or -1 with *error filled (`error` may be NULL): the name is not valid, the keyring has the key already, the key
 * is a point of small order, or there is no memory.
 */
int pfswrap_keyring_add_peer(struct pfswrap_keyring *keyring, const char *name,
                             const uint8_t public_key[PFSWRAP_KEY_BYTES], int64_t not_after,
                             struct pfswrap_keys_error *error);

/*
 * Adds the peers in `length` bytes of `text`; messages call the text `file`. The lines are
 *     NAME BASE64-PUBLIC-KEY [not-after=DATE]
 * with blanks between the words; empty lines and lines that begin with # are ignored. DATE is YYYY-MM-DD (valid
 * until that day ends) or YYYY-MM-DDThh:mm:ssZ, both in UTC. Returns 0, or -1 with *error filled; the peers in the
 * lines before the wrong one have been added then.
 */
int pfswrap_keyring_parse_peers(struct pfswrap_keyring *keyring, const char *text, size_t length, const char *file,
                                struct pfswrap_keys_error *error);

/*
 * Adds keys from a file. A file with an identity or a preshared key has one line, the key in base64. A peers file
 * has the lines described above. The file must be a regular file that belongs to the effective user or to root. Its
 * group and others must not be able to write it, nor to read an identity or a preshared key. Returns 0, or -1 with
 * *error filled.
 */
int pfswrap_keyring_load_identity(struct pfswrap_keyring *keyring, const char *path,
                                  struct pfswrap_keys_error *error);
int pfswrap_keyring_load_psk(struct pfswrap_keyring *keyring, const char *path, struct pfswrap_keys_error *error);
int pfswrap_keyring_load_peers(struct pfswrap_keyring *keyring, const char *path, struct pfswrap_keys_error *error);

/* The number of entries in a keyring: of peers' keys, those with that name, or all if `name` is NULL. */
size_t pfswrap_keyring_count_identities(const struct pfswrap_keyring *keyring);
size_t pfswrap_keyring_count_psks(const struct pfswrap_keyring *keyring);
size_t pfswrap_keyring_count_peers(const struct pfswrap_keyring *keyring, const char *name);

/* Makes a secret key or a preshared key: 32 random bytes from the kernel (libsodium's randombytes). */
void pfswrap_key_generate(uint8_t key[PFSWRAP_KEY_BYTES]);

/* Computes the public key of a secret key: X25519 with the base point (RFC 7748, section 6.1). */
void pfswrap_key_derive_public(uint8_t public_key[PFSWRAP_KEY_BYTES], const uint8_t secret[PFSWRAP_KEY_BYTES]);

/*
 * Derives a secret key from a password with Argon2id (RFC 9106, version 1.3; 3 passes over 256 MiB, one lane). The
 * salt is BLAKE2b-128 of "pfswrap password key 1", a zero byte and the user's name, keyed with the server's public
 * key. `user` has the form of a peer's name. Takes about a second and 256 MiB. Returns 0, or -1 if the name is not
 * valid, the password is empty, or there is no memory (errno is ENOMEM).
 */
int pfswrap_key_from_password(uint8_t secret[PFSWRAP_KEY_BYTES], const char *password, size_t password_length,
                              const char *user, const uint8_t server_public[PFSWRAP_KEY_BYTES]);

/*
 * Base64 with padding (RFC 4648, section 4). Decoding returns 0, or -1 unless `text` is 44 characters of base64;
 * its time does not depend on the characters.
 */
void pfswrap_key_encode(char text[PFSWRAP_KEY_TEXT_BYTES], const uint8_t key[PFSWRAP_KEY_BYTES]);
int pfswrap_key_decode(uint8_t key[PFSWRAP_KEY_BYTES], const char *text, size_t length);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
