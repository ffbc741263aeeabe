/*
 * Receives: opens one frame or handshake message in each call. The length and the type of a frame are checked
 * before it is complete, its tag after it was opened.
 */
#include "seal/channel.h"

#include <string.h>

#include "seal/padding.h"
#include "seal/wipe.h"

static int check_prefix(const struct channel *channel, const uint8_t *frame)
{
    const size_t length = (size_t)frame[1] << 8 | frame[2];
    const size_t message = channel_is_hybrid(channel) ? CHANNEL_HYBRID_MESSAGE_MAX : CHANNEL_MESSAGE_MAX;

    if (frame[0] >= FRAME_TYPES)
        return PFSWRAP_SEAL_E_FRAME_TYPE;
    if (length < CHANNEL_CIPHERTEXT_MIN || length > CHANNEL_CIPHERTEXT_MAX)
        return PFSWRAP_SEAL_E_FRAME_LENGTH;
    if (frame[0] == FRAME_PADDED && !channel->peer_pads)
        return PFSWRAP_SEAL_E_FRAME_TYPE;
    if (frame[0] == FRAME_PADDED && length <= CHANNEL_CIPHERTEXT_MIN + CHANNEL_PADDING_TRAILER)
        return PFSWRAP_SEAL_E_FRAME_LENGTH;
    if (frame[0] == FRAME_HANDSHAKE_1 && length > message + CHANNEL_CIPHERTEXT_MIN)
        return PFSWRAP_SEAL_E_FRAME_LENGTH;
    if (frame[0] == FRAME_HANDSHAKE_2 && length > PFSWRAP_SEAL_HEADER_BYTES + message + CHANNEL_CIPHERTEXT_MIN)
        return PFSWRAP_SEAL_E_FRAME_LENGTH;
    return (int)length;
}

/* Opens a frame of type 1 or 2. Its plaintext is short, and not for the caller. Returns an event or an error. */
static int open_control(struct channel *channel, const struct pfswrap_seal_config *config, const uint8_t *frame,
                        size_t length, const struct channel_room *room)
{
    uint8_t *plaintext = room->scratch;
    int result = stream_open(&channel->pull, channel->rekey, frame, length, plaintext);

    if (result == STREAM_OPENED_FINAL) {
        result = PFSWRAP_SEAL_E_FINAL;
    } else if (result == 0) {
        result = rehandshake_open(channel, config, (enum frame_type)frame[0], plaintext,
                                  length - CHANNEL_CIPHERTEXT_MIN, room, room->scratch + CHANNEL_CONTROL_MAX);
    }
    dead_stack_wipe(DEAD_STACK_HANDSHAKE);
    return result == 0 ? PFSWRAP_SEAL_PROGRESS : result;
}

static int open_final(struct channel *channel)
{
    channel->final_received = true;
    sodium_memzero(&channel->pull, sizeof channel->pull);
    if (channel->renewal == RENEWAL_ASKED || channel->renewal == RENEWAL_SWITCH)
        rehandshake_abandon(channel);
    return PFSWRAP_SEAL_FINAL;
}

/*
 * Opens a frame of type 0 or 3. `first`: it is the first frame from the peer, so an empty one from an initiator is
 * the confirm. Returns an event or an error.
 */
static int open_data(struct channel *channel, const uint8_t *frame, size_t length, uint8_t *out, bool first,
                     struct pfswrap_seal_opened *opened)
{
    size_t plaintext = length - CHANNEL_CIPHERTEXT_MIN;
    const int result = stream_open(&channel->pull, channel->rekey, frame, length, out);

    if (result < 0)
        return result;
    if (result == STREAM_OPENED_FINAL) {
        if (plaintext > 0) {
            sodium_memzero(out, plaintext);
            return PFSWRAP_SEAL_E_FINAL;
        }
        return open_final(channel);
    }
    if (plaintext == 0)
        return first && channel->role == PFSWRAP_SEAL_RESPONDER ? PFSWRAP_SEAL_PROGRESS : PFSWRAP_SEAL_E_EMPTY;
    channel->volume += plaintext;
    if (channel->peer_pads && (frame[0] != FRAME_PADDED || !padding_remove(out, &plaintext))) {
        sodium_memzero(out, length - CHANNEL_CIPHERTEXT_MIN);
        return PFSWRAP_SEAL_E_PADDING;
    }
    opened->data = out;
    opened->length = plaintext;
    return PFSWRAP_SEAL_DATA;
}

/* Consumes the zero byte behind the last frame, if it is there. Another byte is an error in the next call. */
static void skip_trailer(struct channel *channel, const uint8_t *in, size_t available,
                         struct pfswrap_seal_opened *opened)
{
    if (channel->trailer_due && available > opened->consumed && in[opened->consumed] == 0) {
        channel->trailer_due = false;
        opened->consumed++;
    }
}

/*
 * Before a frame with data. A frame that renews the keys or ends the stream is always welcome. Apart from its
 * caller, whose frame on the stack would be larger.
 */
static __attribute__((noinline)) int check_limits(struct channel *channel, const struct pfswrap_seal_config *config)
{
    const int result = limits_check(channel);

    return result != 0 ? result : limits_check_peer(channel, config);
}

/* Opens a complete frame. Returns an event or an error. */
static int open_complete(struct channel *channel, const struct pfswrap_seal_config *config, const uint8_t *frame,
                         size_t length, uint8_t *out, const struct channel_room *room,
                         struct pfswrap_seal_opened *opened)
{
    const bool first = !channel->anything_received;
    const bool data = frame_type_has_data(frame[0]);
    int event = data && length > CHANNEL_CIPHERTEXT_MIN ? check_limits(channel, config) : 0;

    if (event == 0) {
        event = data ? open_data(channel, frame, length, out, first, opened)
                     : open_control(channel, config, frame, length, room);
    }
    if (event > 0) {
        channel->anything_received = true;
        channel->trailer_due = true;
        if (channel->state == CHANNEL_AWAIT_CONFIRM) {
            channel->state = CHANNEL_OPEN;
            channel->was_ready = true;
        }
    }
    return event;
}

static int open_frame(struct channel *channel, const struct pfswrap_seal_config *config, const uint8_t *in,
                      size_t available, uint8_t *out, size_t size, const struct channel_room *room,
                      struct pfswrap_seal_opened *opened)
{
    uint8_t nothing[1];
    size_t length;
    int result;

    skip_trailer(channel, in, available, opened);
    in += opened->consumed;
    available -= opened->consumed;
    if (channel->trailer_due && available > 0)
        return PFSWRAP_SEAL_E_TRAILER;
    if (channel->final_received)
        return available > 0 ? PFSWRAP_SEAL_E_AFTER_FINAL : PFSWRAP_SEAL_FINAL;
    if (available < CHANNEL_FRAME_PREFIX)
        return channel_more(opened, (channel->trailer_due ? 1 : 0) + CHANNEL_FRAME_PREFIX);
    if ((result = check_prefix(channel, in)) < 0)
        return result;
    length = (size_t)result;
    if (available < CHANNEL_FRAME_PREFIX + length)
        return channel_more(opened, CHANNEL_FRAME_PREFIX + length);
    if (frame_type_has_data(in[0]) && length - CHANNEL_CIPHERTEXT_MIN > size) {
        opened->length = length - CHANNEL_CIPHERTEXT_MIN;
        return PFSWRAP_SEAL_ROOM;
    }
    result = open_complete(channel, config, in, length, out != NULL ? out : nothing, room, opened);
    if (result > 0) {
        in -= opened->consumed;
        available += opened->consumed;
        opened->consumed += CHANNEL_FRAME_PREFIX + length;
        skip_trailer(channel, in, available, opened);
    }
    return result;
}

bool channel_needs_scratch(const struct channel *channel, const uint8_t *in, size_t available)
{
    const size_t type = channel->trailer_due ? 1 : 0;

    return (channel->state != CHANNEL_OPEN && channel->state != CHANNEL_AWAIT_CONFIRM) ||
           (available > type && !frame_type_has_data(in[type]));
}

bool channel_opens_message(const struct channel *channel, const uint8_t *in, size_t available)
{
    return channel->state != CHANNEL_AWAIT_HEADER && channel_needs_scratch(channel, in, available);
}

bool channel_opens_with_mlkem(const struct channel *channel, const uint8_t *in, size_t available)
{
    const size_t type = channel->trailer_due ? 1 : 0;

    return channel->role == PFSWRAP_SEAL_INITIATOR && channel_is_hybrid(channel) &&
           (channel->state == CHANNEL_AWAIT_2 ||
            (channel->state == CHANNEL_OPEN && available > type && in[type] == FRAME_HANDSHAKE_2));
}

/* gcc would give a copy of it more arguments, and its callers larger frames. */
#if __has_attribute(noclone)
#define NO_COPY __attribute__((noinline, noclone))
#else
#define NO_COPY __attribute__((noinline))
#endif

static NO_COPY int open_on_stack(struct channel *channel, const struct pfswrap_seal_config *config,
                                 const uint8_t *in, size_t available, uint8_t *out, size_t size,
                                 const struct channel_room *room, struct pfswrap_seal_opened *opened)
{
    uint8_t scratch[CHANNEL_SCRATCH_BYTES];
    const struct channel_room whole = {scratch, room->stack, room->noise, room->binding};

    return channel_open(channel, config, in, available, out, size, &whole, opened);
}

int channel_open(struct channel *channel, const struct pfswrap_seal_config *config, const uint8_t *in,
                 size_t available, uint8_t *out, size_t size, const struct channel_room *room,
                 struct pfswrap_seal_opened *opened)
{
    static const uint8_t no_input[1];
    int result = channel_check(channel), checked;

    if (opened != NULL)
        memset(opened, 0, sizeof *opened);
    if (result != 0)
        return result;
    if (opened == NULL || config == NULL || config->keyring == NULL || (in == NULL && available > 0) ||
        (out == NULL && size > 0))
        return PFSWRAP_SEAL_E_ARGUMENT;
    if (in == NULL)
        in = no_input;
    if (room->noise == NULL && room->scratch != NULL && channel_opens_message(channel, in, available))
        return PFSWRAP_SEAL_E_ARGUMENT;
    if (room->scratch == NULL && channel_needs_scratch(channel, in, available))
        return open_on_stack(channel, config, in, available, out, size, room, opened);
    if (channel->state == CHANNEL_OPEN || channel->state == CHANNEL_AWAIT_CONFIRM) {
        result = open_frame(channel, config, in, available, out, size, room, opened);
        if (result == PFSWRAP_SEAL_MORE && (checked = limits_check_peer(channel, config)) != 0)
            result = checked;
    } else if (!channel_config_is_valid(config)) {
        return PFSWRAP_SEAL_E_ARGUMENT;
    } else {
        result = handshake_open(channel, config, in, available, room, opened);
        dead_stack_wipe(DEAD_STACK_HANDSHAKE);
        if (result == PFSWRAP_SEAL_E_NO_IDENTITY)
            return result; /* the peer has not caused it, and nothing was read yet */
    }
    if (result < 0) {
        memset(opened, 0, sizeof *opened);
        return channel_fail(channel, result);
    }
    return result;
}

bool channel_trailer_due(const struct channel *channel)
{
    return channel_check(channel) != PFSWRAP_SEAL_E_CHANNEL && channel->trailer_due;
}

int channel_open_in_place(struct channel *channel, const struct pfswrap_seal_config *config, uint8_t *in,
                          size_t available, const struct channel_room *room, struct pfswrap_seal_opened *opened)
{
    /*
     * The plaintext replaces its own ciphertext, the only overlap that a stream cipher allows. In front of it are
     * the last byte of the previous frame, if it has not been consumed, the prefix, and the encrypted tag.
     */
    const size_t offset = (channel_trailer_due(channel) ? 1 : 0) + CHANNEL_FRAME_PREFIX + 1;
    const bool any = in != NULL && available > offset;

    return channel_open(channel, config, in, available, any ? in + offset : NULL, any ? PFSWRAP_SEAL_CHUNK_MAX : 0,
                        room, opened);
}
