/*
 * From the program to the kernel. One system call sends up to four frames. The last one is not committed until the
 * kernel has answered. If the kernel took nothing of it, it is undone, and the program keeps its bytes. A frame of
 * which the kernel took a part is committed, and the rest is pending.
 */
#include "connection/send.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/transport.h"
#include "connection/counting.h"
#include "connection/endpoint.h"
#include "connection/frame.h"
#include "connection/receive.h"
#include "connection/renew.h"
#include "connection/unlocked.h"
#include "base/process.h"

enum {
    FRAMES_BYTES = CONNECTION_BATCH * PFSWRAP_SEAL_FRAME_MAX + PFSWRAP_SEAL_HEADER_BYTES,
    GATHER_AT = CONNECTION_TX_MAX, /* in the send buffer: where small pieces become one chunk */
};
_Static_assert(FRAMES_BYTES + CONNECTION_CONTROL_MAX <= GATHER_AT, "a batch of frames, and room to gather");

/* The kernel takes no more bytes: what is pending is discarded. */
static void broken(struct connection *connection)
{
    connection->broken = true;
    connection->tx = connection->prehandshake = (struct span){0};
}

int send_flush(struct connection *connection, int fd)
{
    if (span_length(connection->tx) == 0)
        return 1;
    if (unlocked_defers_send(connection))
        return 0;
    const uint8_t *tx = connection_tx(connection);
    /*
     * FINAL and the kernel's FIN go in one segment: then the peer finds FINAL when it reads the end of the stream.
     * But a message of the handshake must not wait (for 200 ms, tcp(7)), since the peer has to answer it first.
     */
    const bool ends =
        connection->finishing && !connection_holds_fin(connection) && connection->phase == CONNECTION_OPEN;
    const int more = ends ? MSG_MORE : 0;
    while (span_length(connection->tx) > 0) {
        long count = transport_send(fd, tx + connection->tx.begin, span_length(connection->tx), more);
        if (count == -EAGAIN || count == -EINTR)
            return 0;
        if (count < 0) {
            broken(connection);
            return 1;
        }
        connection->tx.begin += (uint32_t)count;
    }
    connection->tx = (struct span){0};
    return 1;
}

void send_owed(struct connection *connection, int fd)
{
    while (channel_owes(&connection->channel)) {
        uint8_t *tx = connection_tx(connection);
        const uint32_t limit =
            span_length(connection->prehandshake) > 0 ? connection->prehandshake.begin : GATHER_AT;
        if (tx == NULL || limit - connection->tx.end < PFSWRAP_SEAL_TAKE_BYTES)
            return; /* tried again when there is room */
        int length = renew_before_question(connection);
        if (length == 0)
            length = frame_take(connection, tx + connection->tx.end, limit - connection->tx.end);
        if (length == FRAME_NO_MEMORY && connection->phase == CONNECTION_OPEN)
            return; /* new keys can wait */
        if (length < 0) {
            connection_fail_seal(connection, fd, length);
            return;
        }
        connection->answered = true;
        connection->tx.end += (uint32_t)length;
        connection->tx_total += (uint32_t)length;
    }
    (void)send_flush(connection, fd);
}

/* Up to a chunk of plaintext as one piece of *length bytes. `from` does not advance. */
static const uint8_t *next_chunk(const struct iov_iter *from, uint8_t *gather, size_t *length)
{
    struct iov_iter ahead = *from;
    const uint8_t *piece = iov_iter_segment(&ahead, length);
    if (*length >= PFSWRAP_SEAL_CHUNK_MAX || *length == from->left)
        return piece;
    *length = iov_iter_copy_from(&ahead, gather, PFSWRAP_SEAL_CHUNK_MAX);
    return gather;
}

/* The frames of one batch, at the beginning of the send buffer. */
struct batch {
    bool open;                   /* the last frame is not committed */
    struct iov_iter before_last; /* where the last frame's plaintext begins */
    uint32_t last_at;            /* where the last frame begins in the send buffer */
    size_t last_plain;           /* bytes of plaintext in it */
    uint32_t end;                /* where it ends in the send buffer */
    struct channel_stream undo;  /* while `open`: the stream before it, else zero */
};

/* Commits the last frame: all of it will be sent. */
static void commit_last(struct connection *connection, struct batch *batch)
{
    if (!batch->open)
        return;
    (void)channel_sent(&connection->channel, &batch->undo, NULL, batch->end - batch->last_at);
    counting_sent(connection, batch->last_plain);
    batch->open = false;
}

/* Seals up to four frames into `tx`. Returns 0, or a negative enum pfswrap_seal_error. */
static int seal_batch(struct connection *connection, uint8_t *tx, struct iov_iter *from, struct batch *batch)
{
    *batch = (struct batch){0};
    for (int i = 0; i < CONNECTION_BATCH && from->left > 0; i++) {
        size_t length, accepted;
        commit_last(connection, batch);
        const uint8_t *plain = next_chunk(from, tx + GATHER_AT, &length);
        int frame = channel_begin(&connection->channel, &batch->undo, plain, length, tx + batch->end,
                                  GATHER_AT - batch->end, &accepted);
        if (frame == PFSWRAP_SEAL_E_TAKE_FIRST && i > 0)
            return 0;
        if (frame < 0)
            return frame;
        batch->open = true;
        batch->before_last = *from;
        batch->last_at = batch->end;
        batch->last_plain = accepted;
        batch->end += (uint32_t)frame;
        iov_iter_advance(from, accepted);
    }
    return 0;
}

/* All frames are pending: the caller sends them without the lock (unlocked.h). */
static int put_off_batch(struct connection *connection, struct batch *batch)
{
    commit_last(connection, batch);
    connection->tx = (struct span){0, batch->end};
    connection->tx_total += batch->end;
    return -EAGAIN;
}

/* Commits or undoes the last frame. `count`: how many bytes the kernel took, or a negative errno value. */
static int settle_batch(struct connection *connection, uint8_t *tx, struct iov_iter *from, struct batch *batch,
                        long count)
{
    const uint32_t taken = count > 0 ? (uint32_t)count : 0;
    if (!batch->open || taken > batch->last_at) {
        commit_last(connection, batch);
        connection->tx = (struct span){taken, batch->end};
    } else {
        (void)channel_sent(&connection->channel, &batch->undo, tx + batch->last_at, 0);
        *from = batch->before_last;
        connection->tx = (struct span){taken, batch->last_at};
    }
    connection->tx_total += connection->tx.end;
    if (span_length(connection->tx) == 0)
        connection->tx = (struct span){0};
    if (count < 0 && count != -EAGAIN && count != -EINTR) {
        broken(connection);
        return (int)count;
    }
    return taken == batch->end ? 0 : -EAGAIN;
}

/*
 * Before the first send of a connection's initiator: Nagle's algorithm would delay it until the peer's kernel has
 * acknowledged the confirm, which can take 40 ms (a delayed acknowledgement). Sets TCP_NODELAY (tcp(7)) for this
 * send. Returns whether it was not set before.
 */
static bool disable_nagle_once(struct connection *connection, int fd)
{
    if (__builtin_expect(!connection->only_confirm_sent, true))
        return false;
    connection->only_confirm_sent = false;
    if (transport_get_option(fd, IPPROTO_TCP, TCP_NODELAY) != 0)
        return false;
    transport_set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    return true;
}

/* Sends what comes before data. 0; -EAGAIN: not all of it was sent; -ENOBUFS: there is no memory for it now. */
static int settle_owed(struct connection *connection, int fd)
{
    send_owed(connection, fd);
    if (span_length(connection->tx) > 0)
        return -EAGAIN;
    return connection->phase == CONNECTION_OPEN && !connection->broken && channel_owes(&connection->channel)
               ? -ENOBUFS
               : 0;
}

/*
 * Seals and sends batches until `from` is at its end, or the kernel takes no more. Returns as send_some(). Not
 * inlined: the batch would lie on the stack below which send_some() reads messages of handshakes.
 */
static __attribute__((noinline)) int send_frames(struct connection *connection, int fd, struct iov_iter *from,
                                                 int more)
{
    uint8_t *tx = connection_tx(connection);
    if (tx == NULL)
        return -ENOBUFS;
    while (from->left > 0) {
        struct batch batch;
        int result = seal_batch(connection, tx, from, &batch);
        if (result < 0) {
            connection_fail_seal(connection, fd, result);
            return -connection->error;
        }
        if (unlocked_defers_send(connection))
            return put_off_batch(connection, &batch);
        result = settle_batch(connection, tx, from, &batch, transport_send(fd, tx, batch.end, more));
        if (result != 0)
            return result;
        if (channel_owes(&connection->channel)) {
            const int owed = settle_owed(connection, fd);
            if (owed != 0)
                return owed;
        }
    }
    return 0;
}

/* Appends to the pre-handshake buffer, up to its size. Returns 0; -EAGAIN: it is full; -ENOBUFS. */
static int fill_prehandshake(struct connection *connection, struct iov_iter *from)
{
    uint8_t *tx = connection_tx(connection);
    if (tx == NULL)
        return -ENOBUFS;
    if (span_length(connection->prehandshake) == 0)
        connection->prehandshake = (struct span){CONNECTION_CONTROL_MAX, CONNECTION_CONTROL_MAX};
    size_t room = handshake_buffer_bytes(connection) - span_length(connection->prehandshake);
    connection->prehandshake.end += (uint32_t)iov_iter_copy_from(from, tx + connection->prehandshake.end, room);
    connection->prehandshake_full = from->left > 0;
    return from->left > 0 ? -EAGAIN : 0;
}

/*
 * Before data is sent. Once a second, looks whether the peer has sent a frame of a re-handshake: the program may
 * never receive.
 */
static void look_at_the_clock(struct connection *connection, int fd)
{
    const uint64_t now = (uint64_t)time(NULL);
    channel_tick(&connection->channel, now);
    if (connection->looked_at == (uint32_t)now)
        return;
    connection->looked_at = (uint32_t)now;
    receive_control(connection, fd);
}

int send_some(struct connection *connection, int fd, struct iov_iter *from, int more)
{
    int result = 0;
    if (connection->phase == CONNECTION_FAILED && connection->error == 0 && !connection->broken) {
        connection->broken = true; /* as in the kernel: the peer's reset follows the first bytes */
        iov_iter_advance(from, from->left);
        return 0;
    }
    if (connection->phase == CONNECTION_FAILED && connection->error != 0 && !connection->reported_error) {
        connection->reported_error = true;
        return -connection->error;
    }
    if (connection->phase == CONNECTION_FAILED)
        return -EPIPE; /* as in the kernel, after it has reported the error (socket(7), SO_ERROR) */
    if (connection->write_shut || connection->broken)
        return -EPIPE;
    if (connection->phase != CONNECTION_OPEN) /* in a sandbox, no background thread would send the buffer */
        return connection->buffering && !process_sandboxed ? fill_prehandshake(connection, from) : -EAGAIN;
    if (!send_flush(connection, fd))
        return -EAGAIN;
    look_at_the_clock(connection, fd);
    if (connection->phase == CONNECTION_OPEN && channel_owes(&connection->channel) &&
        (result = settle_owed(connection, fd)) != 0)
        return result;
    if (from->left > 0 && connection->phase == CONNECTION_OPEN && !connection->broken) {
        const bool no_delay = disable_nagle_once(connection, fd);
        result = send_frames(connection, fd, from, more);
        if (no_delay)
            transport_set_option(fd, IPPROTO_TCP, TCP_NODELAY, 0);
    }
    connection_trim(connection);
    return connection->phase == CONNECTION_FAILED ? -connection->error : result;
}

void send_prehandshake(struct connection *connection, int fd)
{
    int32_t index;
    const uint32_t length = span_length(connection->prehandshake);
    if (length == 0 || connection->phase != CONNECTION_OPEN)
        return;
    uint8_t *plain = connection_borrow(&index);
    if (plain == NULL) {
        connection_fail(connection, fd, ENOBUFS, "out of memory");
        return;
    }
    uint8_t *tx = connection_tx(connection);
    memcpy(plain, tx + connection->prehandshake.begin, length);
    connection->prehandshake = (struct span){0};
    struct channel_stream undo;
    for (uint32_t done = 0; done < length && connection->phase == CONNECTION_OPEN;) {
        size_t accepted;
        int frame = channel_begin(&connection->channel, &undo, plain + done, length - done, tx + connection->tx.end,
                                  GATHER_AT - connection->tx.end, &accepted);
        if (frame < 0) {
            connection_fail_seal(connection, fd, frame);
            break;
        }
        (void)channel_sent(&connection->channel, &undo, NULL, (size_t)frame);
        counting_sent(connection, accepted);
        connection->tx.end += (uint32_t)frame;
        connection->tx_total += (uint32_t)frame;
        done += (uint32_t)accepted;
    }
    connection_return(index);
    (void)send_flush(connection, fd);
}

bool send_finish(struct connection *connection, int fd)
{
    if (connection->fin_sent || connection->broken || connection->phase == CONNECTION_FAILED)
        return true;
    if (handshake_is_under_way(connection))
        return false;
    if (channel_close(&connection->channel) != 0)
        return true;
    send_owed(connection, fd);
    if (!send_flush(connection, fd) || channel_owes(&connection->channel))
        return connection->broken || connection->phase == CONNECTION_FAILED;
    if (connection_holds_fin(connection) && !process_sandboxed && transport_unacknowledged(fd) > 0)
        return false;
    (void)transport_shut(fd, SHUT_WR);
    connection->fin_sent = true;
    return true;
}
