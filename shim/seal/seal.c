/*
 * The public functions of a channel (pfswrap/seal.h). The caller's block has all parts of it: the channel itself,
 * the state of a handshake, and what the last frame replaced.
 */
#include "seal/channel.h"

#include <string.h>

int channel_settle(struct pfswrap_seal *seal, int result)
{
    struct channel_block *block = channel_block_of(seal);

    if (channel_check(channel_of(seal)) == PFSWRAP_SEAL_E_CHANNEL)
        return result;
    if (block->channel.state == CHANNEL_FAILED)
        sodium_memzero(&block->undo, sizeof block->undo);
    if (block->noise.pattern != 0 && !channel_is_exchanging(&block->channel))
        sodium_memzero(&block->noise, sizeof block->noise);
    return result;
}

struct channel_room channel_room_of(struct pfswrap_seal *seal)
{
    struct channel_block *block = channel_block_of(seal);
    struct channel_room room = {0};

    if (block != NULL) {
        room.noise = &block->noise;
        room.binding = &block->binding;
    }
    return room;
}

static struct channel_stream *undo_of(struct pfswrap_seal *seal)
{
    return seal != NULL ? &channel_block_of(seal)->undo : NULL;
}

int pfswrap_seal_init(struct pfswrap_seal *seal, enum pfswrap_seal_role role,
                      const struct pfswrap_seal_config *config, const uint8_t *binding, size_t binding_length,
                      unsigned candidate, uint64_t now)
{
    struct channel_block *block = channel_block_of(seal);
    int result;

    if (seal == NULL)
        return PFSWRAP_SEAL_E_ARGUMENT;
    memset(seal, 0, sizeof *seal);
    if (binding_length > sizeof block->binding.bytes || (binding == NULL && binding_length > 0))
        return PFSWRAP_SEAL_E_ARGUMENT;
    result = channel_init(&block->channel, role, config, candidate, now);
    if (result == 0 && binding_length > 0)
        memcpy(block->binding.bytes, binding, binding_length);
    if (result == 0)
        block->binding.length = (uint8_t)binding_length;
    return result;
}

bool pfswrap_seal_has_post_quantum(void)
{
    return mlkem_is_available();
}

void pfswrap_seal_tick(struct pfswrap_seal *seal, uint64_t now)
{
    channel_tick(channel_of(seal), now);
}

bool pfswrap_seal_owes(const struct pfswrap_seal *seal)
{
    return channel_owes(channel_of_const(seal));
}

int pfswrap_seal_take(struct pfswrap_seal *seal, const struct pfswrap_seal_config *config, uint8_t *out,
                      size_t size)
{
    const struct channel_room room = channel_room_of(seal);

    return channel_settle(seal, channel_take(channel_of(seal), config, &room, out, size));
}

int pfswrap_seal_begin(struct pfswrap_seal *seal, const void *data, size_t length, uint8_t *out, size_t size,
                       size_t *accepted)
{
    const int result = channel_begin(channel_of(seal), undo_of(seal), data, length, out, size, accepted);

    return result < 0 ? channel_settle(seal, result) : result;
}

int pfswrap_seal_sent(struct pfswrap_seal *seal, uint8_t *out, size_t taken)
{
    const int result = channel_sent(channel_of(seal), undo_of(seal), out, taken);

    return result < 0 ? channel_settle(seal, result) : result;
}

int pfswrap_seal_open(struct pfswrap_seal *seal, const struct pfswrap_seal_config *config, const uint8_t *in,
                      size_t available, uint8_t *out, size_t size, struct pfswrap_seal_opened *opened)
{
    const struct channel_room room = channel_room_of(seal);

    return channel_settle(seal, channel_open(channel_of(seal), config, in, available, out, size, &room, opened));
}

int pfswrap_seal_open_in_place(struct pfswrap_seal *seal, const struct pfswrap_seal_config *config, uint8_t *in,
                               size_t available, struct pfswrap_seal_opened *opened)
{
    const struct channel_room room = channel_room_of(seal);

    return channel_settle(seal, channel_open_in_place(channel_of(seal), config, in, available, &room, opened));
}

bool pfswrap_seal_trailer_due(const struct pfswrap_seal *seal)
{
    return channel_trailer_due(channel_of_const(seal));
}

int pfswrap_seal_end(struct pfswrap_seal *seal)
{
    return channel_settle(seal, channel_end(channel_of(seal)));
}

int pfswrap_seal_close(struct pfswrap_seal *seal)
{
    return channel_settle(seal, channel_close(channel_of(seal)));
}

bool pfswrap_seal_ready(const struct pfswrap_seal *seal)
{
    return channel_ready(channel_of_const(seal));
}

int pfswrap_seal_error(const struct pfswrap_seal *seal)
{
    return channel_check(channel_of_const(seal));
}

void pfswrap_seal_poison(struct pfswrap_seal *seal)
{
    channel_poison(channel_of(seal));
    (void)channel_settle(seal, 0);
}

bool pfswrap_seal_is_sane(const struct pfswrap_seal *seal)
{
    const struct channel_block *block = (const struct channel_block *)(const void *)seal;

    return block != NULL && channel_is_sane(&block->channel) && channel_noise_is_sane(&block->noise) &&
           block->binding.length <= sizeof block->binding.bytes;
}

void pfswrap_seal_wipe(struct pfswrap_seal *seal)
{
    if (seal != NULL)
        sodium_memzero(seal, sizeof *seal);
}

int pfswrap_seal_describe(const struct pfswrap_seal *seal, struct pfswrap_seal_info *info)
{
    return channel_describe(channel_of_const(seal), info);
}

size_t pfswrap_seal_channel_bytes(void)
{
    return sizeof(struct pfswrap_seal);
}

size_t pfswrap_seal_config_bytes(void)
{
    return sizeof(struct pfswrap_seal_config);
}

size_t pfswrap_seal_info_bytes(void)
{
    return sizeof(struct pfswrap_seal_info);
}
