/*
 * A channel with buffers and a transport. Bytes from the channel stay in `out` until the transport has taken them;
 * bytes from the transport stay in `in` until they are a whole frame. The memory is left out of core dumps.
 */
#include <pfswrap/tunnel.h>

#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <sodium.h>

#include "seal/channel.h"
#include "seal/tunnel_internal.h"

enum {
    IN_BYTES = 2 * PFSWRAP_SEAL_FRAME_MAX,
    OUT_BYTES = PFSWRAP_SEAL_CHUNK_MAX + PFSWRAP_SEAL_BEGIN_OVERHEAD,
    WRITES_BEFORE_READING = 4, /* without a read, during a re-handshake: then write() reads the answer */
};
_Static_assert((int)OUT_BYTES >= (int)PFSWRAP_SEAL_TAKE_BYTES, "a handshake message fits");

struct pfswrap_tunnel {
    struct pfswrap_seal channel;
    const struct pfswrap_seal_config *config;
    struct pfswrap_tunnel_transport transport;
    size_t record; /* bytes of the transport's records; 0 if it has none */
    struct pfswrap_tunnel_counts counts;
    uint8_t *left; /* plaintext in `in` that was not read yet */
    size_t left_length;
    size_t in_first, in_last;   /* the bytes in `in` */
    size_t out_first, out_last; /* the bytes in `out` that the transport has not taken */
    size_t kept;                /* bytes of data in the frame for which write() has not returned yet */
    unsigned writes_since_read; /* during a re-handshake */
    uint8_t in[IN_BYTES];
    uint8_t out[OUT_BYTES];
};

struct pfswrap_tunnel *pfswrap_tunnel_new(enum pfswrap_seal_role role, const struct pfswrap_seal_config *config,
                                          const uint8_t *binding, size_t binding_length, unsigned candidate,
                                          const struct pfswrap_tunnel_transport *transport, int *error)
{
    struct pfswrap_seal_config unlimited;
    struct pfswrap_tunnel *tunnel;
    int ignored;

    if (error == NULL)
        error = &ignored;
    *error = PFSWRAP_SEAL_E_ARGUMENT;
    if (config == NULL || transport == NULL || transport->read == NULL || transport->write == NULL)
        return NULL;
    *error = 0;
    tunnel = mmap(NULL, sizeof *tunnel, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (tunnel == MAP_FAILED)
        return NULL;
    (void)madvise(tunnel, sizeof *tunnel, MADV_DONTDUMP);
    unlimited = *config;
    unlimited.transport_max = 0; /* room_for() limits the frames instead */
    *error = pfswrap_seal_init(&tunnel->channel, role, &unlimited, binding, binding_length, candidate,
                               (uint64_t)time(NULL));
    if (*error != 0) {
        (void)munmap(tunnel, sizeof *tunnel);
        return NULL;
    }
    tunnel->config = config;
    tunnel->transport = *transport;
    tunnel->record = config->transport_max;
    return tunnel;
}

void pfswrap_tunnel_free(struct pfswrap_tunnel *tunnel)
{
    if (tunnel == NULL)
        return;
    pfswrap_seal_wipe(&tunnel->channel);
    (void)munmap(tunnel, sizeof *tunnel); /* the kernel clears the pages, in which there may be plaintext */
}

bool pfswrap_tunnel_unsent(const struct pfswrap_tunnel *tunnel)
{
    return tunnel != NULL && tunnel->out_first < tunnel->out_last;
}

static void tick(struct pfswrap_tunnel *tunnel)
{
    pfswrap_seal_tick(&tunnel->channel, (uint64_t)time(NULL));
}

/* Passes the bytes in `out` to the transport. Returns 1 when it has taken all of them, or STOPPED. */
static int flush(struct pfswrap_tunnel *tunnel)
{
    while (tunnel->out_first < tunnel->out_last) {
        const size_t length = tunnel->out_last - tunnel->out_first;
        const int taken =
            tunnel->transport.write(tunnel->transport.context, tunnel->out + tunnel->out_first, length);

        if (taken <= 0)
            return PFSWRAP_TUNNEL_STOPPED;
        tunnel->out_first += (size_t)taken < length ? (size_t)taken : length;
    }
    tunnel->out_first = tunnel->out_last = 0;
    return 1;
}

/* The same, and then with all messages that the channel owes. Returns 1, STOPPED, or an error. */
static int settle(struct pfswrap_tunnel *tunnel)
{
    int result = flush(tunnel);

    while (result == 1 && pfswrap_seal_owes(&tunnel->channel)) {
        const int length =
            pfswrap_seal_take(&tunnel->channel, tunnel->config, tunnel->out, PFSWRAP_SEAL_TAKE_BYTES);

        if (length < 0)
            return length;
        tunnel->out_last = (size_t)length;
        result = flush(tunnel);
    }
    return result;
}

/* Reads from the transport. Returns 1, STOPPED, or an error; the end of the transport without FINAL is an error. */
static int fill(struct pfswrap_tunnel *tunnel)
{
    size_t size;
    int got;

    if (tunnel->in_first == tunnel->in_last) {
        tunnel->in_first = tunnel->in_last = 0;
    } else if (IN_BYTES - tunnel->in_last < PFSWRAP_SEAL_CHUNK_MAX) { /* a TLS record must not be read in part */
        memmove(tunnel->in, tunnel->in + tunnel->in_first, tunnel->in_last - tunnel->in_first);
        tunnel->in_last -= tunnel->in_first;
        tunnel->in_first = 0;
    }
    size = IN_BYTES - tunnel->in_last;
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
    tick(tunnel); /* an initiator that only receives asks for new keys, too */
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
    struct pfswrap_seal_opened opened;
    int result = PFSWRAP_SEAL_ROOM;

    if (buffer != NULL) {
        result = pfswrap_seal_open(&tunnel->channel, tunnel->config, tunnel->in + tunnel->in_first,
                                   tunnel->in_last - tunnel->in_first, buffer, size, &opened);
        tunnel->in_first += opened.consumed;
    }
    if (result == PFSWRAP_SEAL_ROOM) {
        result = pfswrap_seal_open_in_place(&tunnel->channel, tunnel->config, tunnel->in + tunnel->in_first,
                                            tunnel->in_last - tunnel->in_first, &opened);
        tunnel->in_first += opened.consumed;
    }
    if (result < 0 || result == PFSWRAP_SEAL_FINAL)
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
        const int settled = tunnel->kept == 0 ? settle(tunnel) : PFSWRAP_TUNNEL_STOPPED;

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

/*
 * In write(): reads the answer to a re-handshake that a program waits for which only writes. A program that reads
 * gets it there. Data that comes before it is kept for read(). Returns 1 or an error.
 */
static int read_answer(struct pfswrap_tunnel *tunnel)
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
        int result = settle(tunnel);

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
    const int result = idle ? 1 : settle(tunnel);

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

/* What write() returns for a frame that was sent. */
static int answer(struct pfswrap_tunnel *tunnel)
{
    const size_t length = tunnel->kept;

    tunnel->kept = 0;
    tunnel->counts.sent_bytes += length;
    tunnel->counts.sent_chunks++;
    return (int)length;
}

/*
 * The largest size of the next frame: a record of the transport, so that the peer can open it with the first
 * record. But many programs write 16 KiB at a time, which without the seal is one record of TLS. The 21 bytes of a
 * frame do not fit in as well then. A frame that ends in a second record costs both sides less than a second frame.
 */
static size_t room_for(const struct pfswrap_tunnel *tunnel, size_t length)
{
    const size_t data_room = tunnel->record - PFSWRAP_SEAL_OVERHEAD;
    const bool barely_too_long = length > data_room && length <= tunnel->record && length <= PFSWRAP_SEAL_CHUNK_MAX;

    return tunnel->record == 0 || tunnel->record >= OUT_BYTES || barely_too_long ? OUT_BYTES : tunnel->record;
}

int pfswrap_tunnel_write(struct pfswrap_tunnel *tunnel, const void *data, size_t length)
{
    size_t accepted;
    int result;

    if (tunnel == NULL || data == NULL || length == 0 || length < tunnel->kept)
        return PFSWRAP_SEAL_E_ARGUMENT;
    if (tunnel->kept > 0)
        return (result = flush(tunnel)) == 1 ? answer(tunnel) : result;
    tick(tunnel);
    if ((result = read_answer(tunnel)) != 1 || (result = settle(tunnel)) != 1)
        return result;
    result = pfswrap_seal_begin(&tunnel->channel, data, length, tunnel->out, room_for(tunnel, length), &accepted);
    if (result < 0)
        return result;
    tunnel->out_last = (size_t)result;
    tunnel->kept = accepted;
    if ((result = pfswrap_seal_sent(&tunnel->channel, tunnel->out, tunnel->out_last)) < 0)
        return result;
    return (result = flush(tunnel)) == 1 ? answer(tunnel) : result;
}

size_t pfswrap_tunnel_kept(const struct pfswrap_tunnel *tunnel)
{
    return tunnel != NULL ? tunnel->kept : 0;
}

int pfswrap_tunnel_close(struct pfswrap_tunnel *tunnel)
{
    int result = pfswrap_tunnel_error(tunnel);

    if (result != 0)
        return result;
    if (!pfswrap_seal_ready(&tunnel->channel))
        return PFSWRAP_SEAL_E_NOT_READY; /* FINAL could not be sent yet, so nothing would be closed */
    result = pfswrap_seal_close(&tunnel->channel);
    return result < 0 ? result : settle(tunnel);
}

int pfswrap_tunnel_error(const struct pfswrap_tunnel *tunnel)
{
    return tunnel != NULL ? pfswrap_seal_error(&tunnel->channel) : PFSWRAP_SEAL_E_ARGUMENT;
}

void pfswrap_tunnel_poison(struct pfswrap_tunnel *tunnel)
{
    if (tunnel != NULL)
        pfswrap_seal_poison(&tunnel->channel);
}

int pfswrap_tunnel_describe(const struct pfswrap_tunnel *tunnel, struct pfswrap_seal_info *info)
{
    return tunnel != NULL ? pfswrap_seal_describe(&tunnel->channel, info) : PFSWRAP_SEAL_E_ARGUMENT;
}

struct pfswrap_tunnel_counts pfswrap_tunnel_count(const struct pfswrap_tunnel *tunnel)
{
    return tunnel != NULL ? tunnel->counts : (struct pfswrap_tunnel_counts){0};
}
