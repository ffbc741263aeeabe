/*
 * One exchange of Noise messages, in a handshake or a re-handshake: the payloads, the choice of a psk, and the
 * decision whether a client is admitted.
 */
#include "seal/channel.h"

#include <string.h>

#include "seal/payload.h"

/* The largest payload that this side writes. */
enum {
    PAYLOAD_MAX = PAYLOAD_REKEY_BYTES + PAYLOAD_PADDING_BYTES + PFSWRAP_KEYRING_PSKS_MAX * PAYLOAD_PSK_ID_BYTES,
};

static enum noise_pattern pattern_of(const struct channel *channel)
{
    return (enum noise_pattern)channel->pattern;
}

static int error_of(int noise_error)
{
    if (noise_error == NOISE_E_KEM_KEY)
        return PFSWRAP_SEAL_E_KEM_KEY;
    if (noise_error == NOISE_E_STATIC)
        return PFSWRAP_SEAL_E_AGENT;
    return noise_error == NOISE_E_SMALL_ORDER ? PFSWRAP_SEAL_E_SMALL_ORDER : PFSWRAP_SEAL_E_HANDSHAKE;
}

/* The static key of the channel's identity; none with a pattern that needs none. Returns 0 or E_NO_IDENTITY. */
static int own_key(const struct channel *channel, const struct pfswrap_seal_config *config,
                   struct noise_static *key)
{
    const struct keyring_identity *identity;

    memset(key, 0, sizeof *key);
    if (channel->role == PFSWRAP_SEAL_INITIATOR && !noise_pattern_has_client_key(pattern_of(channel)))
        return 0;
    if ((identity = keyring_find_identity(config->keyring, channel->own_static)) == NULL)
        return PFSWRAP_SEAL_E_NO_IDENTITY;
    key->public_key = identity->public_key;
    key->secret = identity->is_remote ? NULL : identity->secret;
    key->dh = identity->dh;
    return 0;
}

int exchange_check_holder(const struct channel *channel, const struct pfswrap_seal_config *config)
{
    static const uint8_t base[NOISE_KEY_BYTES] = {9}; /* the result is the public key (RFC 7748, section 6.1) */
    const struct keyring_psk *const psk =
        noise_pattern_has_psk(pattern_of(channel)) ? keyring_find_psk(config->keyring, channel->psk_id) : NULL;
    uint8_t result[NOISE_KEY_BYTES];
    struct noise_static key;
    int error = own_key(channel, config, &key);

    if (error == 0 && key.public_key != NULL && key.secret == NULL)
        error = key.dh != NULL && key.dh(key.public_key, base, false, result) == 0 ? 0 : PFSWRAP_SEAL_E_AGENT;
    else if (error == 0 && psk != NULL && psk->secret.is_remote)
        error = psk->secret.extract != NULL && psk->secret.extract(psk->secret.id, channel->hash, result) == 0
                    ? 0
                    : PFSWRAP_SEAL_E_AGENT;
    sodium_memzero(result, sizeof result);
    return error;
}

/* Whether the psk may be used: in a re-handshake every one, so that open connections go on. */
static bool psk_is_usable(const struct channel *channel, const struct keyring_psk *psk)
{
    return channel->was_ready || keyring_is_current(&psk->period, channel->now);
}

/* Whether this side's next message says that it reads padded frames. A responder does not say so unasked. */
static bool tells_padding(const struct channel *channel)
{
    return channel->role == PFSWRAP_SEAL_INITIATOR ? channel->padding != PADDING_OFF : channel->padding_agreed;
}

/* What both messages begin with. Returns the number of bytes. */
static size_t write_settings(const struct channel *channel, uint8_t *payload)
{
    size_t length = payload_write_rekey(payload, channel->rekey);

    if (tells_padding(channel))
        length += payload_write_padding(payload + length, channel_pads(channel));
    return length;
}

size_t exchange_length_1(const struct channel *channel, const struct pfswrap_seal_config *config)
{
    size_t psks = 0;

    if (noise_pattern_has_psk(pattern_of(channel)))
        for (size_t i = 0; i < config->keyring->psk_count; i++)
            psks += psk_is_usable(channel, &config->keyring->psks[i]);
    return noise_overhead_1(pattern_of(channel)) + PAYLOAD_REKEY_BYTES +
           (tells_padding(channel) ? PAYLOAD_PADDING_BYTES : 0) + psks * PAYLOAD_PSK_ID_BYTES;
}

/* One call of the kernel for all random bytes of one side. */
void exchange_draw(struct exchange_random *random, bool with_salt)
{
    const size_t skipped = with_salt ? 0 : offsetof(struct exchange_random, e);
    randombytes_buf((uint8_t *)random + skipped, sizeof *random - skipped);
}

/* The ephemeral key for the message that comes next, and the header of the stream that follows the exchange. */
static int use_random(struct channel *channel, const struct exchange_random *random,
                      const struct channel_room *room)
{
    memcpy(channel->header, random->header, sizeof channel->header);
    return noise_use_ephemeral(room->noise, random->e, &room->stack);
}

int exchange_write_1(struct channel *channel, const struct pfswrap_seal_config *config, const uint8_t *prologue,
                     size_t prologue_length, const struct exchange_random *random, const struct channel_room *room,
                     uint8_t *out)
{
    uint8_t payload[PAYLOAD_MAX];
    size_t length = write_settings(channel, payload);
    struct noise_static key;
    int result;

    if ((result = own_key(channel, config, &key)) != 0)
        return result;
    if (noise_pattern_has_psk(pattern_of(channel)))
        for (size_t i = 0; i < config->keyring->psk_count; i++)
            if (psk_is_usable(channel, &config->keyring->psks[i]))
                length += payload_write_psk_id(payload + length, config->keyring->psks[i].secret.id);
    noise_start(room->noise, pattern_of(channel), prologue, prologue_length, channel->peer_static);
    result = use_random(channel, random, room);
    if (result == 0)
        result = noise_write_1(room->noise, &key, payload, length, out);
    if (result != 0)
        sodium_memzero(room->noise, sizeof *room->noise);
    return result != 0 ? error_of(result) : (int)(noise_overhead_1(pattern_of(channel)) + length);
}

static bool name_is_admitted(const struct pfswrap_seal_config *config, const char *name)
{
    for (size_t i = 0; i < config->name_count; i++)
        if (strcmp(config->names[i], name) == 0)
            return true;
    return config->name_count == 0;
}

/*
 * Decides whether the peer with the key peer_static is admitted: at the responder a client, at the initiator the
 * server that it has chosen. *peer is its entry, NULL for an unknown client of a responder that admits any.
 */
static int check_peer(const struct channel *channel, const struct pfswrap_seal_config *config,
                      const struct keyring_peer **peer)
{
    const bool responder = channel->role == PFSWRAP_SEAL_RESPONDER, admits_any = responder && config->anonymous;

    *peer = keyring_find_peer(config->keyring, channel->peer_static);
    if (*peer == NULL)
        return admits_any ? 0 : PFSWRAP_SEAL_E_PEER_UNKNOWN;
    if (channel->now > (uint64_t)(*peer)->not_after)
        return PFSWRAP_SEAL_E_PEER_EXPIRED;
    return responder && !admits_any && !name_is_admitted(config, (*peer)->name) ? PFSWRAP_SEAL_E_PEER_REFUSED : 0;
}

int exchange_check_peer(struct channel *channel, const struct pfswrap_seal_config *config)
{
    const struct keyring_peer *peer = NULL;
    struct noise_static key;
    int result = own_key(channel, config, &key); /* a process without keys cannot renew them either */

    if (result == 0 &&
        (channel->role == PFSWRAP_SEAL_INITIATOR || noise_pattern_has_client_key(pattern_of(channel))))
        result = check_peer(channel, config, &peer);
    if (result == 0) {
        if (peer != NULL)
            memcpy(channel->peer_name, peer->name, sizeof channel->peer_name);
        channel->peer_checked_at = channel->now;
        channel->peer_not_after = peer != NULL ? peer->not_after : PFSWRAP_NEVER;
    }
    return result;
}

/* Decides whether a client is admitted whose static key `key`, if it has one, was just authenticated. 0 or an
 * error. */
static int admit_client(struct channel *channel, const struct pfswrap_seal_config *config, const uint8_t *key)
{

    if (noise_pattern_has_client_key(pattern_of(channel))) {
        if (channel->was_ready && memcmp(key, channel->peer_static, sizeof channel->peer_static) != 0)
            return PFSWRAP_SEAL_E_PEER_CHANGED;
        memcpy(channel->peer_static, key, sizeof channel->peer_static);
    }
    return exchange_check_peer(channel, config);
}

/* Chooses the first psk of the client that is in the keyring. Returns 0 or E_PSK_UNKNOWN. */
static int choose_psk(struct channel *channel, const struct pfswrap_seal_config *config,
                      const struct payload *payload)
{
    for (size_t i = 0; i < payload->psk_id_count; i++) {
        const struct keyring_psk *const psk = keyring_find_psk(config->keyring, payload->psk_ids[i]);

        if (psk != NULL && psk_is_usable(channel, psk)) {
            memcpy(channel->psk_id, payload->psk_ids[i], sizeof channel->psk_id);
            return 0;
        }
    }
    return PFSWRAP_SEAL_E_PSK_UNKNOWN;
}

/*
 * Takes over what the peer's payload says. The first handshake settles the padding. Returns 0 or E_PADDING_REFUSED.
 */
static int agree(struct channel *channel, const struct payload *payload)
{
    if (payload->rekey < channel->rekey)
        channel->rekey = payload->rekey;
    if (channel->was_ready)
        return 0;
    channel->padding_agreed = payload->padding && channel->padding != PADDING_OFF;
    channel->peer_pads = channel->padding_agreed && payload->pads;
    return channel_pads(channel) && !channel->padding_agreed ? PFSWRAP_SEAL_E_PADDING_REFUSED : 0;
}

int exchange_read_1(struct channel *channel, const struct pfswrap_seal_config *config, const uint8_t *prologue,
                    size_t prologue_length, const uint8_t *message, size_t length, const struct channel_room *room,
                    uint8_t *bytes)
{
    struct payload payload;
    struct noise_static key;
    int result;

    if ((result = own_key(channel, config, &key)) != 0)
        return result;
    noise_start(room->noise, pattern_of(channel), prologue, prologue_length, channel->own_static);
    if ((result = noise_read_1(room->noise, &key, message, length, bytes)) < 0)
        return error_of(result);
    if (payload_read(&payload, bytes, (size_t)result) != 0)
        return PFSWRAP_SEAL_E_PAYLOAD;
    if ((result = agree(channel, &payload)) != 0)
        return result;
    if (noise_pattern_has_psk(pattern_of(channel)) && (result = choose_psk(channel, config, &payload)) != 0)
        return result;
    return admit_client(channel, config, room->noise->rs);
}

static void complete(struct channel *channel, struct noise_handshake *noise, struct exchange_keys *keys)
{
    const bool initiator = channel->role == PFSWRAP_SEAL_INITIATOR;

    noise_split(&noise->symmetric, initiator ? keys->own : keys->peer, initiator ? keys->peer : keys->own);
    memcpy(channel->hash, noise->symmetric.h, sizeof channel->hash);
    sodium_memzero(noise, sizeof *noise);
}

int exchange_write_2(struct channel *channel, const struct pfswrap_seal_config *config,
                     const struct exchange_random *random, const struct channel_room *room, uint8_t *out,
                     struct exchange_keys *keys)
{
    const struct keyring_psk *psk = NULL;
    uint8_t payload[PAYLOAD_REKEY_BYTES + PAYLOAD_PADDING_BYTES];
    const size_t length = write_settings(channel, payload);
    int result;

    if (noise_pattern_has_psk(pattern_of(channel)) &&
        (psk = keyring_find_psk(config->keyring, channel->psk_id)) == NULL)
        return PFSWRAP_SEAL_E_PSK_UNKNOWN;
    result = use_random(channel, random, room);
    if (result == 0)
        result = noise_write_2(room->noise, psk != NULL ? &psk->secret : NULL, payload, length, out);
    if (result != 0)
        return error_of(result);
    complete(channel, room->noise, keys);
    return (int)(noise_overhead_2(pattern_of(channel)) + length);
}

int exchange_read_2(struct channel *channel, const struct pfswrap_seal_config *config, const uint8_t *message,
                    size_t length, const struct channel_room *room, struct exchange_keys *keys, uint8_t *bytes)
{
    const struct noise_psk *psks[PFSWRAP_KEYRING_PSKS_MAX];
    struct payload payload;
    struct noise_static key;
    size_t psk = 0;
    int result;

    if ((result = own_key(channel, config, &key)) != 0)
        return result;
    for (size_t i = 0; i < config->keyring->psk_count; i++)
        psks[i] = &config->keyring->psks[i].secret;
    result = noise_read_2(room->noise, &key, psks, config->keyring->psk_count, &psk, message, length, bytes,
                          &room->stack);
    if (result < 0)
        return error_of(result);
    if (payload_read(&payload, bytes, (size_t)result) != 0)
        return PFSWRAP_SEAL_E_PAYLOAD;
    if ((result = agree(channel, &payload)) != 0)
        return result;
    if (noise_pattern_has_psk(pattern_of(channel)))
        memcpy(channel->psk_id, config->keyring->psks[psk].secret.id, sizeof channel->psk_id);
    complete(channel, room->noise, keys);
    return 0;
}
