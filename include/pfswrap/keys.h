/*
 * pfswrap/keys.h: who we are, whom we know, and what we share: the keys a seal channel is opened with.
 * A keyring holds identities (static X25519 keys), preshared keys and the table of peers. Secrets live in guarded,
 * locked memory that is left out of core dumps. Filling a keyring may allocate and read files; using a filled one
 * does neither, so it may be shared by any number of channels and threads as long as nobody adds to it.
 */
#ifndef PFSWRAP_CONFIG_KEYS_H
#define PFSWRAP_CONFIG_KEYS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

enum {
    PFSWRAP_KEY_BYTES = 32,      /* a secret key, a public key or a preshared key, in memory */
    PFSWRAP_KEY_TEXT_BYTES = 45, /* the same as base64 (RFC 4648, section 4), with the terminator */
    PFSWRAP_NAME_BYTES = 64,     /* a peer or service name, with the terminator */
    PFSWRAP_KEYRING_IDENTITIES_MAX = 16,
    PFSWRAP_KEYRING_PSKS_MAX = 16,
};

/* not_after of a key that does not expire. */
#define PFSWRAP_NEVER INT64_MAX

/* One line for a person, without a newline: "FILE:LINE: message" or "FILE: message". */
struct pfswrap_keys_error {
    char text[640];
};

struct pfswrap_keyring;

/* A new, empty keyring, or NULL: out of memory, or libsodium could not be started. */
struct pfswrap_keyring *pfswrap_keyring_new(void);

/* Wipes and frees. NULL is allowed. No channel may be inside a call that uses the keyring. */
void pfswrap_keyring_free(struct pfswrap_keyring *keyring);

/*
 * Adds an identity: 32 bytes of X25519 secret key (RFC 7748; any 32 bytes, clamped when used), copied. The first
 * one added is used to connect; all of them are answered to. Returns 0, or -1: there are 16 already, or it is
 * there.
 */
int pfswrap_keyring_add_identity(struct pfswrap_keyring *keyring, const uint8_t secret[PFSWRAP_KEY_BYTES]);

/*
 * Adds a preshared key of 32 random bytes, copied. With at least one of them only psk patterns are spoken and
 * accepted; both sides must have one in common, and the responder takes the first of the initiator's that it has.
 * Returns 0, or -1: there are 16 already, or it is there.
 */
int pfswrap_keyring_add_psk(struct pfswrap_keyring *keyring, const uint8_t psk[PFSWRAP_KEY_BYTES]);

/*
 * Adds a peer: `name` of 1 to 63 characters from A-Z a-z 0-9 . _ - @, its public key, and the last second (Unix
 * time) at which the key is good, or PFSWRAP_NEVER. A name may have several keys; a key has one name. Returns 0, or
 * -1 with *error filled (it may be NULL): a bad name, a key that is there already, a key of small order, out of
 * memory.
 */
int pfswrap_keyring_add_peer(struct pfswrap_keyring *keyring, const char *name,
                             const uint8_t public_key[PFSWRAP_KEY_BYTES], int64_t not_after,
                             struct pfswrap_keys_error *error);

/*
 * Adds the peers in `length` bytes of `text`, read from a file that messages call `file`. Lines are
 *     NAME BASE64-PUBLIC-KEY [not-after=DATE]
 * with spaces or tabs between; empty lines and lines that begin with # are skipped. DATE is YYYY-MM-DD (good until
 * that day ends) or YYYY-MM-DDThh:mm:ssZ, both UTC. Returns 0, or -1 with *error filled; peers from the lines
 * before the bad one have then been added.
 */
int pfswrap_keyring_parse_peers(struct pfswrap_keyring *keyring, const char *text, size_t length, const char *file,
                                struct pfswrap_keys_error *error);

/*
 * The same from files. An identity or psk file holds one key as base64 on one line; it must be a regular file of
 * ours (or root's) that neither group nor others can read or write. A peers file must be a regular file of ours (or
 * root's) that neither group nor others can write. Returns 0, or -1 with *error filled.
 */
int pfswrap_keyring_load_identity(struct pfswrap_keyring *keyring, const char *path,
                                  struct pfswrap_keys_error *error);
int pfswrap_keyring_load_psk(struct pfswrap_keyring *keyring, const char *path, struct pfswrap_keys_error *error);
int pfswrap_keyring_load_peers(struct pfswrap_keyring *keyring, const char *path, struct pfswrap_keys_error *error);

/* How much a keyring holds; `name` NULL counts every peer key, else those of that name. */
size_t pfswrap_keyring_count_identities(const struct pfswrap_keyring *keyring);
size_t pfswrap_keyring_count_psks(const struct pfswrap_keyring *keyring);
size_t pfswrap_keyring_count_peers(const struct pfswrap_keyring *keyring, const char *name);

/* 32 random bytes from the kernel (libsodium's randombytes): a secret key or a preshared key. */
void pfswrap_key_generate(uint8_t key[PFSWRAP_KEY_BYTES]);

/* The public half of a secret key (X25519 with the base point, RFC 7748 section 6.1). */
void pfswrap_key_derive_public(uint8_t public_key[PFSWRAP_KEY_BYTES], const uint8_t secret[PFSWRAP_KEY_BYTES]);

/*
 * A secret key from a password: Argon2id version 1.3 (RFC 9106), 3 passes over 256 MiB, one lane; salt is
 * BLAKE2b-128 of "pfswrap password key 1", a zero byte and the user's name, keyed with the server's public key.
 * Takes about a second and 256 MiB. `user` as a peer name. Returns 0, or -1: a bad name, an empty password, or no
 * memory (errno).
 */
int pfswrap_key_from_password(uint8_t secret[PFSWRAP_KEY_BYTES], const char *password, size_t password_length,
                              const char *user, const uint8_t server_public[PFSWRAP_KEY_BYTES]);

/* Base64 with padding. Decoding takes exactly 44 characters, in constant time per length: returns 0, or -1. */
void pfswrap_key_encode(char text[PFSWRAP_KEY_TEXT_BYTES], const uint8_t key[PFSWRAP_KEY_BYTES]);
int pfswrap_key_decode(uint8_t key[PFSWRAP_KEY_BYTES], const char *text, size_t length);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
