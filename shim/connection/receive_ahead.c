/*
 * Before the program receives: what poll has to report, and frames of a re-handshake that a program which only
 * sends would never take. A frame that is whole stays in the kernel where that is possible. Whether it is whole can
 * be found out without taking it (MSG_PEEK, FIONREAD).
 */
#include <sys/socket.h>

#include "base/process.h"
#include "base/raw_syscall.h"
#include "base/transport.h"
#include "connection/receive_internal.h"
#include "seal/channel.h"

enum {
    PREFIX = 3, /* bytes before a frame's ciphertext (docs/WIRE.md, 2.5) */
    PEEK = 256, /* bytes that are read with MSG_PEEK: enough for small frames */
};

/*
 * Whether the kernel has the whole next frame, behind the trailer of the last one. Nothing is in the buffer. *data:
 * it has data, which FINAL has not. *bytes: how many of the kernel's bytes are the frame's, with both trailers.
 */
static bool next_is_whole(const struct connection *connection, int fd, bool *data, size_t *bytes)
{
    uint8_t ahead[PEEK];
    const size_t begin = channel_trailer_due(&connection->channel), body = begin + PREFIX;
    if (transport_receive_waits())
        return false;
    const long count = raw_syscall(SYS_recvfrom, fd, ahead, sizeof ahead, MSG_PEEK | MSG_DONTWAIT, 0, 0);
    if (count < (long)body)
        return false;
    const size_t length = (size_t)ahead[begin + 1] << 8 | ahead[begin + 2], end = body + length;
    *data = frame_type_has_data(ahead[begin]) && length > PFSWRAP_SEAL_OVERHEAD - PREFIX - 1;
    *bytes = end + 1;
    return (size_t)count >= end || (count == PEEK && (size_t)transport_readable(fd) >= end);
}

/* As receive_look_ahead(). `first`: how many bytes are received at once, if the frame needs as many; 0: not known.
 */
static void look_ahead(struct connection *connection, int fd, size_t wanted, size_t first)
{
    if (wanted > LOOK_AHEAD_MAX)
        wanted = LOOK_AHEAD_MAX;
    while (span_length(connection->rx_plain) < wanted && !receive_is_over(connection)) {
        size_t need = 0;
        size_t bytes;
        bool data;
        if (span_length(connection->rx_plain) > LOOK_AHEAD_MAX - PFSWRAP_SEAL_CHUNK_MAX)
            return;
        if (receive_next(connection, fd, NULL, &need) != STEP_WANT_READ)
            continue;
        /*
         * While rx_plain is not empty, the trailer stays in the kernel, so that poll reports the socket as
         * readable, and with it a part of the next frame. If that part fills the kernel's buffer, the rest of the
         * frame has no room, and a program that waits for more than it has peeked at would wait for ever. So the
         * part is taken. The kernel reports the rest, which comes at once.
         */
        if (span_length(connection->rx_plain) > 0 && span_length(connection->rx_cipher) == 0 &&
            !next_is_whole(connection, fd, &data, &bytes) && !transport_receive_is_full(fd))
            return;
        const size_t missing = need - span_length(connection->rx_cipher);
        long count = receive_fill(connection, fd, first > missing ? first : missing);
        first = 0;
        if (count <= 0 && receive_no_bytes(connection, fd, count) == STEP_WANT_READ)
            return;
    }
}

void receive_look_ahead(struct connection *connection, int fd, size_t wanted)
{
    look_ahead(connection, fd, wanted, 0);
}

/*
 * Whether the next read would find a whole data frame in the kernel, so that nothing has to be received now. If
 * there is a frame without data, such as FINAL, *control is the number of its bytes.
 */
static bool is_next_in_kernel(struct connection *connection, int fd, size_t *control)
{
    size_t need = 0, bytes = 0;
    bool data = false;
    if (transport_receive_waits() || receive_is_over(connection) || span_length(connection->rx_plain) > 0 ||
        span_length(connection->rx_cipher) > 0)
        return false;
    if (receive_next(connection, fd, NULL, &need) != STEP_WANT_READ ||
        need != (size_t)channel_trailer_due(&connection->channel) + PREFIX)
        return false; /* the stream's header has not come yet */
    const bool is_whole = next_is_whole(connection, fd, &data, &bytes);
    *control = is_whole && !data ? bytes : 0;
    return is_whole && data;
}

bool receive_next_is_in_kernel(struct connection *connection, int fd)
{
    size_t control = 0;
    return is_next_in_kernel(connection, fd, &control);
}

/* Whether the next bytes in the kernel belong to a frame, or a header, that the channel waits for. `need`: its
 * bytes. */
static bool is_control_in_kernel(const struct connection *connection, int fd, size_t need)
{
    size_t bytes;
    bool data = false;
    if (need != (size_t)channel_trailer_due(&connection->channel) + PREFIX)
        return (size_t)transport_readable(fd) >= need; /* the stream's header */
    return next_is_whole(connection, fd, &data, &bytes) && !data;
}

void receive_control(struct connection *connection, int fd)
{
    size_t need = 0;
    if (process_sandboxed)
        return;
    while (!receive_is_over(connection) && span_length(connection->rx_plain) == 0) {
        if (receive_next(connection, fd, NULL, &need) != STEP_WANT_READ)
            continue;
        if (span_length(connection->rx_cipher) == 0 && !is_control_in_kernel(connection, fd, need))
            break;
        if (receive_fill(connection, fd, need - span_length(connection->rx_cipher)) <= 0)
            break;
    }
    if (!receive_is_over(connection) && rehandshake_awaits_peer(&connection->channel) &&
        transport_readable(fd) > channel_trailer_due(&connection->channel))
        receive_look_ahead(connection, fd, LOOK_AHEAD_MAX);
    receive_trailer(connection, fd);
}

bool receive_awaits_answer(const struct connection *connection)
{
    return connection->tx_total_at_receive != connection->tx_total && !receive_is_over(connection) &&
           !connection->read_shut && span_length(connection->rx_plain) == 0 &&
           span_length(connection->rx_cipher) == 0;
}

bool receive_ahead(struct connection *connection, int fd)
{
    const bool was_shown = connection->end_shown;
    size_t control = 0;
    connection->tx_total_at_receive = connection->tx_total;
    if (is_next_in_kernel(connection, fd, &control))
        return true;
    look_ahead(connection, fd, 1, control);
    if (connection->phase == CONNECTION_OPEN && span_length(connection->rx_plain) == 0)
        receive_trailer(connection, fd);
    if (connection->end_shown && !was_shown)
        return false; /* the kernel reports it now, with all the events of an end */
    return span_length(connection->rx_plain) > 0 || connection->read_shut || receive_is_over(connection);
}

size_t receive_available(struct connection *connection, int fd)
{
    receive_look_ahead(connection, fd, LOOK_AHEAD_MAX);
    size_t available = span_length(connection->rx_plain);
    connection->size_is_known = available > 0;
    /* There may be more than receive_look_ahead() opens. An estimate that is too high does no harm; one too low
     * does. */
    if (available > LOOK_AHEAD_MAX - PFSWRAP_SEAL_CHUNK_MAX)
        available += (size_t)transport_readable(fd);
    return available;
}
