/*
 * The end of a connection that the program has closed: what is left to send, how long to wait for the peer's
 * kernel, and what the log says. See release.c. Sends and receives on the socket; closes nothing.
 */
#include <errno.h>
#include <sys/socket.h>

#include "base/libc.h"
#include "base/process.h"
#include "base/raw_syscall.h"
#include "base/transport.h"
#include "config/init.h"
#include "connection/endpoint_internal.h"
#include "connection/receive.h"
#include "connection/release_internal.h"

void release_prepare_close(const struct connection *connection, int fd, struct release_rest rest)
{
    if (process_sandboxed)
        return;
    if (span_length(connection->tx) > 0 ||
        (rest.unread && connection->fin_sent && transport_unacknowledged(fd) == 0))
        transport_reset_on_close(fd);
    else if (!rest.drained)
        transport_discard(fd);
}

bool release_has_late_owner(struct connection *connection)
{
    return connection->slot == NULL && lock_was_taken_over(&connection->lock) &&
           lock_has_late_owner(&connection->lock);
}

/* How many bytes the peer has not acknowledged, with those that the kernel has not taken. */
static uint32_t unacknowledged(const struct connection *connection, int fd)
{
    return process_sandboxed ? span_length(connection->tx)
                             : (uint32_t)transport_unacknowledged(fd) + span_length(connection->tx);
}

/*
 * The same while the connection is being closed. The kernel counts bytes of a connection that was reset, too. So it
 * is asked about that as soon as the number has not changed for a moment, which it does when the peer acknowledges.
 */
static uint32_t unacknowledged_now(const struct connection *connection, int fd)
{
    enum { MOMENT_MS = 20 };
    const uint32_t pending = span_length(connection->tx);
    const uint32_t left = process_sandboxed ? pending : (uint32_t)transport_queued(fd) + pending;
    const uint64_t unchanged_from = connection->deadline_ms - pfswrap_policy()->seal.linger_ms;
    return left > pending && left + 1 == connection->linger_left && clock_ms() >= unchanged_from + MOMENT_MS
               ? unacknowledged(connection, fd)
               : left;
}

/*
 * Whether the wait for the peer is over: it has acknowledged nothing for `linger`. A peer that is slow, but reads,
 * moves the deadline each time. The kernel waits for such a peer as well (tcp(7), tcp_orphan_retries).
 */
static bool is_late(struct connection *connection, uint32_t left)
{
    const uint64_t now = clock_ms();
    if (connection->linger_left == 0 || left + 1 < connection->linger_left) {
        connection->linger_left = left + 1;
        connection->deadline_ms = now + pfswrap_policy()->seal.linger_ms;
    }
    return now >= connection->deadline_ms;
}

/* Sends what is pending, FINAL and FIN. If the kernel's send buffer is full, the kernel is asked once to extend it.
 */
static bool send_last(struct connection *connection, int fd)
{
    if (send_finish(connection, fd))
        return true;
    const uint32_t pending = span_length(connection->tx);
    if (connection->linger_left > 0 || pending == 0 || process_sandboxed)
        return false;
    transport_extend_send_buffer(fd, pending);
    return send_finish(connection, fd);
}

/*
 * The kernel is not asked right after FIN what the peer has acknowledged, unless the peer has sent its own FINAL: a
 * kernel delays the acknowledgement of FIN while its program still has the connection (tcp_fin in Linux).
 */
enum { LEFT_MOST = INT32_MAX };

bool release_is_done(struct connection *connection, int fd, bool *unsent)
{
    *unsent = false;
    if (release_has_late_owner(connection))
        return false; /* that thread may still use the number, which must not become another file's */
    connection->finishing = true;
    if (handshake_is_under_way(connection)) {
        if (process_sandboxed && !atomic_load(&connection->nonblocking))
            return true;                   /* there, a receive would wait for the peer */
        handshake_advance(connection, fd); /* also TCP's own, which may be complete by now */
    }
    if (connection->phase == CONNECTION_CONNECTING || connection->phase == CONNECTION_UNDECIDED ||
        connection->phase == CONNECTION_NONE)
        return true;
    if (handshake_is_under_way(connection))
        return false;
    const bool was_sent = connection->fin_sent;
    const bool is_sent = send_last(connection, fd);
    const bool is_early = !was_sent && connection->fin_sent && !connection->final_received && !process_sandboxed;
    const uint32_t left = is_early ? LEFT_MOST : unacknowledged_now(connection, fd);
    *unsent = !connection->broken && left > 0;
    return (is_sent && left == span_length(connection->tx)) || is_late(connection, left);
}

bool release_is_unsent(const struct connection *connection, int fd)
{
    return !connection->broken && unacknowledged(connection, fd) > 0;
}

void release_report_end(const struct connection *connection, bool reset, bool unsent)
{
    if (connection->phase != CONNECTION_OPEN)
        return; /* it was never opened, or its end has been reported */
    if (reset)
        connection_report_closed(connection, "reset", "the program requested a reset (SO_LINGER)");
    else if (unsent)
        connection_report_closed(connection, "unsent", "the peer did not take everything within linger");
    else if (connection->broken)
        connection_report_closed(connection, "error", "the peer reset the connection");
    else
        connection_report_closed(connection, "clean", NULL);
}

/* Whether the connection has moved since `before`. */
static bool has_moved(const struct connection *connection, uint64_t *before)
{
    const uint64_t now = connection->rx_total + connection->tx_total - span_length(connection->tx);
    const bool moved = *before != now;
    *before = now;
    return moved;
}

bool release_finish_at_once(struct endpoint *endpoint, struct connection *connection, int fd)
{
    enum { MOMENT_MS = 100 };
    const uint64_t until_ms = clock_ms() + MOMENT_MS;
    uint64_t before = 0;
    bool peer_is_here = false, unsent;
    endpoint_set_filter(endpoint, FILTER_NONE); /* other threads that do the same must not wait for this lock */
    for (;;) {
        struct timespec moment = {.tv_nsec = 50000};
        ENDPOINT_RAISE(waiting);
        if (!peer_is_here)
            ENDPOINT_RAISE(peer_sought, connection, &peer_is_here);
        if (release_is_done(connection, fd, &unsent) || connection->fin_sent)
            return true;
        if (has_moved(connection, &before))
            continue;
        if (!peer_is_here || clock_ms() >= until_ms)
            return false;
        (void)raw_syscall(SYS_ppoll, NULL, 0, &moment, NULL, 0);
    }
}
