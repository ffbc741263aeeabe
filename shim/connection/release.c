/*
 * A FINAL that arrives at a closed socket makes the kernel reset the connection, and what is still in flight is
 * lost; so a socket is closed for good only when the peer's kernel has acknowledged everything. Until then a hidden
 * duplicate keeps it, and the program's number is free.
 */
#include "connection/release.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/libc.h"
#include "base/process.h"
#include "base/raw_syscall.h"
#include "base/transport.h"
#include "config/init.h"
#include "connection/background.h"
#include "connection/holders.h"
#include "connection/receive.h"
#include "connection/release_internal.h"
#include "fd/own.h"

/*
 * Just before the socket is closed for good. What the peer has sent and nobody has read makes close() a reset
 * (tcp(7)), which would take away what it has yet to acknowledge. Once it has acknowledged everything that is what
 * should happen, as it does to a peer that goes on sending to a closed socket; but not for its own FINAL.
 */
static void prepare_close(const struct connection *connection, int fd)
{
    uint8_t waste[4096];
    if (process_sandboxed)
        return;
    if (connection->fin_sent && transport_unacknowledged(fd) == 0 && receive_is_unread(connection, fd)) {
        transport_reset_on_close(fd);
        return;
    }
    for (int i = 0; i < 64; i++)
        if (transport_receive(fd, waste, sizeof waste) <= 0)
            return;
}

/*
 * Whether the program has asked for a reset (SO_LINGER with a time of zero, socket(7)). With another time the
 * system call would wait, while the number is closing; what there is to wait for is waited for here.
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

/* Whether all has been done that can be for a connection whose last descriptor the program closes. */
static bool is_done(struct connection *connection, int fd)
{
    if (connection->phase == CONNECTION_CONNECTING || connection->phase == CONNECTION_UNDECIDED ||
        connection->phase == CONNECTION_NONE)
        return true;
    connection->finishing = true;
    if (handshake_is_under_way(connection))
        handshake_advance(connection, fd);
    const bool sent_before = connection->fin_sent;
    if (!send_finish(connection, fd))
        return false;
    if (process_sandboxed || transport_unacknowledged(fd) == 0)
        return true;
    /* The kernel has it all, and goes on without us once the peer has had its time. */
    if (!sent_before)
        connection->deadline_ms = clock_ms() + pfswrap_policy()->seal.linger_ms;
    return clock_ms() >= connection->deadline_ms;
}

static void report_end(const struct connection *connection, bool reset, bool unsent)
{
    if (connection->phase != CONNECTION_OPEN)
        return; /* it was never opened, or its end has been reported */
    if (reset)
        connection_report_closed(connection, "reset", "the program closed it so (SO_LINGER)");
    else if (unsent)
        connection_report_closed(connection, "unsent", "the peer did not take everything within linger");
    else if (connection->broken)
        connection_report_closed(connection, "error", "the peer reset the connection");
    else
        connection_report_closed(connection, "clean", NULL);
}

/*
 * No number is free for a duplicate: what is left to do is done here, for at most `linger`. The peer may be this
 * very thread, which has no other time for its end of the handshake.
 */
static void see_through(struct connection *connection, int fd)
{
    const uint64_t until_ms = clock_ms() + pfswrap_policy()->seal.linger_ms;
    while (!is_done(connection, fd) && clock_ms() < until_ms) {
        struct timespec pause = {.tv_nsec = 1000000};
        ENDPOINT_RAISE(waiting);
        (void)raw_syscall(SYS_ppoll, NULL, 0, &pause, NULL, 0);
    }
}

/*
 * The program gives its last descriptor up. Returns true if the connection is over as far as this process goes, and
 * then the endpoint is free; else a hidden duplicate goes on, and the background has to be told. Locked; given
 * back.
 */
bool release_last_number(struct endpoint *endpoint, struct connection *connection, int fd)
{
    if (holders_release(connection)) { /* a close that epoll does not notice, since others have the socket */
        endpoint_free(endpoint, connection);
        return true;
    }
    ENDPOINT_RAISE(closing, endpoint);
    const bool reset = wants_reset(fd);
    if (!reset && !is_done(connection, fd)) {
        const int hidden = fd_reserve_duplicate(fd, OWN_FIRST);
        if (hidden >= 0) {
            endpoint_hide(endpoint, hidden);
            endpoint_leave(connection);
            return false;
        }
        see_through(connection, fd);
    }
    report_end(connection, reset, span_length(connection->tx) > 0);
    if (!reset && connection->phase != CONNECTION_NONE)
        prepare_close(connection, fd);
    endpoint_free(endpoint, connection);
    return true;
}

/* An accepted connection of which nothing would be left to see through: nothing is kept, and nobody seals. */
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
    long result = 0; /* the kernel knows whether anything is left that could be shut */
    if (how == SHUT_RDWR && is_silent(connection, fd))
        connection_fail(connection, fd, ECONNRESET, "the program shut it down before the peer had said anything");
    else if (how != SHUT_WR)
        result = transport_shut(fd, SHUT_RD);
    else if (connection->fin_sent)
        result = transport_shut(fd, SHUT_WR);
    if (how != SHUT_WR) {
        connection->read_shut = true;
        finished = !handshake_is_under_way(connection); /* the kernel will not say when it can go on */
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
        const uint32_t generation = fd_next_generation();
        report_end(connection, false, false);
        prepare_close(connection, fd);
        const bool is_ours = fd_unhide(fd, generation);
        endpoint_free(endpoint, connection);
        if (is_ours)
            (void)release_close_number(fd, generation);
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

void release_all(void)
{
    if (atomic_load(&endpoint_count) == 0 || process_is_vfork_child())
        return;
    for (uint32_t i = 0; i < endpoint_limit(); i++) {
        struct endpoint *endpoint = endpoint_at(i);
        struct connection *connection;
        if (endpoint == NULL || atomic_load(&endpoint->descriptors) == 0 ||
            !endpoint_enter_at(endpoint, &connection))
            continue;
        endpoint_retire(endpoint);
        if (!release_last_number(endpoint, connection, atomic_load(&endpoint->fd)))
            atomic_store(&endpoint->background, BACKGROUND_LISTED);
    }
    background_finish();
}
