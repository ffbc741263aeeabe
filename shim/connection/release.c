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
#include "connection/report_counted.h"
#include "connection/unproved.h"
#include "fd/close.h"
#include "fd/own.h"

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
 * Keeps the socket for what is left to do, when the program closes its last number. Returns the hidden number: a
 * duplicate, or `fd` itself if no other number is free, or if a thread may still use it. -1: it is not kept. The
 * kernel continues alone with what it has, a peer that has not proved its identity gets nothing, and a number that
 * dup2(2) replaces cannot stay.
 */
static int keep_socket(struct endpoint *endpoint, struct connection *connection, int fd, bool is_replaced)
{
    if (release_has_late_owner(connection))
        return is_replaced ? -1 : fd;
    int hidden = fd_reserve_socket(fd, OWN_FIRST, endpoint->identity);
    if (hidden < 0 && unproved_drop())
        hidden = fd_reserve_socket(fd, OWN_FIRST, endpoint->identity);
    if (hidden >= 0 || release_finish_at_once(endpoint, connection, fd))
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

/*
 * Whether the background thread may take its time: everything is sent, and the duplicate's number is among the
 * first that can be hidden. So the program has not used up its descriptors.
 */
static bool has_time(const struct connection *connection, int hidden)
{
    enum { NEAR = 64 };
    return connection->phase == CONNECTION_OPEN && connection->fin_sent && span_length(connection->tx) == 0 &&
           hidden >= OWN_FIRST && hidden < OWN_FIRST + NEAR;
}

enum release_left release_last_number(struct endpoint *endpoint, struct connection *connection, int fd,
                                      bool is_replaced)
{
    if (!connection->wiped && !is_unused(connection) && await_handoffs(endpoint, connection, fd))
        return RELEASE_KEPT;
    /* Other processes have the socket, or may have it. So epoll keeps its registrations. */
    if (connection->wiped || holders_release(connection) || is_unused(connection)) {
        endpoint_free(endpoint, connection);
        return RELEASE_NOTHING;
    }
    const bool reset = wants_reset(fd);
    connection->ended_early = connection->phase == CONNECTION_OPEN && !connection->final_received &&
                              !process_sandboxed && transport_has_ended(fd);
    bool unsent;
    const bool is_kept = !reset && !release_is_done(connection, fd, &unsent);
    /* close(2) ends what epoll has of a socket that nothing keeps. In a sandbox it may not be allowed. */
    if (is_kept || is_replaced || process_sandboxed)
        ENDPOINT_RAISE(closing, endpoint);
    const int hidden = is_kept ? keep_socket(endpoint, connection, fd, is_replaced) : -1;
    if (hidden >= 0) {
        const bool is_sent = has_time(connection, hidden), is_one_of_many = is_unproved(connection);
        endpoint_hide(endpoint, hidden);
        if (is_one_of_many)
            unproved_add(endpoint);
        endpoint_leave(connection);
        if (is_one_of_many)
            unproved_make_room(fd);
        return is_sent ? RELEASE_SENT : RELEASE_KEPT;
    }
    struct release_rest rest = {false, false};
    rest.unread = !reset && receive_rest(connection, fd, &rest.drained);
    release_report_end(connection, reset, span_length(connection->tx) > 0);
    if (!reset && connection->phase != CONNECTION_NONE)
        release_prepare_close(connection, fd, rest);
    endpoint_free(endpoint, connection);
    return RELEASE_NOTHING;
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
    const int entered = endpoint_enter(fd, &endpoint, &connection);
    if (entered != ENDPOINT_ENTERED)
        return endpoint_call_result(entered);
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
    return fd_call_result((int)result);
}

/* The hidden number is closed, and the endpoint freed. Called locked; unlocked on return. */
static void free_hidden(struct endpoint *endpoint, struct connection *connection)
{
    const uint32_t generation = fd_next_generation();
    const int fd = atomic_load(&endpoint->fd);
    unproved_remove(endpoint);
    const bool was_hidden = fd_unhide(fd, generation);
    endpoint_free(endpoint, connection);
    if (was_hidden)
        (void)fd_close_closing(fd, generation);
}

/* The same, after the connection's orderly end. */
static void end_hidden(struct endpoint *endpoint, struct connection *connection, struct release_rest rest)
{
    release_prepare_close(connection, atomic_load(&endpoint->fd), rest);
    free_hidden(endpoint, connection);
}

void release_drop(struct endpoint *endpoint, struct connection *connection)
{
    transport_call = TRANSPORT_SOCKET;
    unproved_report(connection);
    end_hidden(endpoint, connection, (struct release_rest){false, false});
}

/* The same for a connection that was open, with its event. `unsent`: the peer has not acknowledged everything. */
static void report_and_end(struct endpoint *endpoint, struct connection *connection, bool unsent)
{
    const int fd = atomic_load(&endpoint->fd);
    struct release_rest rest;
    rest.unread = receive_rest(connection, fd, &rest.drained);
    release_report_end(connection, false, unsent);
    end_hidden(endpoint, connection, rest);
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
    bool unsent;
    if (!release_is_done(connection, fd, &unsent)) {
        endpoint_leave(connection);
        return false;
    }
    report_and_end(endpoint, connection, unsent);
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

/* At exit: ends the connections for which the process has waited long enough. */
static void end_late(void)
{
    for (struct endpoint *endpoint = NULL; (endpoint = endpoint_next(endpoint)) != NULL;) {
        struct connection *connection;
        if (atomic_load(&endpoint->background) == BACKGROUND_NONE)
            continue;
        process_block_forks();
        if (endpoint_enter_at(endpoint, &connection)) {
            /* What is on its way to another program is not ended here. */
            if (atomic_load(&endpoint->descriptors) == 0 && endpoint->until_ms == 0 &&
                connection->phase == CONNECTION_OPEN)
                report_and_end(endpoint, connection, release_is_unsent(connection, atomic_load(&endpoint->fd)));
            else
                endpoint_leave(connection);
        }
        process_unblock_forks();
    }
    unproved_report_rest();
}

void release_all(void)
{
    counted_write_all();
    if (atomic_load(&endpoint_count) == 0 || process_is_vfork_child())
        return;
    for (struct endpoint *endpoint = NULL; (endpoint = endpoint_next(endpoint)) != NULL;) {
        struct connection *connection;
        if (atomic_load(&endpoint->descriptors) == 0)
            continue;
        process_block_forks();
        if (endpoint_enter_at(endpoint, &connection)) {
            endpoint_retire(endpoint);
            if (release_last_number(endpoint, connection, atomic_load(&endpoint->fd), false) != RELEASE_NOTHING)
                atomic_store(&endpoint->background, BACKGROUND_LISTED);
        }
        process_unblock_forks();
    }
    background_finish();
    end_late();
}
