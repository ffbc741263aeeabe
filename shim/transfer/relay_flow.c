/*
 * The relay always leaves one byte of the program's unread in the socket pair: if the relay then closes its end,
 * the kernel reports ECONNRESET to the program (relay.c sends the first byte). So reads look at the bytes
 * (MSG_PEEK), offer all but the first to the connection, and remove as many bytes as the connection has taken.
 */
#include "transfer/relay_flow.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/large.h"
#include "base/raw_syscall.h"
#include "base/transport.h"
#include "connection/holders.h"
#include "connection/receive.h"
#include "connection/send.h"

enum {
    BUFFER_BYTES = CONNECTION_PREHANDSHAKE_MAX,
    ROUNDS = 16, /* of one direction, before the other one is served */
};

LARGE static uint8_t up_bytes[BUFFER_BYTES + 1], down_bytes[BUFFER_BYTES];

/* Copies what the program has sent to `up_bytes`, after the byte that always stays. Returns how many bytes. */
static size_t peek(const struct relay *relay)
{
    long count =
        raw_syscall(SYS_recvfrom, relay->end, up_bytes, sizeof up_bytes, MSG_PEEK | MSG_DONTWAIT, NULL, NULL);
    return count > 1 ? (size_t)count - 1 : 0;
}

/* Removes `count` bytes from the socket pair. One byte stays: the last one that the connection has taken. */
static void consume(const struct relay *relay, size_t count)
{
    while (count > 0) {
        long taken = raw_syscall(SYS_recvfrom, relay->end, up_bytes, count, MSG_DONTWAIT, NULL, NULL);
        if (taken <= 0)
            return;
        count -= (size_t)taken;
    }
}

/* Sends to the peer. Returns 0 or a negative errno value, as send_some(); *from moves past what was taken. */
static int give_peer(struct relay *relay, struct iov_iter *from)
{
    if (!relay->plain)
        return send_some(relay->connection, relay->fd, from, 0);
    size_t length;
    const uint8_t *piece = iov_iter_segment(from, &length);
    long count = length > 0 ? transport_send(relay->fd, piece, length, 0) : 0;
    if (count > 0)
        iov_iter_advance(from, (size_t)count);
    return count < 0 ? (int)count : 0;
}

/* From the program to the peer. Returns whether anything has moved. */
static bool pass_up(struct relay *relay)
{
    bool moved = false;
    for (int i = 0; i < ROUNDS && relay->up == RELAY_FLOWING; i++) {
        /* Read before the bytes: if it is set, no byte can follow those that are read now. */
        const bool shut = relay->program_shut;
        const struct iovec vector = {.iov_base = up_bytes + 1, .iov_len = peek(relay)};
        struct iov_iter from = iov_iter_init(&vector, 1);
        int error = give_peer(relay, &from);
        const size_t passed = from.passed;
        consume(relay, passed);
        moved = moved || passed > 0;
        if (error != 0 && error != -EAGAIN && error != -EINTR && error != -ENOBUFS) {
            relay->up = RELAY_BROKEN;
            (void)transport_shut(relay->end, SHUT_RD); /* the program's next write is EPIPE */
            return true;
        }
        if (shut && vector.iov_len == 0)
            relay->up = RELAY_ENDING;
        else if (passed == 0)
            return moved;
    }
    return moved;
}

/* Receives plaintext from the peer into `down_bytes`. Returns a count, 0 at the end, or a negative errno value. */
static long take_peer(struct relay *relay)
{
    const struct iovec vector = {.iov_base = down_bytes, .iov_len = sizeof down_bytes};
    struct iov_iter to = iov_iter_init(&vector, 1);
    if (relay->plain)
        return transport_receive(relay->fd, down_bytes, sizeof down_bytes);
    if (handshake_is_under_way(relay->connection))
        return -EAGAIN;
    return receive_some(relay->connection, relay->fd, &to, false);
}

/* Sends the bytes in `left` to the program. Returns whether any were taken, or thrown away. */
static bool give_program(struct relay *relay)
{
    const uint32_t length = span_length(relay->left);
    if (length == 0)
        return false;
    long count = transport_send(relay->end, down_bytes + relay->left.begin, length, 0);
    if (count == -EAGAIN)
        return false;
    /*
     * The program has shut down this direction, or is gone. The bytes are thrown away, so the peer does not stall.
     */
    relay->left.begin += count > 0 ? (uint32_t)count : length;
    return true;
}

/*
 * Whether the next bytes are for other processes that have the connection, since the program has closed its end of
 * the pair. The relay may not have had that event yet, and a process that has reaped the program may already be
 * waiting for an answer.
 */
static bool is_for_others(const struct relay *relay)
{
    struct pollfd poll = {.fd = relay->end};
    struct timespec now = {0};
    return !relay->plain && relay->connection->holder_count > 1 &&
           raw_syscall(SYS_ppoll, &poll, 1, &now, NULL, 0) == 1 && (poll.revents & POLLHUP) != 0 &&
           !holders_is_alone(relay->connection);
}

/* From the peer to the program. Returns whether anything has moved. */
static bool pass_down(struct relay *relay)
{
    bool moved = false;
    for (int i = 0; i < ROUNDS; i++) {
        moved = give_program(relay) || moved;
        if (relay->down != RELAY_FLOWING || span_length(relay->left) > 0 || is_for_others(relay))
            return moved;
        long count = take_peer(relay);
        if (count > 0) {
            relay->left = (struct span){0, (uint32_t)count};
        } else if (count == 0) {
            relay->down = RELAY_ENDED;
            (void)transport_shut(relay->end, SHUT_WR);
        } else if (count == -EAGAIN || count == -EINTR) {
            return moved;
        } else {
            relay->down = RELAY_BROKEN;
        }
    }
    return true;
}

/* Continues the handshake. If the rule allows a peer that does not seal, such a peer makes the relay plain. */
static void advance(struct relay *relay)
{
    if (relay->plain)
        return;
    handshake_advance(relay->connection, relay->fd);
    relay->plain = relay->connection->phase == CONNECTION_NONE;
}

/* Sends FINAL and FIN, after everything else has been sent. Returns whether this is done, or will never be. */
static bool finish_up(struct relay *relay)
{
    relay->connection->write_shut = true;
    relay->connection->finishing = true;
    if (relay->plain)
        (void)transport_shut(relay->fd, SHUT_WR);
    return relay->plain || send_finish(relay->connection, relay->fd);
}

bool relay_flow(struct relay *relay)
{
    bool moved;
    do {
        advance(relay);
        moved = pass_up(relay);
        moved = pass_down(relay) || moved;
        if (relay->down == RELAY_BROKEN && span_length(relay->left) == 0)
            return false;
        if (relay->up == RELAY_ENDING && relay->program_gone)
            return false; /* closed, and not only shut down: FINAL is sent only if no other process has the
                             connection */
        if (relay->up == RELAY_ENDING && finish_up(relay))
            relay->up = RELAY_ENDED;
    } while (moved);
    const bool up_over = relay->up == RELAY_ENDED || relay->up == RELAY_BROKEN;
    return !up_over || relay->down != RELAY_ENDED || span_length(relay->left) > 0;
}
