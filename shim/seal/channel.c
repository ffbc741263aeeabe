/*
 * Begins, ends and describes a channel.
 */
#include "seal/channel.h"

#include <string.h>

_Static_assert((int)PFSWRAP_SEAL_NKHFS_PSK2 == (int)NOISE_NKHFS_PSK2, "the pattern's number on the wire");

int channel_fail(struct channel *channel, int error)
{
    channel->state = CHANNEL_FAILED;
    channel->error = error;
    sodium_memzero(&channel->push, sizeof channel->push);
    sodium_memzero(&channel->pull, sizeof channel->pull);
    sodium_memzero(channel->next_key, sizeof channel->next_key);
    return error;
}

/* The peer's key for an initiator: number `candidate` of those that are valid now, or NULL. */
static const struct keyring_peer *choose_peer(const struct pfswrap_seal_config *config, unsigned candidate,
                                              uint64_t now)
{
    const struct pfswrap_keyring *keyring = config->keyring;
    size_t count = 0;

    for (int counting = 1; counting >= 0; counting--) {
        size_t index = 0;

        for (size_t n = 0; n < config->name_count; n++) {
            for (size_t p = 0; p < keyring->peer_count; p++) {
                const struct keyring_peer *peer = &keyring->peers[p];

                if (strcmp(peer->name, config->names[n]) != 0 || now > (uint64_t)peer->not_after)
                    continue;
                if (!counting && index == candidate % count)
                    return peer;
                index++;
            }
        }
        count = index;
        if (count == 0)
            return NULL;
    }
    return NULL;
}

bool channel_config_is_valid(const struct pfswrap_seal_config *config)
{
    if (config == NULL || config->keyring == NULL || (config->name_count > 0 && config->names == NULL))
        return false;
    for (size_t n = 0; n < config->name_count; n++)
        if (config->names[n] == NULL)
            return false;
    if (config->service != NULL && strnlen(config->service, PFSWRAP_NAME_BYTES) == PFSWRAP_NAME_BYTES)
        return false;
    if ((unsigned)config->post_quantum > PFSWRAP_SEAL_POST_QUANTUM_REQUIRE)
        return false;
    if (padding_encode(config->padding) < 0)
        return false;
    return config->transport_max == 0 || config->transport_max > PFSWRAP_SEAL_BEGIN_OVERHEAD;
}

static enum pfswrap_seal_pattern choose_pattern(const struct pfswrap_seal_config *config)
{
    const bool is_hybrid = config->post_quantum != PFSWRAP_SEAL_POST_QUANTUM_OFF;

    if (config->keyring->psk_count > 0 && is_hybrid)
        return config->anonymous ? PFSWRAP_SEAL_NKHFS_PSK2 : PFSWRAP_SEAL_IKHFS_PSK2;
    if (config->keyring->psk_count > 0)
        return config->anonymous ? PFSWRAP_SEAL_NKPSK2 : PFSWRAP_SEAL_IKPSK2;
    if (is_hybrid)
        return config->anonymous ? PFSWRAP_SEAL_NKHFS : PFSWRAP_SEAL_IKHFS;
    return config->anonymous ? PFSWRAP_SEAL_NK : PFSWRAP_SEAL_IK;
}

/* The first identity that may begin a connection now; NULL: none. */
static const struct keyring_identity *choose_identity(const struct pfswrap_keyring *keyring, uint64_t now)
{
    for (size_t i = 0; i < keyring->identity_count; i++)
        if (keyring_is_current(&keyring->identities[i].period, now))
            return &keyring->identities[i];
    return NULL;
}

/* Whether there are the keys that a connection needs. Returns 0, E_NO_IDENTITY or E_KEY_EXPIRED. */
static int check_own_keys(const struct pfswrap_seal_config *config, enum pfswrap_seal_role role, uint64_t now)
{
    const struct pfswrap_keyring *keyring = config->keyring;

    if (!mlkem_is_available() &&
        (config->post_quantum == PFSWRAP_SEAL_POST_QUANTUM_REQUIRE ||
         (config->post_quantum == PFSWRAP_SEAL_POST_QUANTUM_ALLOW && role == PFSWRAP_SEAL_INITIATOR)))
        return PFSWRAP_SEAL_E_NO_HYBRID;
    if (keyring->psk_count > 0 && keyring_current_psks(keyring, now) == 0)
        return PFSWRAP_SEAL_E_KEY_EXPIRED;
    if (role == PFSWRAP_SEAL_INITIATOR && config->anonymous)
        return 0;
    if (keyring->identity_count == 0)
        return PFSWRAP_SEAL_E_NO_IDENTITY;
    return choose_identity(keyring, now) != NULL ? 0 : PFSWRAP_SEAL_E_KEY_EXPIRED;
}

static int init_initiator(struct channel *channel, const struct pfswrap_seal_config *config, unsigned candidate)
{
    const struct keyring_peer *peer;

    if (!config->anonymous)
        memcpy(channel->own_static, choose_identity(config->keyring, channel->now)->public_key,
               sizeof channel->own_static);
    if ((peer = choose_peer(config, candidate, channel->now)) == NULL)
        return PFSWRAP_SEAL_E_NO_PEER;
    memcpy(channel->peer_static, peer->public_key, sizeof channel->peer_static);
    memcpy(channel->peer_name, peer->name, sizeof channel->peer_name);
    channel->peer_not_after = peer->not_after;
    channel->peer_checked_at = channel->now;
    channel->pattern = (uint8_t)choose_pattern(config);
    channel->state = CHANNEL_SEND_1;
    return 0;
}

int channel_init(struct channel *channel, enum pfswrap_seal_role role, const struct pfswrap_seal_config *config,
                 unsigned candidate, uint64_t now)
{
    int result = 0;

    memset(channel, 0, sizeof *channel);
    if (!channel_config_is_valid(config) || (role != PFSWRAP_SEAL_INITIATOR && role != PFSWRAP_SEAL_RESPONDER))
        return PFSWRAP_SEAL_E_ARGUMENT;
    channel->role = (uint8_t)role;
    channel->now = now;
    channel->rekey = config->rekey > 0 ? config->rekey : 1;
    channel->padding = (unsigned)padding_encode(config->padding) & 15u;
    channel->transport_max = config->transport_max > 0 ? config->transport_max : UINT32_MAX;
    channel->rehandshake_seconds =
        config->rehandshake_seconds > 0 ? config->rehandshake_seconds : CHANNEL_REHANDSHAKE_SECONDS;
    channel->rehandshake_bytes =
        config->rehandshake_bytes > 0 ? config->rehandshake_bytes : CHANNEL_REHANDSHAKE_BYTES;
    if ((result = check_own_keys(config, role, now)) == 0 && role == PFSWRAP_SEAL_INITIATOR)
        result = init_initiator(channel, config, candidate);
    else if (result == 0)
        channel->state = CHANNEL_AWAIT_1;
    if (result != 0) {
        sodium_memzero(channel, sizeof *channel);
        return result;
    }
    channel->layout = CHANNEL_LAYOUT;
    return 0;
}

void channel_tick(struct channel *channel, uint64_t now)
{
    if (channel_check(channel) == 0)
        channel->now = now;
}

bool channel_ready(const struct channel *channel)
{
    return channel_check(channel) == 0 && channel_may_send(channel);
}

void channel_poison(struct channel *channel)
{
    if (channel_check(channel) == 0)
        (void)channel_fail(channel, PFSWRAP_SEAL_E_POISONED);
}

int channel_end(struct channel *channel)
{
    const int error = channel_check(channel);

    if (error != 0 || channel->final_received)
        return error;
    return channel_fail(channel, PFSWRAP_SEAL_E_TRUNCATED);
}

int channel_describe(const struct channel *channel, struct pfswrap_seal_info *info)
{
    if (info == NULL)
        return PFSWRAP_SEAL_E_ARGUMENT;
    memset(info, 0, sizeof *info);
    if (channel_check(channel) == PFSWRAP_SEAL_E_CHANNEL)
        return PFSWRAP_SEAL_E_CHANNEL;
    if (!channel->was_ready)
        return PFSWRAP_SEAL_E_NOT_READY;
    info->role = (enum pfswrap_seal_role)channel->role;
    info->pattern = (enum pfswrap_seal_pattern)channel->pattern;
    memcpy(info->peer_name, channel->peer_name, sizeof info->peer_name);
    memcpy(info->peer_key, channel->peer_static, sizeof info->peer_key);
    memcpy(info->own_key, channel->own_static, sizeof info->own_key);
    memcpy(info->psk_id, channel->psk_id, sizeof info->psk_id);
    memcpy(info->handshake_hash, channel->hash, sizeof info->handshake_hash);
    info->rekey = channel->rekey;
    info->rehandshakes = channel->rehandshakes;
    info->padding = padding_setting(channel->padding);
    info->peer_pads = channel->peer_pads;
    return 0;
}

/* Whether the byte of a bool is 0 or 1. Another process may have written it, and other values are undefined. */
static bool is_bool(const bool *flag)
{
    uint8_t byte;

    memcpy(&byte, flag, sizeof byte);
    return byte <= 1;
}

bool channel_is_sane(const struct channel *channel)
{
    const bool *const flags[] = {
        &channel->begun,          &channel->header_owed, &channel->confirm_owed,      &channel->closing,
        &channel->final_sent,     &channel->trailer_due, &channel->anything_received, &channel->was_ready,
        &channel->final_received, &channel->overdue,
    };

    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        if (!is_bool(flags[i]))
            return false;
    return channel->layout == CHANNEL_LAYOUT && channel->state >= CHANNEL_SEND_1 &&
           channel->state <= CHANNEL_FAILED && (channel->state == CHANNEL_FAILED) == (channel->error < 0) &&
           channel->error <= 0 &&
           (channel->role == PFSWRAP_SEAL_INITIATOR || channel->role == PFSWRAP_SEAL_RESPONDER) &&
           channel->pattern < NOISE_PATTERNS && channel->renewal <= RENEWAL_SWITCH && channel->rekey > 0 &&
           channel->transport_max > PFSWRAP_SEAL_BEGIN_OVERHEAD &&
           channel->begun_length <= PFSWRAP_SEAL_FRAME_MAX + PFSWRAP_SEAL_HEADER_BYTES &&
           channel->unsent <= channel->begun_length && !channel->begun &&
           memchr(channel->peer_name, '\0', sizeof channel->peer_name) != NULL;
}

bool channel_noise_is_sane(const struct noise_handshake *noise)
{
    return is_bool(&noise->kem_received) && noise->pattern < NOISE_PATTERNS;
}
