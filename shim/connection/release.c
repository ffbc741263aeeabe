/*
 * A FINAL that arrives at a closed socket makes the kernel reset the connection, and what is still in flight is
 * lost; so a socket is closed for good only when the peer's kernel has acknowledged everything. Until then a hidden
 * duplicate keeps it, and the program's number is free.
 */
#include "connection/release.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "connection/background.h"
#include "connection/carrier.h"
#include "connection/process.h"
#include "connection/readiness.h"
#include "connection/receive.h"
#include "connection/region.h"
#include "connection/share.h"
#include "connection/stream.h"
#include "connection/interest.h"
#include "init.h"
#include "real/descriptor.h"
#include "real/kernel.h"
#include "real/libc.h"

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
    if (connection->fin_sent && carrier_unacknowledged(fd) == 0 && receive_is_unread(connection, fd)) {
        carrier_reset_on_close(fd);
        return;
    }
    for (int i = 0; i < 64; i++)
        if (carrier_receive(fd, waste, sizeof waste) <= 0)
            return;
}

/* The program has asked for a reset (SO_LINGER with a time of zero, socket(7)). */
static bool wants_reset(int fd)
{
    struct linger linger = {0};
    socklen_t length = sizeof linger;
    return !process_sandboxed && KERNEL_5(SYS_getsockopt, fd, SOL_SOCKET, SO_LINGER, &linger, &length) == 0 &&
           linger.l_onoff != 0 && linger.l_linger == 0;
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
    if (process_sandboxed || carrier_unacknowledged(fd) == 0)
        return true;
    /* The kernel has it all, and goes on without us once the peer has had its time. */
    if (!sent_before)
        connection->deadline_ms = connection_now_ms() + pfswrap_policy()->seal.linger_ms;
    return connection_now_ms() >= connection->deadline_ms;
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

/* A duplicate that the program cannot reach, or -1. */
static int hide_duplicate(int fd)
{
    long hidden = KERNEL_3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, DESCRIPTOR_OWN_FIRST);
    if (hidden == -EINVAL || hidden == -EMFILE)
        hidden = KERNEL_3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 3);
    if (hidden >= ENDPOINT_FDS) {
        (void)KERNEL_1(SYS_close, hidden);
        return -1;
    }
    return hidden < 0 ? -1 : (int)hidden;
}

/*
 * No number is free for a duplicate: what is left to do is done here, for at most `linger`. The peer may be this
 * very thread, which has no other time for its end of the handshake.
 */
static void see_through(struct connection *connection, int fd)
{
    const uint64_t until_ms = connection_now_ms() + pfswrap_policy()->seal.linger_ms;
    while (!is_done(connection, fd) && connection_now_ms() < until_ms) {
        struct timespec pause = {.tv_nsec = 1000000};
        readiness_drive();
        (void)KERNEL_5(SYS_ppoll, NULL, 0, &pause, NULL, 0);
    }
}

/*
 * The program gives its last descriptor up. Returns true if the connection is over as far as this process goes, and
 * then the endpoint is free; else a hidden duplicate goes on, and the background has to be told. Locked; given
 * back.
 */
static bool let_go(struct endpoint *endpoint, struct connection *connection, int fd)
{
    if (share_release(connection)) { /* a close that epoll does not notice, since others have the socket */
        endpoint_free(endpoint, connection);
        return true;
    }
    interest_remove(endpoint);
    const bool reset = wants_reset(fd);
    if (!reset && !is_done(connection, fd)) {
        int hidden = hide_duplicate(fd);
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

/* Everything about closing `fd` but the real call. False: not sealed. */
static bool release(int fd)
{
    struct endpoint *endpoint;
    struct connection *connection;
    if (endpoint_enter(fd, &endpoint, &connection) != ENDPOINT_ENTERED)
        return false;
    carrier_kind = CARRIER_PLAIN;
    if (endpoint_remove(endpoint, fd) > 0) {
        interest_leave(endpoint, fd);
        endpoint_leave(connection);
    } else if (!let_go(endpoint, connection, fd)) {
        background_add(endpoint);
    }
    return true;
}

int release_close(int fd)
{
    if (endpoint_is_hidden(fd)) {
        errno = EBADF;
        return -1;
    }
    if (process_is_vfork_child())
        return real_libc()->close(fd);
    int saved = errno;
    if (!release(fd))
        return RELEASE_NOT_OURS;
    errno = saved;
    int result = real_libc()->close(fd);
    endpoint_vacate(fd);
    return result;
}

/* The connection behind a hidden number goes on under another one. */
static void move_hidden(int fd)
{
    struct endpoint *endpoint = endpoint_of(fd);
    struct connection *connection;
    if (endpoint == NULL)
        region_make_way(fd);
    if (endpoint == NULL || !endpoint_enter_at(endpoint, &connection))
        return;
    if (endpoint_is_hidden(fd)) {
        int moved = hide_duplicate(fd);
        endpoint_unhide(fd);
        if (moved >= 0)
            endpoint_hide(endpoint, moved);
    }
    endpoint_leave(connection);
}

void release_before_replace(int fd)
{
    if (process_is_vfork_child())
        return;
    int saved = errno;
    if (endpoint_is_hidden(fd))
        move_hidden(fd);
    else
        (void)release(fd);
    errno = saved;
}

void release_before_close_range(unsigned first, unsigned last)
{
    if (atomic_load(&endpoint_count) == 0 || process_is_vfork_child())
        return;
    int saved = errno;
    for (int fd = endpoint_next(first); fd >= 0 && (unsigned)fd <= last; fd = endpoint_next((unsigned)fd + 1))
        if (!endpoint_is_hidden(fd))
            (void)release(fd);
    errno = saved;
}

/* An accepted connection of which nothing would be left to see through: nothing is kept, and nobody seals. */
static bool is_silent(const struct connection *connection, int fd)
{
    return connection->phase == CONNECTION_HANDSHAKE && !connection->initiator && connection->rx_total == 0 &&
           span_length(connection->early) == 0 && carrier_is_quiet(fd);
}

int release_shutdown(int fd, int how)
{
    struct endpoint *endpoint;
    struct connection *connection;
    enum endpoint_result entered = endpoint_enter(fd, &endpoint, &connection);
    if (entered != ENDPOINT_ENTERED)
        return entered == ENDPOINT_NONE ? RELEASE_NOT_OURS : -1;
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
        result = carrier_shut(fd, SHUT_RD);
    else if (connection->fin_sent)
        result = carrier_shut(fd, SHUT_WR);
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
            return RELEASE_NOT_OURS;
        }
        finished = send_finish(connection, fd);
    }
    if (handshake_is_under_way(connection))
        endpoint_settle(fd, connection);
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
    carrier_kind = CARRIER_SOCKET;
    if (hidden) {
        if (!is_done(connection, fd)) {
            endpoint_leave(connection);
            return false;
        }
        report_end(connection, false, false);
        prepare_close(connection, fd);
        endpoint_unhide(fd);
        endpoint_free(endpoint, connection);
        (void)KERNEL_1(SYS_close, fd);
        endpoint_vacate(fd);
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
        if (!let_go(endpoint, connection, atomic_load(&endpoint->fd)))
            atomic_store(&endpoint->background, BACKGROUND_LISTED);
    }
    background_finish();
}
