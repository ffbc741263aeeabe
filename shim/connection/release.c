/*
 * A FINAL that arrives at a closed socket makes the kernel reset the connection, and what is still in flight is
 * lost; so a socket is closed for good only when the peer's kernel has acknowledged everything. Until then a hidden
 * duplicate keeps it, and the program's number is free.
 */
#include "connection/release.h"

#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>

#include "connection/background.h"
#include "base/transport.h"
#include "base/fork_lock.h"
#include "base/process.h"
#include "readiness/readiness.h"
#include "connection/receive.h"
#include "transfer/segment.h"
#include "transfer/share.h"
#include "base/signals.h"
#include "connection/stream.h"
#include "readiness/registration.h"
#include "config/init.h"
#include "fd/own.h"
#include "base/raw_syscall.h"
#include "base/libc.h"

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
        (void)raw_syscall(SYS_ppoll, NULL, 0, &pause, NULL, 0);
    }
}

/* Inherited, and nothing has been done with it: it need not be this process's to end. */
static bool is_unused(const struct connection *connection)
{
    return connection->inherited && span_length(connection->prehandshake) == 0;
}

/*
 * The program gives its last descriptor up. Returns true if the connection is over as far as this process goes, and
 * then the endpoint is free; else a hidden duplicate goes on, and the background has to be told. Locked; given
 * back.
 */
static bool let_go(struct endpoint *endpoint, struct connection *connection, int fd)
{
    /* A close that epoll does not notice, since others have the socket, or may have it. */
    if (connection->wiped || share_release(connection) || is_unused(connection)) {
        endpoint_free(endpoint, connection);
        return true;
    }
    registration_remove(endpoint);
    const bool reset = wants_reset(fd);
    if (!reset && !is_done(connection, fd)) {
        const int hidden = endpoint_reserve_duplicate(fd, OWN_FIRST);
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

/*
 * This thread holds the lock already: a signal handler closes what the call that it has interrupted is using, or
 * has left by siglongjmp() in the middle of. A hidden duplicate goes on with the connection once the lock is free.
 */
static bool release_unlocked(int fd, uint32_t generation)
{
    struct endpoint *endpoint = endpoint_of(fd);
    if (endpoint == NULL)
        return false;
    const int hidden = endpoint_reserve_duplicate(fd, OWN_FIRST);
    if (endpoint_remove(endpoint, fd, generation) > 0) {
        if (hidden >= 0)
            endpoint_unreserve(hidden, true);
        return true;
    }
    atomic_store(&endpoint->fd, hidden);
    if (hidden >= 0)
        endpoint_hide(endpoint, hidden);
    background_add(endpoint);
    return true;
}

/*
 * Everything about closing `fd` but the system call: the number is closing in this generation afterwards. False: it
 * is not sealed, or hidden.
 */
static bool release(int fd, uint32_t generation)
{
    struct endpoint *endpoint;
    struct connection *connection;
    const enum endpoint_result entered = endpoint_enter(fd, &endpoint, &connection);
    if (entered == ENDPOINT_ERROR && errno != EBADF)
        return release_unlocked(fd, generation);
    if (entered != ENDPOINT_ENTERED)
        return false;
    transport_call = TRANSPORT_PLAIN;
    if (endpoint_remove(endpoint, fd, generation) > 0) {
        registration_leave(endpoint, fd);
        endpoint_leave(connection);
    } else if (!let_go(endpoint, connection, fd)) {
        background_add(endpoint);
    }
    return true;
}

/*
 * The system call. Where a filter does not allow it the number stays open, and must not pass for a foreign one.
 */
static long close_number(int fd, uint32_t generation)
{
    const long result = raw_syscall(SYS_close, fd);
    endpoint_vacate_as(fd, generation,
                       result == -EPERM || result == -EACCES || result == -ENOSYS ? ENDPOINT_HIDDEN : 0);
    return result;
}

/* The number is closing in this generation; or foreign, with nothing noted of it any more: false. */
static bool take_for_close(int fd, uint32_t generation)
{
    enum { TIMEOUT_MS = 1000 }; /* a dup2() onto the number may be on its way */
    for (int round = 0; endpoint_is_known(fd); round++) {
        if (release(fd, generation))
            return true;
        endpoint_forget_note(fd);
        if (endpoint_is_known(fd) && !endpoint_wait(round, TIMEOUT_MS))
            break;
    }
    return false;
}

int release_close(int fd)
{
    if (endpoint_is_hidden(fd)) {
        errno = EBADF;
        return -1;
    }
    if (process_is_vfork_child())
        return real_libc()->close(fd);
    const int saved = errno;
    const uint32_t generation = endpoint_next_generation();
    pthread_testcancel(); /* close(2) is a cancellation point; behind this one the number must be closed */
    signals_pin();
    process_block_forks();
    const bool taken = take_for_close(fd, generation);
    const long result = taken ? close_number(fd, generation) : 0;
    process_unblock_forks();
    signals_unpin();
    errno = result < 0 ? (int)-result : saved;
    return !taken ? RELEASE_FOREIGN : result < 0 ? -1 : 0;
}

void release_after_close(int fd)
{
    struct endpoint *endpoint;
    struct connection *connection;
    const int saved = errno;
    if (process_is_vfork_child() || endpoint_is_hidden(fd))
        return;
    signals_pin();
    process_block_forks();
    if (endpoint_is_sealed(fd) && endpoint_enter(fd, &endpoint, &connection) == ENDPOINT_ENTERED) {
        const uint32_t generation = endpoint_next_generation();
        const bool is_gone = !endpoint_has_socket(endpoint, fd);
        if (is_gone && endpoint_remove(endpoint, fd, generation) == 0) {
            connection_fail(connection, -1, ECONNRESET, "another thread closed it while it was being connected");
            (void)share_release(connection);
            endpoint_free(endpoint, connection);
        } else {
            endpoint_leave(connection);
        }
        if (is_gone)
            endpoint_vacate(fd, generation);
    }
    process_unblock_forks();
    signals_unpin();
    errno = saved;
}

/*
 * The connection behind a hidden number goes on under another one, if there is one left. Returns whether the number
 * is closing now.
 */
static bool move_hidden(int fd, uint32_t generation)
{
    struct endpoint *endpoint = endpoint_of(fd);
    struct connection *connection;
    if (endpoint == NULL)
        segment_make_way(fd);
    if (endpoint == NULL || !endpoint_enter_at(endpoint, &connection))
        return false;
    bool is_closing = endpoint_is_hidden(fd) && atomic_load(&endpoint->fd) == fd;
    if (is_closing) {
        const int moved = endpoint_reserve_duplicate(fd, OWN_FIRST);
        is_closing = endpoint_unhide(fd, generation);
        atomic_store(&endpoint->fd, moved);
        if (moved >= 0)
            endpoint_hide(endpoint, moved);
    }
    endpoint_leave(connection);
    return is_closing;
}

/* The number is this call's from here on, whatever it was before. False: it is still something else. */
static bool take_number(struct replacement *replacement, bool passes)
{
    const int fd = replacement->fd;
    if (endpoint_claim(fd, replacement->generation, passes, &replacement->before))
        return true;
    if (endpoint_is_hidden(fd))
        replacement->released = move_hidden(fd, replacement->generation);
    else if (endpoint_is_sealed(fd))
        replacement->released = release(fd, replacement->generation);
    return replacement->released || endpoint_claim(fd, replacement->generation, passes, &replacement->before);
}

bool release_before_replace(int fd, bool passes, struct replacement *replacement)
{
    enum { TIMEOUT_MS = 1000 }; /* other calls may have other plans for the number at the same time */
    bool taken = false;
    *replacement = (struct replacement){.fd = fd};
    if ((unsigned)fd >= ENDPOINT_FDS || process_is_vfork_child() || endpoint_is_beyond(fd))
        return true;
    const int saved = errno;
    signals_pin();
    process_block_forks();
    replacement->generation = endpoint_next_generation();
    for (int round = 0; !(taken = take_number(replacement, passes)) && endpoint_wait(round, TIMEOUT_MS); round++)
        continue;
    if (!taken) {
        process_unblock_forks();
        signals_unpin();
    }
    errno = taken ? saved : EBUSY;
    return taken;
}

void release_after_replace(const struct replacement *replacement, bool replaced, uint64_t word)
{
    const int saved = errno;
    if (replacement->generation == 0)
        return;
    if (!replaced && (replacement->released || (replacement->before & ENDPOINT_HIDDEN) != 0))
        (void)close_number(replacement->fd, replacement->generation);
    else
        endpoint_vacate_as(replacement->fd, replacement->generation, replaced ? word : replacement->before);
    process_unblock_forks();
    signals_unpin();
    errno = saved;
}

uint32_t release_before_close_range(unsigned first, unsigned last)
{
    if (process_is_vfork_child())
        return 0;
    const int saved = errno;
    const uint32_t generation = endpoint_next_generation();
    for (int fd = endpoint_next(first); fd >= 0 && (unsigned)fd <= last; fd = endpoint_next((unsigned)fd + 1))
        if (!endpoint_is_hidden(fd))
            (void)release(fd, generation);
    endpoint_forget_notes(first, last);
    errno = saved;
    return generation;
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
        return entered == ENDPOINT_NONE ? RELEASE_FOREIGN : -1;
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
            return RELEASE_FOREIGN;
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
    transport_call = TRANSPORT_SOCKET;
    if (hidden) {
        if (!is_done(connection, fd)) {
            endpoint_leave(connection);
            return false;
        }
        const uint32_t generation = endpoint_next_generation();
        report_end(connection, false, false);
        prepare_close(connection, fd);
        const bool is_ours = endpoint_unhide(fd, generation);
        endpoint_free(endpoint, connection);
        if (is_ours)
            (void)close_number(fd, generation);
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
        if (endpoint == NULL || atomic_load(&endpoint->descriptors) == 0)
            continue;
        process_block_forks();
        if (endpoint_enter_at(endpoint, &connection)) {
            endpoint_retire(endpoint);
            if (!let_go(endpoint, connection, atomic_load(&endpoint->fd)))
                atomic_store(&endpoint->background, BACKGROUND_LISTED);
        }
        process_unblock_forks();
    }
    background_finish();
}
