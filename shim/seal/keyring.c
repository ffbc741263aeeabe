/*
 * Keyrings in guarded memory: one block of sodium_malloc() has all secrets (guard pages, locked, left out of core
 * dumps). It is read-only except while something is added.
 */
#include "seal/keyring.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "seal/cipher.h"
#include "seal/wipe.h"

static const char psk_id_context[] = "pfswrap psk id 1";

void keys_error_set(struct pfswrap_keys_error *error, const char *format, ...)
{
    va_list arguments;

    if (error == NULL)
        return;
    va_start(arguments, format);
    (void)vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
}

struct pfswrap_keyring *pfswrap_keyring_new(void)
{
    struct pfswrap_keyring *keyring;

    if (sodium_init() < 0 || (keyring = sodium_malloc(sizeof *keyring)) == NULL)
        return NULL;
    cipher_choose();
    memset(keyring, 0, sizeof *keyring);
    (void)sodium_mprotect_readonly(keyring);
    return keyring;
}

void pfswrap_keyring_free(struct pfswrap_keyring *keyring)
{
    if (keyring != NULL) {
        sodium_free(keyring->peers);
        sodium_free(keyring);
    }
}

/*
 * Whether the key is a point of small order: then crypto_scalarmult() fails. X25519 ignores the highest bit (RFC
 * 7748, section 5) and takes numbers from p = 2^255-19 on for the ones below, so these are all: 0, 1, p-1, p, p+1,
 * and the two points of order 8 (D. J. Bernstein, "Curve25519: new Diffie-Hellman speed records", and
 * https://cr.yp.to/ecdh.html#validate). A comparison is a hundred times as fast as a multiplication.
 */
static bool key_has_small_order(const uint8_t public_key[PFSWRAP_KEY_BYTES])
{
    static const uint8_t points[][PFSWRAP_KEY_BYTES] = {
        {0},
        {1},
        {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
        {0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
        {0xee, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
        {0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a,
         0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00},
        {0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b,
         0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57},
    };
    uint8_t key[PFSWRAP_KEY_BYTES];

    memcpy(key, public_key, sizeof key);
    key[PFSWRAP_KEY_BYTES - 1] &= 0x7f;
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++)
        if (memcmp(key, points[i], sizeof key) == 0)
            return true;
    return false;
}

/* A new identity, in a keyring that is writable now; NULL: it has this one, or no room. */
static struct keyring_identity *append_identity(struct pfswrap_keyring *keyring,
                                                const uint8_t public_key[PFSWRAP_KEY_BYTES])
{
    struct keyring_identity *identity;

    if (keyring->identity_count == PFSWRAP_KEYRING_IDENTITIES_MAX ||
        keyring_find_identity(keyring, public_key) != NULL || sodium_mprotect_readwrite(keyring) != 0)
        return NULL;
    identity = &keyring->identities[keyring->identity_count++];
    memcpy(identity->public_key, public_key, sizeof identity->public_key);
    identity->period.not_after = PFSWRAP_NEVER;
    return identity;
}

int pfswrap_keyring_add_identity(struct pfswrap_keyring *keyring, const uint8_t secret[PFSWRAP_KEY_BYTES])
{
    struct keyring_identity *identity;
    uint8_t public_key[PFSWRAP_KEY_BYTES];

    if (keyring == NULL || secret == NULL)
        return -1;
    pfswrap_key_derive_public(public_key, secret);
    if ((identity = append_identity(keyring, public_key)) == NULL)
        return -1;
    memcpy(identity->secret, secret, sizeof identity->secret);
    (void)sodium_mprotect_readonly(keyring);
    return 0;
}

int keyring_add_remote(struct pfswrap_keyring *keyring, const uint8_t public_key[PFSWRAP_KEY_BYTES],
                       noise_remote_dh *dh)
{
    struct keyring_identity *const identity =
        key_has_small_order(public_key) ? NULL : append_identity(keyring, public_key);

    if (identity == NULL)
        return -1;
    identity->is_remote = true;
    identity->dh = dh;
    (void)sodium_mprotect_readonly(keyring);
    return 0;
}

/* A new psk, in a keyring that is writable now; NULL: it has this one, or no room. */
static struct keyring_psk *append_psk(struct pfswrap_keyring *keyring, const uint8_t id[KEYRING_PSK_ID_BYTES])
{
    struct keyring_psk *psk;

    if (keyring->psk_count == PFSWRAP_KEYRING_PSKS_MAX || keyring_find_psk(keyring, id) != NULL ||
        sodium_mprotect_readwrite(keyring) != 0)
        return NULL;
    psk = &keyring->psks[keyring->psk_count++];
    memcpy(psk->secret.id, id, sizeof psk->secret.id);
    psk->period.not_after = PFSWRAP_NEVER;
    return psk;
}

int pfswrap_keyring_add_psk(struct pfswrap_keyring *keyring, const uint8_t psk[PFSWRAP_KEY_BYTES])
{
    uint8_t id[KEYRING_PSK_ID_BYTES];
    struct keyring_psk *entry;

    if (keyring == NULL || psk == NULL)
        return -1;
    crypto_generichash(id, sizeof id, (const uint8_t *)psk_id_context, sizeof psk_id_context - 1, psk,
                       PFSWRAP_KEY_BYTES);
    dead_stack_wipe(DEAD_STACK_STREAM);
    if ((entry = append_psk(keyring, id)) == NULL)
        return -1;
    memcpy(entry->secret.key, psk, sizeof entry->secret.key);
    (void)sodium_mprotect_readonly(keyring);
    return 0;
}

int keyring_add_remote_psk(struct pfswrap_keyring *keyring, const uint8_t id[KEYRING_PSK_ID_BYTES],
                           noise_remote_psk *extract)
{
    struct keyring_psk *const entry = append_psk(keyring, id);

    if (entry == NULL)
        return -1;
    entry->secret.is_remote = true;
    entry->secret.extract = extract;
    (void)sodium_mprotect_readonly(keyring);
    return 0;
}

void keyring_set_created(struct pfswrap_keyring *keyring, bool is_psk, int64_t created)
{
    created = created > 0 ? created : 0;
    if ((is_psk ? keyring->psk_count : keyring->identity_count) == 0 || sodium_mprotect_readwrite(keyring) != 0)
        return;
    if (is_psk)
        keyring->psks[keyring->psk_count - 1].period.created = created;
    else
        keyring->identities[keyring->identity_count - 1].period.created = created;
    (void)sodium_mprotect_readonly(keyring);
}

static void limit_period(struct keyring_period *period, int64_t seconds)
{
    period->not_after = period->created + seconds - 1;
}

void keyring_limit_age(struct pfswrap_keyring *keyring, int64_t seconds)
{
    if (sodium_mprotect_readwrite(keyring) != 0)
        return;
    for (size_t i = 0; i < keyring->identity_count; i++)
        limit_period(&keyring->identities[i].period, seconds);
    for (size_t i = 0; i < keyring->psk_count; i++)
        limit_period(&keyring->psks[i].period, seconds);
    (void)sodium_mprotect_readonly(keyring);
}

size_t keyring_current_psks(const struct pfswrap_keyring *keyring, uint64_t now)
{
    size_t count = 0;

    for (size_t i = 0; i < keyring->psk_count; i++)
        count += keyring_is_current(&keyring->psks[i].period, now);
    return count;
}

bool keyring_name_is_valid(const char *name, size_t length)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-@";

    return length > 0 && length < PFSWRAP_NAME_BYTES && strspn(name, allowed) >= length;
}

/*
 * The index has two places for each peer: 0, or 1 more than the peer's number. The search for a key begins at the
 * place that its first bytes say, and ends at a 0.
 */
enum { PLACES_PER_PEER = 2 };

static uint32_t *index_of(const struct pfswrap_keyring *keyring)
{
    return (uint32_t *)(keyring->peers + keyring->peer_capacity);
}

/* The place of this key in the index, or the 0 where it would be. There are peers, and the capacity is a power
 * of 2. */
static uint32_t *find_place(const struct pfswrap_keyring *keyring, const uint8_t public_key[PFSWRAP_KEY_BYTES])
{
    const size_t mask = PLACES_PER_PEER * keyring->peer_capacity - 1;
    uint32_t *const index = index_of(keyring), place;

    memcpy(&place, public_key, sizeof place);
    while (index[place & mask] != 0 &&
           memcmp(keyring->peers[index[place & mask] - 1].public_key, public_key, PFSWRAP_KEY_BYTES) != 0)
        place++;
    return &index[place & mask];
}

/* Doubles the table of peers. It is not secret, but guarded memory keeps a stray write from adding a peer. */
static int grow_peers(struct pfswrap_keyring *keyring)
{
    const size_t capacity = keyring->peer_capacity > 0 ? 2 * keyring->peer_capacity : 16;
    const size_t size = sizeof(struct keyring_peer) + PLACES_PER_PEER * sizeof(uint32_t);
    struct keyring_peer *const peers = sodium_allocarray(capacity, size);

    if (peers == NULL)
        return -1;
    memset(peers, 0, capacity * size);
    if (keyring->peer_count > 0)
        memcpy(peers, keyring->peers, keyring->peer_count * sizeof *peers);
    sodium_free(keyring->peers);
    keyring->peers = peers;
    keyring->peer_capacity = capacity;
    for (size_t i = 0; i < keyring->peer_count; i++)
        *find_place(keyring, peers[i].public_key) = (uint32_t)i + 1;
    return 0;
}

int keyring_begin_adding(struct pfswrap_keyring *keyring)
{
    if (sodium_mprotect_readwrite(keyring) != 0)
        return -1;
    keyring->is_adding = true;
    if (keyring->peers == NULL || sodium_mprotect_readwrite(keyring->peers) == 0)
        return 0;
    keyring_end_adding(keyring);
    return -1;
}

void keyring_end_adding(struct pfswrap_keyring *keyring)
{
    keyring->is_adding = false;
    if (keyring->peers != NULL)
        (void)sodium_mprotect_readonly(keyring->peers);
    (void)sodium_mprotect_readonly(keyring);
}

static int append_peer(struct pfswrap_keyring *keyring, const struct keyring_peer *peer)
{
    const bool is_alone = !keyring->is_adding;
    int result = 0;

    if (is_alone && keyring_begin_adding(keyring) != 0)
        return -1;
    if (keyring->peers == NULL || keyring->peer_count == keyring->peer_capacity)
        result = grow_peers(keyring);
    if (result == 0) {
        uint32_t *const place = find_place(keyring, peer->public_key);

        keyring->peers[keyring->peer_count++] = *peer;
        *place = (uint32_t)keyring->peer_count;
    }
    if (is_alone)
        keyring_end_adding(keyring);
    return result;
}

int pfswrap_keyring_add_peer(struct pfswrap_keyring *keyring, const char *name,
                             const uint8_t public_key[PFSWRAP_KEY_BYTES], int64_t not_after,
                             struct pfswrap_keys_error *error)
{
    const struct keyring_peer *known;
    struct keyring_peer peer = {.not_after = not_after};
    size_t length;

    if (keyring == NULL || name == NULL || public_key == NULL) {
        keys_error_set(error, "an argument is missing");
        return -1;
    }
    length = strnlen(name, PFSWRAP_NAME_BYTES);
    known = keyring_find_peer(keyring, public_key);
    if (!keyring_name_is_valid(name, length)) {
        keys_error_set(error, "a name is 1 to %d characters of A-Z a-z 0-9 . _ - @", PFSWRAP_NAME_BYTES - 1);
        return -1;
    }
    if (not_after < 0) {
        keys_error_set(error, "not-after is before 1970");
        return -1;
    }
    if (known != NULL) {
        keys_error_set(error, "this public key already belongs to %s", known->name);
        return -1;
    }
    if (key_has_small_order(public_key)) {
        keys_error_set(error, "not a usable public key: a point of small order");
        return -1;
    }
    memcpy(peer.public_key, public_key, sizeof peer.public_key);
    memcpy(peer.name, name, length);
    if (append_peer(keyring, &peer) != 0) {
        keys_error_set(error, "out of memory");
        return -1;
    }
    return 0;
}

size_t pfswrap_keyring_count_identities(const struct pfswrap_keyring *keyring)
{
    return keyring != NULL ? keyring->identity_count : 0;
}

size_t pfswrap_keyring_count_psks(const struct pfswrap_keyring *keyring)
{
    return keyring != NULL ? keyring->psk_count : 0;
}

size_t pfswrap_keyring_count_peers(const struct pfswrap_keyring *keyring, const char *name)
{
    size_t count = 0;

    for (size_t i = 0; keyring != NULL && i < keyring->peer_count; i++)
        count += name == NULL || strcmp(keyring->peers[i].name, name) == 0;
    return count;
}

const struct keyring_identity *keyring_find_identity(const struct pfswrap_keyring *keyring,
                                                     const uint8_t public_key[PFSWRAP_KEY_BYTES])
{
    for (size_t i = 0; i < keyring->identity_count; i++)
        if (memcmp(keyring->identities[i].public_key, public_key, PFSWRAP_KEY_BYTES) == 0)
            return &keyring->identities[i];
    return NULL;
}

const struct keyring_psk *keyring_find_psk(const struct pfswrap_keyring *keyring,
                                           const uint8_t id[KEYRING_PSK_ID_BYTES])
{
    for (size_t i = 0; i < keyring->psk_count; i++)
        if (memcmp(keyring->psks[i].secret.id, id, KEYRING_PSK_ID_BYTES) == 0)
            return &keyring->psks[i];
    return NULL;
}

const struct keyring_peer *keyring_find_peer(const struct pfswrap_keyring *keyring,
                                             const uint8_t public_key[PFSWRAP_KEY_BYTES])
{
    const uint32_t number = keyring->peer_count > 0 ? *find_place(keyring, public_key) : 0;

    return number > 0 ? &keyring->peers[number - 1] : NULL;
}

bool keyring_is_equal(const struct pfswrap_keyring *one, const struct pfswrap_keyring *other)
{
    return one->identity_count == other->identity_count && one->psk_count == other->psk_count &&
           one->peer_count == other->peer_count &&
           sodium_memcmp(one->identities, other->identities, sizeof one->identities) == 0 &&
           sodium_memcmp(one->psks, other->psks, sizeof one->psks) == 0 &&
           (one->peer_count == 0 || memcmp(one->peers, other->peers, one->peer_count * sizeof *one->peers) == 0);
}
