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
#include "connection/holders.h"
#include "connection/receive.h"
#include "connection/release_internal.h"
#include "connection/report_counted.h"
#include "fd/own.h"

/*
 * Just before the socket is closed. If unread bytes are left, close(2) resets the connection, and the peer loses
 * what it has not acknowledged. So they are read and discarded. But if the peer has acknowledged everything and
 * sent more than FINAL, a reset is right: it is what a peer gets that continues to send to a closed socket.
 */
static void prepare_close(const struct connection *connection, int fd, bool unread)
{
    if (process_sandboxed)
        return;
    if (unread && connection->fin_sent && transport_unacknowledged(fd) == 0) {
        transport_reset_on_close(fd);
        return;
    }
    transport_discard(fd);
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

/*
 * Continues with a connection without numbers, as far as possible without waiting. Returns whether nothing is left
 * to do: the peer has acknowledged everything, or `linger` has passed since the FIN.
 */
static bool is_done(struct connection *connection, int fd)
{
    connection->finishing = true;
    if (handshake_is_under_way(connection)) /* also TCP's own, which may be complete by now */
        handshake_advance(connection, fd);
    if (connection->phase == CONNECTION_CONNECTING || connection->phase == CONNECTION_UNDECIDED ||
        connection->phase == CONNECTION_NONE)
        return true;
    const bool sent_before = connection->fin_sent;
    if (!send_finish(connection, fd))
        return false;
    if (process_sandboxed || transport_unacknowledged(fd) == 0)
        return true;
    /* The kernel has everything. If the peer has not acknowledged it within `linger`, the kernel continues alone.
     */
    if (!sent_before)
        connection->deadline_ms = clock_ms() + pfswrap_policy()->seal.linger_ms;
    return clock_ms() >= connection->deadline_ms;
}

/* The `closed` event. `reset`: the program requested a reset. `unsent`: bytes are left that were not sent. */
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

/*
 * No number is free for a hidden duplicate: completes the connection here, for at most `linger`. The peer may be in
 * this same thread. The observers of `waiting` continue its handshake.
 */
static void finish_now(struct connection *connection, int fd)
{
    const uint64_t until_ms = clock_ms() + pfswrap_policy()->seal.linger_ms;
    while (!is_done(connection, fd) && clock_ms() < until_ms) {
        struct timespec pause = {.tv_nsec = 1000000};
        ENDPOINT_RAISE(waiting);
        (void)raw_syscall(SYS_ppoll, NULL, 0, &pause, NULL, 0);
    }
}

/* The program inherited the connection and has not used it. Another process may use it, so it must not be ended. */
static bool is_unused(const struct connection *connection)
{
    return connection->inherited && span_length(connection->prehandshake) == 0;
}

/*
 * The program has closed the connection, and only handoff sockets have it, which are on their way to another
 * program (posix_spawn(3), or an exec in a child of vfork(2)). If they do not arrive, nobody would end the
 * connection. So this process stays a holder, at most for `linger`, and the background thread looks after it.
 * False: that is not so, or no number is free.
 */
static bool await_handoffs(struct endpoint *endpoint, struct connection *connection, int fd)
{
    const int hidden = holders_are_handoffs(connection) ? fd_reserve_duplicate(fd, OWN_FIRST) : -1;
    if (hidden < 0)
        return false;
    ENDPOINT_RAISE(closing, endpoint);
    holders_wait(connection);
    endpoint->until_ms = clock_ms() + pfswrap_policy()->seal.linger_ms;
    endpoint_hide(endpoint, hidden);
    endpoint_leave(connection);
    return true;
}

bool release_last_number(struct endpoint *endpoint, struct connection *connection, int fd)
{
    if (!connection->wiped && !is_unused(connection) && await_handoffs(endpoint, connection, fd))
        return false;
    /* Other processes have the socket, or may have it. So epoll keeps its registrations. */
    if (connection->wiped || holders_release(connection) || is_unused(connection)) {
        endpoint_free(endpoint, connection);
        return true;
    }
    ENDPOINT_RAISE(closing, endpoint);
    const bool reset = wants_reset(fd);
    connection->ended_early = connection->phase == CONNECTION_OPEN && !connection->final_received &&
                              !process_sandboxed && transport_has_ended(fd);
    if (!reset && !is_done(connection, fd)) {
        const int hidden = fd_reserve_duplicate(fd, OWN_FIRST);
        if (hidden >= 0) {
            endpoint_hide(endpoint, hidden);
            endpoint_leave(connection);
            return false;
        }
        finish_now(connection, fd);
    }
    const bool unread = !reset && receive_rest(connection, fd);
    report_end(connection, reset, span_length(connection->tx) > 0);
    if (!reset && connection->phase != CONNECTION_NONE)
        prepare_close(connection, fd, unread);
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

/* The hidden number is closed, and the endpoint freed. Called locked; unlocked on return. */
static void free_hidden(struct endpoint *endpoint, struct connection *connection)
{
    const uint32_t generation = fd_next_generation();
    const int fd = atomic_load(&endpoint->fd);
    const bool was_hidden = fd_unhide(fd, generation);
    endpoint_free(endpoint, connection);
    if (was_hidden)
        (void)release_close_number(fd, generation);
}

/*
 * Continues with a connection without numbers. Called locked; unlocked on return. Returns whether nothing is left
 * to do here.
 */
static bool advance_hidden(struct endpoint *endpoint, struct connection *connection)
{
    const int fd = atomic_load(&endpoint->fd);
    if (endpoint->until_ms != 0) {
        if (holders_are_handoffs(connection) && clock_ms() < endpoint->until_ms) {
            endpoint_leave(connection);
            return false;
        }
        endpoint->until_ms = 0;
        if (holders_end_waiting(connection)) { /* a program has opened a handoff socket, and ends the connection */
            free_hidden(endpoint, connection);
            return true;
        }
    }
    if (!is_done(connection, fd)) {
        endpoint_leave(connection);
        return false;
    }
    const bool unread = receive_rest(connection, fd);
    report_end(connection, false, false);
    prepare_close(connection, fd, unread);
    free_hidden(endpoint, connection);
    return true;
}

bool release_advance(struct endpoint *endpoint, struct connection *connection)
{
    const int fd = atomic_load(&endpoint->fd);
    transport_call = TRANSPORT_SOCKET;
    if (atomic_load(&endpoint->descriptors) == 0)
        return advance_hidden(endpoint, connection);
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

void release_all(void)
{
    counted_write_all();
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
            if (!release_last_number(endpoint, connection, atomic_load(&endpoint->fd)))
                atomic_store(&endpoint->background, BACKGROUND_LISTED);
        }
        process_unblock_forks();
    }
    background_finish();
}
