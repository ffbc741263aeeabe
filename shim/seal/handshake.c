/*
 * The first messages of a connection on the wire: a preamble with a salted key id, two Noise messages with their
 * lengths, and the stream headers behind them. exchange.c makes the Noise messages.
 */
#include "seal/channel.h"

#include <string.h>

/*
 * A byte that no text protocol begins with, "pfsw", a line end that a text protocol will refuse, and the version.
 */
static const uint8_t magic[PFSWRAP_SEAL_MAGIC_BYTES] = {0xF5, 0x70, 0x66, 0x73, 0x77, 0x0D, 0x0A, 0x01};

enum { /* offsets in the preamble */
       PREAMBLE_VERSION = PFSWRAP_SEAL_MAGIC_BYTES - 1,
       PREAMBLE_PATTERN = PFSWRAP_SEAL_MAGIC_BYTES,
       PREAMBLE_FLAGS,
       PREAMBLE_LENGTH,
       PREAMBLE_SALT = PREAMBLE_LENGTH + 2,
       PREAMBLE_KEY_ID = PREAMBLE_SALT + CHANNEL_SALT_BYTES,
       PROLOGUE_MAX = CHANNEL_PREAMBLE_BYTES + 1 + PFSWRAP_NAME_BYTES + 1 + PFSWRAP_SEAL_BINDING_MAX,
};

int pfswrap_seal_probe(const uint8_t *bytes, size_t length)
{
    const size_t compared = length < sizeof magic ? length : sizeof magic;

    if (compared > 0 && (bytes == NULL || memcmp(bytes, magic, compared) != 0))
        return -1;
    return length >= sizeof magic;
}

/* BLAKE2b-64, keyed with the server's public key: without that key, connections cannot be linked by their ids. */
static void compute_key_id(uint8_t id[CHANNEL_KEY_ID_BYTES], const uint8_t *preamble,
                           const uint8_t server[PFSWRAP_KEY_BYTES])
{
    crypto_generichash(id, CHANNEL_KEY_ID_BYTES, preamble, PREAMBLE_KEY_ID, server, PFSWRAP_KEY_BYTES);
}

/* The preamble, and service and binding with their lengths, so that different values make different prologues. */
static size_t write_prologue(const struct channel_binding *binding, const struct pfswrap_seal_config *config,
                             const uint8_t *preamble, uint8_t prologue[PROLOGUE_MAX])
{
    const size_t service_length = config->service != NULL ? strlen(config->service) : 0;
    const uint8_t binding_length = binding != NULL ? binding->length : 0;
    uint8_t *at = prologue;

    memcpy(at, preamble, CHANNEL_PREAMBLE_BYTES);
    at += CHANNEL_PREAMBLE_BYTES;
    *at++ = (uint8_t)service_length;
    for (size_t i = 0; i < service_length; i++)
        *at++ = (uint8_t)config->service[i];
    *at++ = binding_length;
    if (binding_length > 0)
        memcpy(at, binding->bytes, binding_length);
    at += binding_length;
    return (size_t)(at - prologue);
}

static int take_message_1(struct channel *channel, const struct pfswrap_seal_config *config,
                          const struct channel_room *room, uint8_t *out)
{
    const size_t length = exchange_length_1(channel, config);
    uint8_t prologue[PROLOGUE_MAX];
    struct exchange_random random;
    size_t prologue_length;
    int result;

    exchange_draw(&random, true);
    memcpy(out, magic, sizeof magic);
    out[PREAMBLE_PATTERN] = channel->pattern;
    out[PREAMBLE_FLAGS] = 0;
    out[PREAMBLE_LENGTH] = (uint8_t)(length >> 8);
    out[PREAMBLE_LENGTH + 1] = (uint8_t)length;
    memcpy(out + PREAMBLE_SALT, random.salt, sizeof random.salt);
    compute_key_id(out + PREAMBLE_KEY_ID, out, channel->peer_static);
    prologue_length = write_prologue(room->binding, config, out, prologue);
    result =
        exchange_write_1(channel, config, prologue, prologue_length, &random, room, out + CHANNEL_PREAMBLE_BYTES);
    sodium_memzero(&random, sizeof random);
    if (result < 0)
        return result;
    channel->state = CHANNEL_AWAIT_2;
    return CHANNEL_PREAMBLE_BYTES + result;
}

static int take_message_2(struct channel *channel, const struct pfswrap_seal_config *config,
                          const struct channel_room *room, uint8_t *out)
{
    struct exchange_random random;
    struct exchange_keys keys;
    int length;

    exchange_draw(&random, false);
    length = exchange_write_2(channel, config, &random, room, out + 2, &keys);
    sodium_memzero(&random, sizeof random);
    if (length < 0)
        return length;
    out[0] = (uint8_t)(length >> 8);
    out[1] = (uint8_t)length;
    memcpy(out + 2 + length, channel->header, sizeof channel->header);
    stream_start(&channel->push, channel->header, keys.own);
    memcpy(channel->next_key, keys.peer, sizeof channel->next_key);
    sodium_memzero(&keys, sizeof keys);
    limits_start(channel);
    channel->state = CHANNEL_AWAIT_HEADER;
    return 2 + length + PFSWRAP_SEAL_HEADER_BYTES;
}

int handshake_take(struct channel *channel, const struct pfswrap_seal_config *config,
                   const struct channel_room *room, uint8_t *out)
{
    switch ((enum channel_state)channel->state) {
    case CHANNEL_SEND_1:
        return take_message_1(channel, config, room, out);
    case CHANNEL_SEND_2:
        return take_message_2(channel, config, room, out);
    case CHANNEL_AWAIT_1:
    case CHANNEL_AWAIT_2:
    case CHANNEL_AWAIT_HEADER:
    case CHANNEL_AWAIT_CONFIRM:
    case CHANNEL_OPEN:
    case CHANNEL_FAILED:
        break;
    }
    return 0;
}

static int check_pattern(const struct pfswrap_seal_config *config, uint8_t pattern)
{
    const bool psk = config->keyring->psk_count > 0;

    if (pattern < NOISE_IK || pattern >= NOISE_PATTERNS)
        return PFSWRAP_SEAL_E_PATTERN;
    if (noise_pattern_is_hybrid((enum noise_pattern)pattern)) {
        if (config->post_quantum == PFSWRAP_SEAL_POST_QUANTUM_OFF || !mlkem_is_available())
            return PFSWRAP_SEAL_E_HYBRID_UNEXPECTED;
    } else if (config->post_quantum == PFSWRAP_SEAL_POST_QUANTUM_REQUIRE) {
        return PFSWRAP_SEAL_E_HYBRID_REQUIRED;
    }
    if (noise_pattern_has_psk((enum noise_pattern)pattern) != psk)
        return psk ? PFSWRAP_SEAL_E_PSK_REQUIRED : PFSWRAP_SEAL_E_PSK_UNEXPECTED;
    if (!noise_pattern_has_client_key((enum noise_pattern)pattern) && !config->anonymous)
        return PFSWRAP_SEAL_E_ANONYMOUS;
    return 0;
}

static int find_own_identity(struct channel *channel, const struct pfswrap_keyring *keyring,
                             const uint8_t *preamble)
{
    for (size_t i = 0; i < keyring->identity_count; i++) {
        uint8_t id[CHANNEL_KEY_ID_BYTES];

        if (!keyring_is_current(&keyring->identities[i].period, channel->now))
            continue;
        compute_key_id(id, preamble, keyring->identities[i].public_key);
        if (memcmp(id, preamble + PREAMBLE_KEY_ID, sizeof id) == 0) {
            memcpy(channel->own_static, keyring->identities[i].public_key, sizeof channel->own_static);
            return 0;
        }
    }
    return PFSWRAP_SEAL_E_KEY_ID;
}

/*
 * Returns 0 with *length of message 1, PFSWRAP_SEAL_MORE, or an error. An error is returned as soon as the bytes
 * show it, so that nobody waits for a peer that speaks another protocol.
 */
static int read_preamble(const struct pfswrap_seal_config *config, const uint8_t *in, size_t available,
                         size_t *length)
{
    int result;

    if (pfswrap_seal_probe(in, available) < 0) {
        const bool only_version_differs =
            available > PREAMBLE_VERSION && pfswrap_seal_probe(in, PREAMBLE_VERSION) == 0;

        return only_version_differs ? PFSWRAP_SEAL_E_VERSION : PFSWRAP_SEAL_E_MAGIC;
    }
    if (available < CHANNEL_PREAMBLE_BYTES)
        return PFSWRAP_SEAL_MORE;
    if ((result = check_pattern(config, in[PREAMBLE_PATTERN])) != 0)
        return result;
    if (in[PREAMBLE_FLAGS] != 0)
        return PFSWRAP_SEAL_E_FLAGS;
    *length = (size_t)in[PREAMBLE_LENGTH] << 8 | in[PREAMBLE_LENGTH + 1];
    return channel_message_fits(in[PREAMBLE_PATTERN], *length) ? 0 : PFSWRAP_SEAL_E_MESSAGE_LENGTH;
}

static int open_message_1(struct channel *channel, const struct pfswrap_seal_config *config, const uint8_t *in,
                          size_t available, const struct channel_room *room, struct pfswrap_seal_opened *opened)
{
    uint8_t prologue[PROLOGUE_MAX];
    size_t length = 0;
    int result = read_preamble(config, in, available, &length);

    if (result == PFSWRAP_SEAL_MORE)
        return channel_more(opened, CHANNEL_PREAMBLE_BYTES);
    if (result != 0 || (result = find_own_identity(channel, config->keyring, in)) != 0)
        return result;
    if (available < CHANNEL_PREAMBLE_BYTES + length)
        return channel_more(opened, CHANNEL_PREAMBLE_BYTES + length);
    channel->pattern = in[PREAMBLE_PATTERN];
    result = exchange_read_1(channel, config, prologue, write_prologue(room->binding, config, in, prologue),
                             in + CHANNEL_PREAMBLE_BYTES, length, room, room->scratch);
    if (result != 0)
        return result;
    opened->consumed = CHANNEL_PREAMBLE_BYTES + length;
    channel->state = CHANNEL_SEND_2;
    return PFSWRAP_SEAL_PROGRESS;
}

static int open_message_2(struct channel *channel, const struct pfswrap_seal_config *config, const uint8_t *in,
                          size_t available, const struct channel_room *room, struct pfswrap_seal_opened *opened)
{
    struct exchange_keys keys;
    size_t length;
    int result;

    if (available < 2)
        return channel_more(opened, 2);
    length = (size_t)in[0] << 8 | in[1];
    if (!channel_message_fits(channel->pattern, length))
        return PFSWRAP_SEAL_E_MESSAGE_LENGTH;
    if (available < 2 + length)
        return channel_more(opened, 2 + length);
    if ((result = exchange_read_2(channel, config, in + 2, length, room, &keys, room->scratch)) != 0)
        return result;
    stream_start(&channel->push, channel->header, keys.own);
    memcpy(channel->next_key, keys.peer, sizeof channel->next_key);
    sodium_memzero(&keys, sizeof keys);
    limits_start(channel);
    channel->header_owed = true;
    channel->confirm_owed = true;
    channel->was_ready = true;
    channel->state = CHANNEL_AWAIT_HEADER;
    opened->consumed = 2 + length;
    return PFSWRAP_SEAL_PROGRESS;
}

static int open_header(struct channel *channel, const uint8_t *in, size_t available,
                       struct pfswrap_seal_opened *opened)
{
    if (available < PFSWRAP_SEAL_HEADER_BYTES)
        return channel_more(opened, PFSWRAP_SEAL_HEADER_BYTES);
    stream_start(&channel->pull, in, channel->next_key);
    sodium_memzero(channel->next_key, sizeof channel->next_key);
    channel->state = channel->role == PFSWRAP_SEAL_INITIATOR ? CHANNEL_OPEN : CHANNEL_AWAIT_CONFIRM;
    opened->consumed = PFSWRAP_SEAL_HEADER_BYTES;
    return PFSWRAP_SEAL_PROGRESS;
}

int handshake_open(struct channel *channel, const struct pfswrap_seal_config *config, const uint8_t *in,
                   size_t available, const struct channel_room *room, struct pfswrap_seal_opened *opened)
{
    switch ((enum channel_state)channel->state) {
    case CHANNEL_AWAIT_1:
        return open_message_1(channel, config, in, available, room, opened);
    case CHANNEL_AWAIT_2:
        return open_message_2(channel, config, in, available, room, opened);
    case CHANNEL_AWAIT_HEADER:
        return open_header(channel, in, available, opened);
    case CHANNEL_SEND_1:
    case CHANNEL_SEND_2:
        return PFSWRAP_SEAL_TAKE;
    case CHANNEL_AWAIT_CONFIRM:
    case CHANNEL_OPEN:
    case CHANNEL_FAILED:
        break;
    }
    return PFSWRAP_SEAL_E_CHANNEL;
}
