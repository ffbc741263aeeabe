/*
 * Sends: take() makes the messages of the protocol, begin() and sent() send data. A frame is rolled back only if
 * sent() reports that none of its bytes were taken. Calls in another order than begin, sent, begin, sent are
 * refused or poison the channel.
 */
#include "seal/channel.h"

#include <string.h>

#include "seal/padding.h"
#include "seal/wipe.h"

static bool owes_final(const struct channel *channel)
{
    return channel->closing && !channel->final_sent && channel_may_send(channel);
}

bool channel_owes(const struct channel *channel)
{
    if (channel_check(channel) != 0)
        return false;
    return channel->state == CHANNEL_SEND_1 || channel->state == CHANNEL_SEND_2 || channel->confirm_owed ||
           channel->renewal == RENEWAL_ANSWER || rehandshake_due(channel) || owes_final(channel);
}

/* Whether everything that was sealed has been sent. Returns 0 or an error. */
static int check_settled(struct channel *channel)
{
    const int error = channel_check(channel);

    if (error != 0)
        return error;
    if (channel->begun)
        return channel_fail(channel, PFSWRAP_SEAL_E_POISONED);
    return channel->unsent > 0 ? PFSWRAP_SEAL_E_UNSENT : 0;
}

static size_t write_header(struct channel *channel, uint8_t *out)
{
    memcpy(out, channel->header, sizeof channel->header);
    return sizeof channel->header;
}

static size_t take_empty(struct channel *channel, bool final, uint8_t *out)
{
    size_t length = 0;

    if (channel->header_owed) {
        length = write_header(channel, out);
        channel->header_owed = false;
    }
    channel->confirm_owed = false;
    return length + stream_seal(&channel->push, channel->rekey, FRAME_DATA, final, NULL, 0, out + length);
}

/* Writes the next message. The order of the checks is the order in which messages must be sent. */
static int take_next(struct channel *channel, const struct pfswrap_seal_config *config,
                     const struct channel_room *room, uint8_t *out)
{
    int result = handshake_take(channel, config, room, out);

    if (result != 0)
        return result;
    if (channel->confirm_owed && !channel->closing)
        return (int)take_empty(channel, false, out);
    if ((result = rehandshake_take(channel, config, room, out)) != 0)
        return result;
    result = (int)take_empty(channel, true, out);
    channel->final_sent = true;
    sodium_memzero(&channel->push, sizeof channel->push);
    return result;
}

bool channel_takes_message(const struct channel *channel)
{
    return channel->state == CHANNEL_SEND_1 || channel->state == CHANNEL_SEND_2 ||
           (channel->renewal == RENEWAL_ANSWER && channel->role == PFSWRAP_SEAL_RESPONDER) ||
           rehandshake_due(channel);
}

bool channel_takes_with_mlkem(const struct channel *channel)
{
    return channel_is_hybrid(channel) && channel_takes_message(channel);
}

/* Bytes of the longest message. Callers of the time before hybrid patterns have room for the others. */
static size_t longest_message(const struct channel *channel)
{
    return channel_is_hybrid(channel) ? PFSWRAP_SEAL_TAKE_BYTES : 512;
}

int channel_take(struct channel *channel, const struct pfswrap_seal_config *config, const struct channel_room *room,
                 uint8_t *out, size_t size)
{
    int result;

    if (!channel_owes(channel))
        return channel_check(channel);
    if ((result = check_settled(channel)) != 0)
        return result;
    if (out == NULL || size < longest_message(channel) || !channel_config_is_valid(config) ||
        (room->noise == NULL && channel_takes_message(channel)))
        return PFSWRAP_SEAL_E_ARGUMENT;
    channel->begun = true; /* a longjmp() out of take_next() leaves the channel poisoned, not half changed */
    result = take_next(channel, config, room, out);
    channel->begun = false;
    dead_stack_wipe(DEAD_STACK_HANDSHAKE);
    if (result == PFSWRAP_SEAL_E_NO_IDENTITY)
        return result; /* nothing was produced, and another keyring may have the key */
    if (result == PFSWRAP_SEAL_E_AGENT && channel->was_ready && channel->renewal == RENEWAL_NONE) {
        limits_postpone(channel); /* the connection goes on with the keys that it has */
        return 0;
    }
    return result < 0 ? channel_fail(channel, result) : result;
}

/* How many bytes of plaintext the next frame may have; 0 if `size` is too small for one byte of data. */
static size_t plaintext_room(const struct channel *channel, size_t size)
{
    const size_t least = channel_pads(channel) ? CHANNEL_PADDING_TRAILER : 0;
    const size_t overhead = PFSWRAP_SEAL_OVERHEAD + (channel->header_owed ? PFSWRAP_SEAL_HEADER_BYTES : 0);
    const size_t room = size < channel->transport_max ? size : channel->transport_max;
    size_t limit = PFSWRAP_SEAL_CHUNK_MAX;

    if (room <= overhead + least)
        return 0;
    return limit < room - overhead ? limit : room - overhead;
}

/*
 * Seals up to `length` bytes as a frame with up to `room` bytes of plaintext. Returns the length of the frame, and
 * in *accepted how many bytes of data it has.
 */
static size_t seal_data(struct channel *channel, const void *data, size_t length, size_t room, uint8_t *out,
                        size_t *accepted)
{
    size_t padded;

    if (!channel_pads(channel)) {
        *accepted = length < room ? length : room;
        return stream_seal(&channel->push, channel->rekey, FRAME_DATA, false, data, *accepted, out);
    }
    padded = padding_apply(channel->padding, data, length, out + STREAM_PLAINTEXT_AT, room, accepted);
    return stream_seal(&channel->push, channel->rekey, FRAME_PADDED, false, out + STREAM_PLAINTEXT_AT, padded, out);
}

int channel_begin(struct channel *channel, struct channel_stream *undo, const void *data, size_t length,
                  uint8_t *out, size_t size, size_t *accepted)
{
    size_t room, frame = 0;
    int result;

    if (accepted != NULL)
        *accepted = 0;
    if ((result = check_settled(channel)) != 0)
        return result;
    if (!channel_may_send(channel))
        return PFSWRAP_SEAL_E_NOT_READY;
    if (channel->closing)
        return PFSWRAP_SEAL_E_CLOSED;
    if (channel->renewal == RENEWAL_ANSWER || rehandshake_due(channel))
        return PFSWRAP_SEAL_E_TAKE_FIRST;
    if (data == NULL || length == 0 || out == NULL || accepted == NULL ||
        (room = plaintext_room(channel, size)) == 0)
        return PFSWRAP_SEAL_E_ARGUMENT;
    if ((result = limits_check(channel)) != 0)
        return channel_fail(channel, result);
    channel->begun = true;
    *undo = channel->push;
    if (channel->header_owed)
        frame = write_header(channel, out);
    frame += seal_data(channel, data, length, room, out + frame, accepted);
    channel->begun_length = (uint16_t)frame;
    return (int)frame;
}

static void roll_back(struct channel *channel, const struct channel_stream *undo, uint8_t *out)
{
    sodium_memzero(out, channel->begun_length);
    channel->push = *undo;
    channel->begun = false;
}

static void commit(struct channel *channel, size_t taken)
{
    channel->begun = false;
    channel->volume += channel->begun_length - (size_t)PFSWRAP_SEAL_OVERHEAD -
                       (channel->header_owed ? (size_t)PFSWRAP_SEAL_HEADER_BYTES : 0);
    channel->header_owed = false;
    channel->confirm_owed = false;
    channel->unsent = (uint16_t)(channel->begun_length - taken);
}

int channel_sent(struct channel *channel, struct channel_stream *undo, uint8_t *out, size_t taken)
{
    const int error = channel_check(channel);

    if (error != 0)
        return error;
    if (!channel->begun) {
        if (taken > channel->unsent)
            return channel_fail(channel, PFSWRAP_SEAL_E_POISONED);
        channel->unsent = (uint16_t)(channel->unsent - taken);
        return 0;
    }
    if (taken == 0 && out == NULL)
        return PFSWRAP_SEAL_E_ARGUMENT;
    if (taken > channel->begun_length)
        return channel_fail(channel, PFSWRAP_SEAL_E_POISONED);
    if (taken == 0)
        roll_back(channel, undo, out);
    else
        commit(channel, taken);
    wipe_inline(undo, sizeof *undo);
    return 0;
}

int channel_close(struct channel *channel)
{
    const int error = check_settled(channel);

    if (error != 0 && error != PFSWRAP_SEAL_E_UNSENT)
        return error;
    channel->closing = true;
    return 0;
}
