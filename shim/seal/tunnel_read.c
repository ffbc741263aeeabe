/*
 * What a tunnel receives: the handshake, data, and the answer to a re-handshake. Bytes from the transport stay in
 * `in` until they are a whole frame.
 */
#include <string.h>

#include "seal/channel.h"
#include "seal/tunnel_internal.h"
#include "seal/tunnel_state.h"

enum { WRITES_BEFORE_READING = 4 }; /* without a read, during a re-handshake: then write() reads the answer */

/* Reads from the transport. Returns 1, STOPPED, or an error; the end of the transport without FINAL is an error. */
static int fill(struct pfswrap_tunnel *tunnel)
{
    size_t size;
    int got;

    if (tunnel->in_first == tunnel->in_last) {
        tunnel->in_first = tunnel->in_last = 0;
    } else if (TUNNEL_IN_BYTES - tunnel->in_last <
               PFSWRAP_SEAL_CHUNK_MAX) { /* a TLS record must not be read in part */
        memmove(tunnel->in, tunnel->in + tunnel->in_first, tunnel->in_last - tunnel->in_first);
        tunnel->in_last -= tunnel->in_first;
        tunnel->in_first = 0;
    }
    size = TUNNEL_IN_BYTES - tunnel->in_last;
    got = tunnel->transport.read(tunnel->transport.context, tunnel->in + tunnel->in_last, size);
    if (got < 0)
        return PFSWRAP_TUNNEL_STOPPED;
    if (got == 0)
        return pfswrap_seal_end(&tunnel->channel);
    if ((size_t)got > size) { /* the callback has written behind the buffer, or lies */
        pfswrap_seal_poison(&tunnel->channel);
        return PFSWRAP_SEAL_E_POISONED;
    }
    tunnel->in_last += (size_t)got;
    tunnel_tick(tunnel); /* an initiator that only receives asks for new keys, too */
    return 1;
}

static void count_received(struct pfswrap_tunnel *tunnel, size_t length)
{
    tunnel->counts.received_bytes += length;
    tunnel->counts.received_chunks++;
}

/*
 * Receives one frame. Data that fits in `buffer` is written there, and *length is its size; else it is at `left`.
 * `buffer` may be NULL. Returns 1; END, STOPPED or an error. Does not read from the transport unless `wait` is
 * true: it returns STOPPED instead.
 */
static int receive_frame(struct pfswrap_tunnel *tunnel, uint8_t *buffer, size_t size, size_t *length, bool wait)
{
    const struct channel_room room = tunnel_room(tunnel);
    struct pfswrap_seal_opened opened;
    int result = PFSWRAP_SEAL_ROOM;

    if (buffer != NULL && !channel_of(&tunnel->channel)->peer_pads) { /* padding must not be written to a buffer */
        result = channel_open(channel_of(&tunnel->channel), tunnel->config, tunnel->in + tunnel->in_first,
                              tunnel->in_last - tunnel->in_first, buffer, size, &room, &opened);
        tunnel->in_first += opened.consumed;
    }
    if (result == PFSWRAP_SEAL_ROOM) {
        result = channel_open_in_place(channel_of(&tunnel->channel), tunnel->config, tunnel->in + tunnel->in_first,
                                       tunnel->in_last - tunnel->in_first, &room, &opened);
        tunnel->in_first += opened.consumed;
    }
    if (channel_settle(&tunnel->channel, result) < 0 || result == PFSWRAP_SEAL_FINAL)
        return result < 0 ? result : PFSWRAP_TUNNEL_END;
    if (result == PFSWRAP_SEAL_DATA) {
        count_received(tunnel, opened.length);
        if (opened.data == buffer) {
            *length = opened.length;
        } else {
            tunnel->left = opened.data;
            tunnel->left_length = opened.length;
        }
        return 1;
    }
    if (result == PFSWRAP_SEAL_PROGRESS || result == PFSWRAP_SEAL_TAKE) {
        /* While a frame of write() is unsent, nothing else may be written. */
        const int settled = tunnel->kept == 0 ? tunnel_settle(tunnel) : PFSWRAP_TUNNEL_STOPPED;

        return settled == PFSWRAP_TUNNEL_STOPPED && result == PFSWRAP_SEAL_PROGRESS ? 1 : settled;
    }
    return wait ? fill(tunnel) : PFSWRAP_TUNNEL_STOPPED;
}

/* Receives until there is data; the arguments and the result are those of receive_frame(). */
static int advance(struct pfswrap_tunnel *tunnel, uint8_t *buffer, size_t size, size_t *length, bool wait)
{
    int result = 1;

    *length = 0;
    while (result == 1 && tunnel->left_length == 0 && *length == 0)
        result = receive_frame(tunnel, buffer, size, length, wait);
    return result;
}

static bool awaits_answer(const struct pfswrap_tunnel *tunnel)
{
    return channel_of_const(&tunnel->channel)->renewal == RENEWAL_ASKED;
}

int tunnel_read_answer(struct pfswrap_tunnel *tunnel)
{
    size_t length = 0;
    int result = 1;

    if (!awaits_answer(tunnel) || ++tunnel->writes_since_read <= WRITES_BEFORE_READING)
        return 1;
    while (result == 1 && awaits_answer(tunnel) && tunnel->left_length == 0)
        result = receive_frame(tunnel, NULL, 0, &length, true);
    return result == PFSWRAP_TUNNEL_STOPPED || result == PFSWRAP_TUNNEL_END ? 1 : result;
}

int pfswrap_tunnel_handshake(struct pfswrap_tunnel *tunnel)
{
    if (tunnel == NULL)
        return PFSWRAP_SEAL_E_ARGUMENT;
    for (;;) {
        struct pfswrap_seal_opened opened;
        int result = tunnel_settle(tunnel);

        if (result != 1)
            return result;
        if (pfswrap_seal_ready(&tunnel->channel))
            return 1;
        result = pfswrap_seal_open_in_place(&tunnel->channel, tunnel->config, tunnel->in + tunnel->in_first,
                                            tunnel->in_last - tunnel->in_first, &opened);
        if (result < 0)
            return result;
        tunnel->in_first += opened.consumed;
        if (result == PFSWRAP_SEAL_DATA) { /* it confirms the handshake as well */
            count_received(tunnel, opened.length);
            tunnel->left = opened.data;
            tunnel->left_length = opened.length;
        } else if (result == PFSWRAP_SEAL_MORE && (result = fill(tunnel)) != 1) {
            return result;
        }
    }
}

static size_t take_left(struct pfswrap_tunnel *tunnel, void *buffer, size_t size, bool consume)
{
    const size_t length = tunnel->left_length < size ? tunnel->left_length : size;

    memcpy(buffer, tunnel->left, length);
    if (consume) {
        tunnel->left += length;
        tunnel->left_length -= length;
    }
    return length;
}

/* Tries again to send what could not be sent before; the reader does not wait for it. Returns 1 or an error. */
static int settle_beside_reading(struct pfswrap_tunnel *tunnel)
{
    const bool idle = tunnel->kept > 0 || (!pfswrap_tunnel_unsent(tunnel) && !pfswrap_seal_owes(&tunnel->channel));
    const int result = idle ? 1 : tunnel_settle(tunnel);

    return result == PFSWRAP_TUNNEL_STOPPED ? 1 : result;
}

int pfswrap_tunnel_read(struct pfswrap_tunnel *tunnel, void *buffer, size_t size)
{
    size_t length = 0;
    int result;

    if (tunnel == NULL || buffer == NULL || size == 0)
        return PFSWRAP_SEAL_E_ARGUMENT;
    tunnel->writes_since_read = 0;
    if (size > PFSWRAP_SEAL_CHUNK_MAX)
        size = PFSWRAP_SEAL_CHUNK_MAX;
    if (tunnel->left_length == 0) {
        if ((result = settle_beside_reading(tunnel)) != 1)
            return result;
        if ((result = advance(tunnel, buffer, size, &length, true)) != 1)
            return result;
    }
    return (int)(length > 0 ? length : take_left(tunnel, buffer, size, true));
}

int pfswrap_tunnel_peek(struct pfswrap_tunnel *tunnel, void *buffer, size_t size)
{
    size_t length;
    int result;

    if (tunnel == NULL || buffer == NULL || size == 0)
        return PFSWRAP_SEAL_E_ARGUMENT;
    tunnel->writes_since_read = 0;
    result = advance(tunnel, NULL, 0, &length, true);
    return result == 1 ? (int)take_left(tunnel, buffer, size, false) : result;
}

size_t pfswrap_tunnel_pending(struct pfswrap_tunnel *tunnel)
{
    size_t length;

    if (tunnel == NULL)
        return 0;
    if (tunnel->left_length == 0 && tunnel->in_first < tunnel->in_last)
        (void)advance(tunnel, NULL, 0, &length, false); /* the next read reports an error */
    return tunnel->left_length;
}

bool tunnel_ends_next(const struct pfswrap_tunnel *tunnel)
{
    const size_t skipped = pfswrap_seal_trailer_due(&tunnel->channel) ? 1 : 0;
    const size_t available = tunnel->in_last - tunnel->in_first;
    const uint8_t *frame = tunnel->in + tunnel->in_first + skipped;

    if (tunnel->left_length > 0)
        return false;
    if (channel_of_const(&tunnel->channel)->final_received)
        return true;
    return available >= skipped + CHANNEL_FRAME_PREFIX + CHANNEL_CIPHERTEXT_MIN && frame[0] == FRAME_DATA &&
           ((size_t)frame[1] << 8 | frame[2]) == CHANNEL_CIPHERTEXT_MIN;
}

int tunnel_skip_trailer(struct pfswrap_tunnel *tunnel, uint8_t byte)
{
    struct pfswrap_seal_opened opened;
    const int result = pfswrap_seal_open_in_place(&tunnel->channel, tunnel->config, &byte, 1, &opened);

    return result < 0 ? result : 0;
}
