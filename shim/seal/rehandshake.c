/*
 * A new handshake inside the sealed streams, so that a stolen state opens an hour or 64 GiB of a connection, not
 * all of it. The initiator sends message 1 in a frame of type 1. The responder sends message 2 in a frame of type 2
 * and changes to its new stream; the initiator sends a frame of type 2 and changes as well. Each frame of type 2
 * begins with the header of the new stream, and is sealed by the old one.
 */
#include "seal/channel.h"

#include <string.h>

bool rehandshake_due(const struct channel *channel)
{
    /* A program that only writes may never read the responder's header. */
    return channel->role == PFSWRAP_SEAL_INITIATOR && channel_may_send(channel) &&
           channel->renewal == RENEWAL_NONE && !channel->header_owed && !channel->closing &&
           !channel->final_received && limits_are_due(channel) && limits_may_rehandshake(channel);
}

bool rehandshake_awaits_peer(const struct channel *channel)
{
    if (channel->state == CHANNEL_FAILED || channel->final_received)
        return false;
    return channel->role == PFSWRAP_SEAL_INITIATOR ? channel->renewal == RENEWAL_ASKED
                                                   : channel->renewal == RENEWAL_SWITCH || limits_are_due(channel);
}

void rehandshake_abandon(struct channel *channel)
{
    channel->renewal = RENEWAL_NONE;
    sodium_memzero(channel->next_key, sizeof channel->next_key);
}

static void finish(struct channel *channel)
{
    channel->renewal = RENEWAL_NONE;
    channel->rehandshakes++;
    limits_start(channel);
    sodium_memzero(channel->next_key, sizeof channel->next_key);
}

/* The messages are made in `out`, where their ciphertext replaces them. */
static int take_question(struct channel *channel, const struct pfswrap_seal_config *config,
                         const struct channel_room *room, uint8_t *out)
{
    uint8_t *const message = out + STREAM_PLAINTEXT_AT;
    struct exchange_random random;
    int length = exchange_check_peer(channel, config);

    if (length == 0)
        length = exchange_check_holder(channel, config);
    if (length == 0) {
        exchange_draw(&random, false);
        length = exchange_write_1(channel, config, channel->hash, sizeof channel->hash, &random, room, message);
        sodium_memzero(&random, sizeof random);
    }
    if (length < 0)
        return length;
    channel->renewal = RENEWAL_ASKED;
    limits_count_rehandshake(channel);
    return (int)stream_seal(&channel->push, channel->rekey, FRAME_HANDSHAKE_1, false, message, (size_t)length, out);
}

/*
 * Writes the last frame of the old stream: the header of the new one, and behind it `length` bytes of message,
 * which are in their place in `out`.
 */
static int switch_push(struct channel *channel, const uint8_t key[PFSWRAP_KEY_BYTES], size_t length, uint8_t *out)
{
    uint8_t *const content = out + STREAM_PLAINTEXT_AT;
    struct channel_stream fresh;
    size_t frame;

    memcpy(content, channel->header, PFSWRAP_SEAL_HEADER_BYTES);
    stream_start(&fresh, channel->header, key);
    frame = stream_seal(&channel->push, channel->rekey, FRAME_HANDSHAKE_2, false, content,
                        PFSWRAP_SEAL_HEADER_BYTES + length, out);
    channel->push = fresh;
    sodium_memzero(&fresh, sizeof fresh);
    return (int)frame;
}

static int take_answer(struct channel *channel, const struct pfswrap_seal_config *config,
                       const struct channel_room *room, uint8_t *out)
{
    struct exchange_random random;
    struct exchange_keys keys;
    int length, frame;

    exchange_draw(&random, false);
    length = exchange_write_2(channel, config, &random, room, out + STREAM_PLAINTEXT_AT + PFSWRAP_SEAL_HEADER_BYTES,
                              &keys);
    sodium_memzero(&random, sizeof random);
    if (length < 0)
        return length;
    frame = switch_push(channel, keys.own, (size_t)length, out);
    if (channel->final_received) {
        finish(channel);
    } else {
        memcpy(channel->next_key, keys.peer, sizeof channel->next_key);
        channel->renewal = RENEWAL_SWITCH;
    }
    sodium_memzero(&keys, sizeof keys);
    return frame;
}

static int take_switch(struct channel *channel, uint8_t *out)
{
    const int frame = switch_push(channel, channel->next_key, 0, out);

    finish(channel);
    return frame;
}

int rehandshake_take(struct channel *channel, const struct pfswrap_seal_config *config,
                     const struct channel_room *room, uint8_t *out)
{
    if (channel->renewal == RENEWAL_ANSWER) {
        return channel->role == PFSWRAP_SEAL_INITIATOR ? take_switch(channel, out)
                                                       : take_answer(channel, config, room, out);
    }
    return rehandshake_due(channel) ? take_question(channel, config, room, out) : 0;
}

/* Responder: reads message 1. After FINAL was sent it cannot be answered, so it is ignored. */
static int open_question(struct channel *channel, const struct pfswrap_seal_config *config,
                         const uint8_t *plaintext, size_t length, const struct channel_room *room, uint8_t *bytes)
{
    int result;

    if (channel->renewal != RENEWAL_NONE || channel->state != CHANNEL_OPEN)
        return PFSWRAP_SEAL_E_REHANDSHAKE;
    if (channel->final_sent)
        return 0;
    if (!limits_may_rehandshake(channel))
        return PFSWRAP_SEAL_E_TOO_OFTEN;
    limits_count_rehandshake(channel);
    result = exchange_read_1(channel, config, channel->hash, sizeof channel->hash, plaintext, length, room, bytes);
    if (result == 0)
        channel->renewal = RENEWAL_ANSWER;
    return result;
}

/* Initiator: reads a header and message 2. */
static int open_answer(struct channel *channel, const struct pfswrap_seal_config *config, const uint8_t *plaintext,
                       size_t length, const struct channel_room *room, uint8_t *bytes)
{
    struct exchange_keys keys;
    int result;

    if (channel->renewal != RENEWAL_ASKED)
        return PFSWRAP_SEAL_E_REHANDSHAKE;
    if (length < PFSWRAP_SEAL_HEADER_BYTES + CHANNEL_MESSAGE_MIN)
        return PFSWRAP_SEAL_E_FRAME_LENGTH;
    result = exchange_read_2(channel, config, plaintext + PFSWRAP_SEAL_HEADER_BYTES,
                             length - PFSWRAP_SEAL_HEADER_BYTES, room, &keys, bytes);
    if (result != 0)
        return result;
    stream_start(&channel->pull, plaintext, keys.peer);
    if (channel->final_sent) {
        finish(channel);
    } else {
        memcpy(channel->next_key, keys.own, sizeof channel->next_key);
        channel->renewal = RENEWAL_ANSWER;
    }
    sodium_memzero(&keys, sizeof keys);
    return 0;
}

/* Responder: reads a header. */
static int open_switch(struct channel *channel, const uint8_t *plaintext, size_t length)
{
    if (channel->renewal != RENEWAL_SWITCH)
        return PFSWRAP_SEAL_E_REHANDSHAKE;
    if (length != PFSWRAP_SEAL_HEADER_BYTES)
        return PFSWRAP_SEAL_E_FRAME_LENGTH;
    stream_start(&channel->pull, plaintext, channel->next_key);
    finish(channel);
    return 0;
}

int rehandshake_open(struct channel *channel, const struct pfswrap_seal_config *config, enum frame_type type,
                     const uint8_t *plaintext, size_t length, const struct channel_room *room, uint8_t *bytes)
{
    if (channel->role == PFSWRAP_SEAL_RESPONDER) {
        return type == FRAME_HANDSHAKE_1 ? open_question(channel, config, plaintext, length, room, bytes)
                                         : open_switch(channel, plaintext, length);
    }
    return type == FRAME_HANDSHAKE_2 ? open_answer(channel, config, plaintext, length, room, bytes)
                                     : PFSWRAP_SEAL_E_REHANDSHAKE;
}
