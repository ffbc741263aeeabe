/*
 * How a connection ends, after its last number or by shutdown(2). If the peer's FINAL arrives at a closed socket,
 * the kernel resets the connection, and bytes in flight are lost. So the socket is closed only when the peer's
 * kernel has acknowledged everything. Until then a hidden duplicate keeps it open, and the program's number is
 * free.
 */
#include "connection/release.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/fork_lock.h"
#include "base/libc.h"
#include "base/process.h"
#include "base/raw_syscall.h"
#include "base/transport.h"
#include "config/init.h"
#include "connection/background.h"
#include "connection/endpoint_internal.h"
#include "connection/holders.h"
#include "connection/receive.h"
#include "connection/release_internal.h"
#include "connection/unproved.h"
#include "fd/own.h"

/*
 * Just before the socket is closed. If unread bytes are left, close(2) resets the connection, and the peer loses
 * what it has not acknowledged. So they are read and discarded. But a reset is right if the peer has acknowledged
 * everything and sent more than FINAL: it is what a peer gets that continues to send to a closed socket. It is also
 * right if bytes are left that the kernel never got: the stream has no end.
 */
static void prepare_close(const struct connection *connection, int fd)
{
    uint8_t discarded[4096];
    if (process_sandboxed)
        return;
    if (span_length(connection->tx) > 0 ||
        (connection->fin_sent && transport_unacknowledged(fd) == 0 && receive_is_unread(connection, fd))) {
        transport_reset_on_close(fd);
        return;
    }
    for (int i = 0; i < 64; i++)
        if (transport_receive(fd, discarded, sizeof discarded) <= 0)
            return;
}

/*
 * Whether the program has requested a reset (SO_LINGER with a time of 0, socket(7)). Any other time is removed,
 * since close(2) would wait while the number is closing. The hidden duplicate keeps the socket anyway.
 */
static bool wants_reset(int fd)
{
    struct linger linger = {0};
    socklen_t length = sizeof linger;
    if (process_sandboxed || raw_syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_LINGER, &linger, &length) != 0 ||
        linger.l_onoff == 0)
        return false;
    if (linger.l_linger == 0)
        return true;
    linger.l_onoff = 0;
    (void)raw_syscall(SYS_setsockopt, fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    return false;
}

/* Whether a stranger may have made the connection: the peer has not proved its identity. */
static bool is_unproved(const struct connection *connection)
{
    return handshake_is_under_way(connection) && !connection->initiator;
}

/*
 * Whether a thread of this process has lost the lock, and has not come back yet. It may still use the number. In a
 * shared slot another process could claim this, and such a thread has a copy of its own.
 */
static bool has_late_owner(struct connection *connection)
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
 * Whether the wait for the peer is over: it has acknowledged nothing for `linger`. A peer that is slow, but reads,
 * moves the deadline each time. The kernel waits for such a peer as well (tcp(7), tcp_orphan_retries).
 */
static bool is_late(struct connection *connection, int fd)
{
    const uint32_t left = unacknowledged(connection, fd);
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
 * Continues with a connection without numbers, as far as possible without waiting. Returns whether nothing is left
 * to do: the peer has acknowledged everything, or it has acknowledged nothing for `linger`. If the kernel has
 * everything by then, it continues alone. A handshake has its own deadline.
 */
static bool is_done(struct connection *connection, int fd)
{
    if (has_late_owner(connection))
        return false; /* that thread may still use the number, which must not become another file's */
    if (connection->phase == CONNECTION_CONNECTING || connection->phase == CONNECTION_UNDECIDED ||
        connection->phase == CONNECTION_NONE)
        return true;
    connection->finishing = true;
    if (handshake_is_under_way(connection)) {
        if (process_sandboxed && !atomic_load(&connection->nonblocking))
            return true; /* there, a receive would wait for the peer */
        handshake_advance(connection, fd);
        if (handshake_is_under_way(connection))
            return false;
    }
    if (send_last(connection, fd) && (process_sandboxed || transport_unacknowledged(fd) == 0))
        return true;
    return is_late(connection, fd);
}

/* Whether the peer's kernel has not acknowledged everything. */
static bool is_unsent(const struct connection *connection, int fd)
{
    return !connection->broken && unacknowledged(connection, fd) > 0;
}

/* The `closed` event. `reset`: the program requested a reset. `unsent`: the peer has not taken everything. */
static void report_end(const struct connection *connection, bool reset, bool unsent)
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

/*
 * No number is free for a hidden duplicate: continues as long as this is possible without waiting for another
 * process. The peer may be in this same thread. The observers of `waiting` continue its handshake, and the kernel
 * delivers what they send in a moment. Returns whether the kernel can do the rest alone.
 */
static bool finish_at_once(struct endpoint *endpoint, struct connection *connection, int fd)
{
    enum { MOMENT_MS = 100 };
    const uint64_t until_ms = clock_ms() + MOMENT_MS;
    uint64_t before = 0;
    bool peer_is_here = false;
    endpoint_set_filter(endpoint, FILTER_NONE); /* other threads that do the same must not wait for this lock */
    for (;;) {
        struct timespec moment = {.tv_nsec = 50000};
        ENDPOINT_RAISE(waiting);
        if (!peer_is_here)
            ENDPOINT_RAISE(peer_sought, connection, &peer_is_here);
        if (is_done(connection, fd) || connection->fin_sent)
            return true;
        if (has_moved(connection, &before))
            continue;
        if (!peer_is_here || clock_ms() >= until_ms)
            return false;
        (void)raw_syscall(SYS_ppoll, NULL, 0, &moment, NULL, 0);
    }
}

/*
 * Keeps the socket for what is left to do, when the program closes its last number. Returns the hidden number: a
 * duplicate, or `fd` itself if no other number is free, or if a thread may still use it. -1: it is not kept. The
 * kernel continues alone with what it has, a peer that has not proved its identity gets nothing, and a number that
 * dup2(2) replaces cannot stay.
 */
static int keep_socket(struct endpoint *endpoint, struct connection *connection, int fd, bool is_replaced)
{
    if (has_late_owner(connection))
        return is_replaced ? -1 : fd;
    int hidden = fd_reserve_duplicate(fd, OWN_FIRST);
    if (hidden < 0 && unproved_drop())
        hidden = fd_reserve_duplicate(fd, OWN_FIRST);
    if (hidden >= 0 || finish_at_once(endpoint, connection, fd))
        return hidden;
    if (is_unproved(connection))
        unproved_report(connection);
    else if (!is_replaced)
        return fd;
    return -1;
}

/* The program inherited the connection and has not used it. Another process may use it, so it must not be ended. */
static bool is_unused(const struct connection *connection)
{
    return connection->inherited && span_length(connection->prehandshake) == 0;
}

bool release_last_number(struct endpoint *endpoint, struct connection *connection, int fd, bool is_replaced)
{
    /* Other processes have the socket, or may have it. So epoll keeps its registrations. */
    if (connection->wiped || holders_release(connection) || is_unused(connection)) {
        endpoint_free(endpoint, connection);
        return true;
    }
    ENDPOINT_RAISE(closing, endpoint);
    const bool reset = wants_reset(fd);
    const int hidden = !reset && !is_done(connection, fd) ? keep_socket(endpoint, connection, fd, is_replaced) : -1;
    if (hidden >= 0) {
        const bool is_one_of_many = is_unproved(connection);
        endpoint_hide(endpoint, hidden);
        if (is_one_of_many)
            unproved_add(endpoint);
        endpoint_leave(connection);
        if (is_one_of_many)
            unproved_make_room(fd);
        return false;
    }
    report_end(connection, reset, span_length(connection->tx) > 0);
    if (!reset && connection->phase != CONNECTION_NONE)
        prepare_close(connection, fd);
    endpoint_free(endpoint, connection);
    return true;
}

/* Whether an accepted connection has nothing to complete: no byte has come, and none was sent or buffered. */
static bool is_silent(const struct connection *connection, int fd)
{
    return connection->phase == CONNECTION_HANDSHAKE && !connection->initiator && connection->rx_total == 0 &&
           span_length(connection->prehandshake) == 0 && transport_is_quiet(fd);
}

int release_shutdown(int fd, int how)
{
    struct endpoint *endpoint;
    struct connection *connection;
    enum endpoint_result entered = endpoint_enter(fd, &endpoint, &connection);
    if (entered != ENDPOINT_ENTERED)
        return entered == ENDPOINT_NONE ? FD_FOREIGN : -1;
    if ((how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR) || connection->phase == CONNECTION_CONNECTING ||
        connection->phase == CONNECTION_FAILED) {
        endpoint_leave(connection);
        return real_libc()->shutdown(fd, how);
    }
    bool finished = true;
    long result = 0; /* the kernel's: it knows whether the socket is still connected */
    if (how == SHUT_RDWR && is_silent(connection, fd))
        connection_fail(connection, fd, ECONNRESET, "the program shut it down before the peer had sent anything");
    else if (how != SHUT_WR)
        result = transport_shut(fd, SHUT_RD);
    else if (connection->fin_sent)
        result = transport_shut(fd, SHUT_WR);
    if (how != SHUT_WR) {
        connection->read_shut = true;
        finished =
            !handshake_is_under_way(connection); /* poll does not report when a handshake can continue then */
    }
    if (how != SHUT_RD && !connection->write_shut) {
        connection->write_shut = true;
        connection->finishing = true;
        handshake_advance(connection, fd);
        if (connection->phase == CONNECTION_NONE) {
            endpoint_abandon(endpoint, connection);
            return FD_FOREIGN;
        }
        finished = send_finish(connection, fd);
    }
    if (handshake_is_under_way(connection))
        endpoint_update(fd, connection);
    endpoint_leave(connection);
    if (!finished)
        background_add(endpoint);
    if (result == 0)
        return 0;
    errno = (int)-result;
    return -1;
}

/* Closes the hidden number of a connection and frees its endpoint. Called locked; unlocked on return. */
static void end_hidden(struct endpoint *endpoint, struct connection *connection, int fd)
{
    const uint32_t generation = fd_next_generation();
    unproved_remove(endpoint);
    prepare_close(connection, fd);
    const bool was_hidden = fd_unhide(fd, generation);
    endpoint_free(endpoint, connection);
    if (was_hidden)
        (void)release_close_number(fd, generation);
}

void release_drop(struct endpoint *endpoint, struct connection *connection)
{
    transport_call = TRANSPORT_SOCKET;
    unproved_report(connection);
    end_hidden(endpoint, connection, atomic_load(&endpoint->fd));
}

bool release_advance(struct endpoint *endpoint, struct connection *connection)
{
    const int fd = atomic_load(&endpoint->fd);
    const bool hidden = atomic_load(&endpoint->descriptors) == 0;
    transport_call = TRANSPORT_SOCKET;
    if (hidden) {
        if (!is_done(connection, fd)) {
            endpoint_leave(connection);
            return false;
        }
        report_end(connection, false, is_unsent(connection, fd));
        end_hidden(endpoint, connection, fd);
        return true;
    }
    handshake_advance(connection, fd);
    if (connection->phase == CONNECTION_NONE) {
        endpoint_abandon(endpoint, connection);
        return true;
    }
    bool done = !handshake_is_under_way(connection) && send_flush(connection, fd) == 1;
    if (done && connection->finishing)
        done = send_finish(connection, fd);
    connection_trim(connection);
    endpoint_leave(connection);
    return done;
}

/* At exit: ends the connections for which the process has waited long enough. */
static void end_late(void)
{
    for (uint32_t i = 0; i < endpoint_limit(); i++) {
        struct endpoint *endpoint = endpoint_at(i);
        struct connection *connection;
        if (endpoint == NULL || atomic_load(&endpoint->background) == BACKGROUND_NONE)
            continue;
        process_block_forks();
        if (endpoint_enter_at(endpoint, &connection)) {
            const int fd = atomic_load(&endpoint->fd);
            if (atomic_load(&endpoint->descriptors) == 0 && connection->phase == CONNECTION_OPEN) {
                report_end(connection, false, is_unsent(connection, fd));
                end_hidden(endpoint, connection, fd);
            } else {
                endpoint_leave(connection);
            }
        }
        process_unblock_forks();
    }
    unproved_report_rest();
}

void release_all(void)
{
    if (atomic_load(&endpoint_count) == 0 || process_is_vfork_child())
        return;
    for (uint32_t i = 0; i < endpoint_limit(); i++) {
        struct endpoint *endpoint = endpoint_at(i);
        struct connection *connection;
        if (endpoint == NULL || atomic_load(&endpoint->descriptors) == 0)
            continue;
        process_block_forks();
        if (endpoint_enter_at(endpoint, &connection)) {
            endpoint_retire(endpoint);
            if (!release_last_number(endpoint, connection, atomic_load(&endpoint->fd), false))
                atomic_store(&endpoint->background, BACKGROUND_LISTED);
        }
        process_unblock_forks();
    }
    background_finish();
    end_late();
}
