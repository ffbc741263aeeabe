/*
 * From the kernel to the program. The program's buffer determines how many bytes the shim asks the kernel for. So
 * every whole frame that comes fits into the program's buffer, and is decrypted directly into it. Of a frame that
 * is larger than the program's buffer, the last byte (the trailer, docs/WIRE.md) stays in the kernel. So poll
 * reports the socket as readable until the program has read the rest of the plaintext.
 */
#include "connection/receive.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/filter.h"
#include "base/transport.h"
#include "connection/counting.h"
#include "connection/endpoint.h"
#include "connection/frame.h"
#include "connection/receive_internal.h"
#include "connection/unlocked.h"
#include "base/process.h"
#include "base/raw_syscall.h"
#include "connection/send.h"
#include "seal/channel.h"

void receive_compact(struct connection *connection, uint8_t *rx)
{
    const uint32_t plain = span_length(connection->rx_plain), cipher = span_length(connection->rx_cipher);
    if (plain > 0 && connection->rx_plain.begin > 0)
        memmove(rx, rx + connection->rx_plain.begin, plain);
    if (cipher > 0 && connection->rx_cipher.begin > plain)
        memmove(rx + plain, rx + connection->rx_cipher.begin, cipher);
    connection->rx_plain = (struct span){0, plain};
    connection->rx_cipher = (struct span){plain, plain + cipher};
}

static long fill_now(struct connection *connection, int fd, size_t size)
{
    uint8_t *rx = connection_rx(connection);
    if (rx == NULL)
        return -ENOBUFS;
    if (connection->rx_cipher.end + size > CONNECTION_BUFFER_BYTES || span_length(connection->rx_cipher) == 0)
        receive_compact(connection, rx);
    if (size > CONNECTION_BUFFER_BYTES - connection->rx_cipher.end)
        size = CONNECTION_BUFFER_BYTES - connection->rx_cipher.end;
    long count = transport_receive(fd, rx + connection->rx_cipher.end, size);
    if (count > 0) {
        connection->rx_cipher.end += (uint32_t)count;
        connection->rx_total += (uint64_t)count;
        const uint64_t now = (uint64_t)time(NULL);
        connection->looked_at = (uint32_t)now;
        channel_tick(&connection->channel, now);
    }
    return count;
}

long receive_fill(struct connection *connection, int fd, size_t size)
{
    long result;
    if (__builtin_expect(transport_receive_waits(), false)) {
        if (unlocked_result(connection, &result))
            return result;
        if (unlocked_defers_receive(connection)) {
            connection->deferred = (uint32_t)size;
            return -EAGAIN;
        }
    }
    return fill_now(connection, fd, size);
}

/*
 * The kernel reports the end of the stream, which is orderly only after FINAL. If the program has shut down this
 * direction itself, more may come later, as on a socket without the shim.
 */
static void end_of_transport(struct connection *connection, int fd)
{
    if (connection->read_shut)
        return;
    if (channel_end(&connection->channel) == 0)
        connection->final_received = true;
    else
        connection_fail_seal(connection, fd, PFSWRAP_SEAL_E_TRUNCATED);
}

void receive_end_stream(struct connection *connection, int fd)
{
    connection->final_received = true;
    if (connection->end_shown ||
        transport_has_ended_after(fd, connection->rx_total, &connection->nothing_follows) ||
        !filter_allows(SYS_shutdown))
        return;
    /* FINAL's trailer would reset a socket that is shut both ways, and what the peer has not acknowledged. */
    if (connection->fin_sent && channel_trailer_due(&connection->channel) && transport_unacknowledged(fd) > 0)
        return;
    connection->end_shown = transport_shut(fd, SHUT_RD) == 0;
}

static const char *transport_error_text(long error)
{
    return error == -ECONNRESET ? "the peer reset the connection" : "the connection broke";
}

/* Opens a frame that is larger than what the program has asked for. Its plaintext goes to rx_plain. */
static enum step open_leftover(struct connection *connection, int fd)
{
    struct pfswrap_seal_opened opened;
    uint8_t *rx = connection_rx(connection);
    int event = frame_open_in_place(connection, rx + connection->rx_cipher.begin,
                                    span_length(connection->rx_cipher), &opened);
    if (event != PFSWRAP_SEAL_DATA) {
        connection_fail_seal(connection, fd, event);
        return STEP_OVER;
    }
    connection->rx_cipher.begin += (uint32_t)opened.consumed;
    if (span_length(connection->rx_plain) == 0) {
        uint32_t begin = (uint32_t)(opened.data - rx);
        connection->rx_plain = (struct span){begin, begin + (uint32_t)opened.length};
    } else {
        memmove(rx + connection->rx_plain.end, opened.data, opened.length);
        connection->rx_plain.end += (uint32_t)opened.length;
    }
    counting_received(connection, opened.length);
    return STEP_DATA;
}

enum step receive_next(struct connection *connection, int fd, struct iov_iter *to, size_t *need)
{
    struct pfswrap_seal_opened opened;
    for (;;) {
        const uint8_t *rx = connection->rx_index >= 0 ? connection_rx(connection) : NULL;
        size_t room = 0;
        /* Padding must not be written to the program's buffer, behind the data. */
        const bool directly = to != NULL && !to->discards && !connection->channel.peer_pads;
        uint8_t *out = directly ? iov_iter_segment(to, &room) : NULL;
        int event = frame_open(connection, rx != NULL ? rx + connection->rx_cipher.begin : NULL,
                               span_length(connection->rx_cipher), out, room, &opened);
        connection->rx_cipher.begin += (uint32_t)opened.consumed;
        switch (event) {
        case PFSWRAP_SEAL_DATA:
            if (to != NULL)
                iov_iter_advance(to, opened.length);
            counting_received(connection, opened.length);
            return STEP_DATA;
        case PFSWRAP_SEAL_ROOM:
            return open_leftover(connection, fd);
        case PFSWRAP_SEAL_MORE:
            *need = opened.need;
            return STEP_WANT_READ;
        case PFSWRAP_SEAL_PROGRESS:
        case PFSWRAP_SEAL_TAKE:
            send_owed(connection, fd);
            if (connection->phase == CONNECTION_FAILED)
                return STEP_OVER;
            break;
        case PFSWRAP_SEAL_FINAL:
            receive_end_stream(connection, fd);
            if (span_length(connection->rx_cipher) == 0)
                return STEP_OVER;
            break; /* bytes behind FINAL are an error */
        default:
            connection_fail_seal(connection, fd, event);
            return STEP_OVER;
        }
    }
}

enum step receive_no_bytes(struct connection *connection, int fd, long count)
{
    if (count == -EAGAIN || count == -EINTR || count == -ENOBUFS)
        return STEP_WANT_READ;
    if (count == 0)
        end_of_transport(connection, fd);
    else if (!connection->read_shut ||
             !connection->fin_sent) /* else: the peer's FINAL came to a socket that is shut down */
        connection_truncate(connection, fd, (int)-count, transport_error_text(count));
    return receive_is_over(connection) ? STEP_OVER : STEP_WANT_READ;
}

/* Copies rx_plain to the program. `keep`: and keeps it (MSG_PEEK). */
static void deliver(struct connection *connection, struct iov_iter *to, bool keep)
{
    if (span_length(connection->rx_plain) == 0)
        return;
    const uint8_t *rx = connection_rx(connection);
    size_t count = iov_iter_copy_to(to, rx + connection->rx_plain.begin, span_length(connection->rx_plain));
    if (!keep)
        connection->rx_plain.begin += (uint32_t)count;
}

void receive_trailer(struct connection *connection, int fd)
{
    if (span_length(connection->rx_plain) == 0 && span_length(connection->rx_cipher) == 0 &&
        connection->phase != CONNECTION_FAILED && channel_trailer_due(&connection->channel) &&
        fill_now(connection, fd, 1) == 1) { /* it came together with the rest of its frame */
        size_t need;
        (void)receive_next(connection, fd, NULL, &need);
    }
}

/* How many bytes to ask the kernel for. `room`: of the program's buffer; `need`: bytes of the next frame. */
static size_t to_ask(const struct connection *connection, size_t room, size_t need)
{
    const size_t buffered = span_length(connection->rx_cipher);
    if (room > LOOK_AHEAD_MAX)
        room = LOOK_AHEAD_MAX;
    size_t frames = (room + PFSWRAP_SEAL_CHUNK_MAX - 1) / PFSWRAP_SEAL_CHUNK_MAX;
    size_t bound = room + frames * PFSWRAP_SEAL_OVERHEAD + channel_trailer_due(&connection->channel);
    return need > bound ? need - buffered : bound - buffered;
}

/*
 * The program has read all that it knows of, and may wait for an edge (epoll(7)) now. The kernel must have room for
 * more bytes then, or none ever comes: a part of a frame can fill its buffer. So such a part is received. A whole
 * frame has come since the program has asked, and so its edge has, too.
 */
static void receive_part(struct connection *connection, int fd)
{
    connection->size_is_known = false;
    if (!transport_receive_waits() && !receive_is_over(connection) && !receive_next_is_in_kernel(connection, fd))
        receive_look_ahead(connection, fd, 1);
}

/*
 * Copies plaintext to `to` until it is full, or the kernel has no more bytes. Fewer bytes than were asked for say
 * so, too, but the end of the stream may be behind them. A program must not get EAGAIN then: with edge-triggered
 * epoll no other event would come. So without plaintext the kernel itself must have said EAGAIN.
 */
static void receive_stream(struct connection *connection, int fd, struct iov_iter *to)
{
    const size_t before = to->passed;
    bool drained = false;
    for (;;) {
        size_t need = 0;
        deliver(connection, to, false);
        if (to->left == 0 || receive_is_over(connection))
            break;
        enum step step = receive_next(connection, fd, to, &need);
        if (step == STEP_OVER ||
            (step == STEP_WANT_READ && drained && (to->passed > before || transport_receive_waits())))
            break;
        if (step == STEP_DATA)
            continue;
        size_t ask = to_ask(connection, to->left, need);
        long count = receive_fill(connection, fd, ask);
        if (count <= 0) {
            (void)receive_no_bytes(connection, fd, count);
            break;
        }
        drained = (size_t)count < ask || transport_receive_waits();
    }
    receive_trailer(connection, fd);
    if (__builtin_expect(connection->size_is_known, false) && span_length(connection->rx_plain) == 0)
        receive_part(connection, fd);
}

bool receive_rest(struct connection *connection, int fd, bool *drained)
{
    enum { REST_MAX = 256 * 1024 };
    const struct flow received = connection->received;
    const uint64_t limit = connection->rx_total + REST_MAX;
    bool unread = span_length(connection->rx_plain) > 0;
    *drained = false;
    connection->end_shown = true; /* nobody waits for events any more */
    bool is_empty = connection->nothing_follows;
    while (connection->phase == CONNECTION_OPEN && connection->rx_total < limit && !process_sandboxed &&
           span_length(connection->tx) == 0) {
        size_t need = 0;
        connection->rx_plain = (struct span){0};
        const enum step step = receive_next(connection, fd, NULL, &need);
        counting_discard(connection, &received);
        if (step == STEP_DATA)
            unread = true;
        if (step == STEP_DATA || connection->phase != CONNECTION_OPEN)
            continue;
        if (connection->final_received && is_empty && span_length(connection->rx_cipher) == 0 &&
            !channel_trailer_due(&connection->channel)) {
            *drained = true;
            break;
        }
        const long count = receive_fill(connection, fd, PFSWRAP_SEAL_FRAME_MAX);
        is_empty = count < (long)PFSWRAP_SEAL_FRAME_MAX; /* the kernel had no more */
        if (count > 0)
            continue;
        *drained = count == 0 || count == -EAGAIN;
        if (connection->ended_early && !connection->final_received && !connection->read_shut)
            connection_truncate(connection, fd, ECONNRESET,
                                count == 0 ? pfswrap_seal_error_text(PFSWRAP_SEAL_E_TRUNCATED)
                                           : transport_error_text(count));
        break;
    }
    return unread || span_length(connection->rx_cipher) > PFSWRAP_SEAL_OVERHEAD;
}

long receive_some(struct connection *connection, int fd, struct iov_iter *to, bool peek)
{
    const size_t before = to->passed;
    connection->tx_total_at_receive = connection->tx_total;
    if (to->left == 0) {
        if (receive_ahead(connection, fd) &&
            (span_length(connection->rx_plain) > 0 || !receive_is_over(connection)))
            return 0;
    } else if (peek) {
        receive_look_ahead(connection, fd, to->left);
        deliver(connection, to, true);
        connection->size_is_known = span_length(connection->rx_plain) > 0;
    } else {
        receive_stream(connection, fd, to);
    }
    /* A program that only receives asks for new keys here. A sandbox may allow it no send. */
    if (connection->phase == CONNECTION_OPEN && !process_sandboxed && channel_owes(&connection->channel))
        send_owed(connection, fd);
    long count = (long)(to->passed - before);
    int error = connection->error;
    bool over = connection->final_received || connection->read_shut;
    connection_trim(connection);
    if (count > 0)
        return count;
    if (connection->phase == CONNECTION_FAILED) {
        connection->reported_error = true; /* every receive repeats it: a truncated stream has no end */
        return -error;
    }
    return over ? 0 : -EAGAIN;
}
