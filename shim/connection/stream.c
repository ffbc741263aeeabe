/*
 * The loop around every call that moves bytes: what can be done under the lock, then waiting without it, then
 * again.
 */
#include "connection/stream.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

#include "connection/background.h"
#include "connection/endpoint.h"
#include "base/process.h"
#include "connection/receive.h"
#include "connection/send.h"
#include "connection/wait.h"
#include "base/raw_syscall.h"

/*
 * A blocking program's first send waits this long for the handshake: it is what drives it then, and no other thread
 * comes sooner.
 */
enum { EARLY_PATIENCE_MS = 10 };

/* What a call knows when it gives the lock back. */
struct turn {
    struct endpoint *endpoint;
    struct connection *connection;
    uint32_t generation; /* of the connection that the call began on; 0: it is just beginning */
    bool blocking;
    bool under_way; /* a handshake is, and the program waits for it */
    short wants;
    uint64_t until_ms;
    size_t low_water; /* bytes that a blocking read waits for */
};

/*
 * Locks the connection and takes its handshake as far as it goes. Never another connection than before: the number
 * may have been closed, and given to one, while the call waited.
 */
static enum endpoint_result enter(int fd, struct turn *turn)
{
    enum endpoint_result result = endpoint_enter(fd, &turn->endpoint, &turn->connection);
    if (result != ENDPOINT_ENTERED)
        return result;
    struct connection *connection = turn->connection;
    const uint32_t generation = atomic_load_explicit(&turn->endpoint->generation, memory_order_relaxed);
    if (__builtin_expect(turn->generation != 0 && turn->generation != generation, false)) {
        endpoint_leave(connection);
        errno = EBADF;
        return ENDPOINT_ERROR;
    }
    turn->generation = generation;
    if (__builtin_expect(handshake_is_under_way(connection), false)) {
        handshake_advance(connection, fd);
        if (connection->phase == CONNECTION_NONE) {
            endpoint_abandon(turn->endpoint, connection);
            return ENDPOINT_NONE;
        }
    }
    return result;
}

static void leave(struct turn *turn)
{
    const struct connection *connection = turn->connection;
    turn->blocking = !atomic_load_explicit(&connection->nonblocking, memory_order_relaxed);
    turn->under_way = handshake_is_under_way(connection);
    turn->wants = (short)connection->wants;
    turn->low_water = connection->low_water > 0 && turn->blocking ? (size_t)connection->low_water : 1;
    turn->until_ms = connection->deadline_ms;
    if (!connection->buffering && connection->buffer_at_ms < turn->until_ms)
        turn->until_ms = connection->buffer_at_ms;
    endpoint_leave(turn->connection);
}

/*
 * Without the lock. Returns 0, EINTR or EAGAIN. Another thread may take from the socket what this one waits for,
 * hence a slice at a time.
 */
static int wait_handshake(int fd, const struct turn *turn, int timeout_option, uint64_t began_ms)
{
    enum { SLICE_MS = 20 };
    const uint64_t slice = clock_ms() + SLICE_MS;
    return wait_for(fd, turn->wants, slice < turn->until_ms ? slice : turn->until_ms, timeout_option, began_ms);
}

/* Receiving, too, takes what is still to be sent a little further. */
static inline void send_pending(struct connection *connection, int fd)
{
    if (__builtin_expect(connection->finishing && !connection->fin_sent, false))
        (void)send_finish(connection, fd);
    else if (__builtin_expect(span_length(connection->tx) > 0, false))
        (void)send_flush(connection, fd);
}

static ssize_t outcome(size_t passed, int error)
{
    if (passed > 0)
        return (ssize_t)passed;
    errno = error;
    return -1;
}

/*
 * The descriptor is not sealed, or has ceased to be. `inside`: since this call began, on a connection that could
 * not become a plain one. Another thread has closed it then, and whatever has the number now is none of this
 * call's.
 */
static ssize_t outside(enum endpoint_result entered, size_t passed, bool inside)
{
    if (entered == ENDPOINT_NONE && passed == 0 && !inside)
        return FD_FOREIGN;
    return outcome(passed, entered == ENDPOINT_NONE ? EBADF : errno);
}

/* Whether a call has most likely to wait, and so had better begin with that: a system call less. */
static bool will_wait(const struct connection *connection, int flags)
{
    return receive_awaits_answer(connection) &&
           !atomic_load_explicit(&connection->nonblocking, memory_order_relaxed) && (flags & MSG_DONTWAIT) == 0 &&
           !process_sandboxed;
}

ssize_t stream_receive(int fd, const struct iovec *vectors, size_t count, int flags, enum transport_call kind)
{
    struct iter to = iov_iter_init(vectors, count);
    const bool peek = (flags & MSG_PEEK) != 0, all = (flags & MSG_WAITALL) != 0 && !peek;
    const int saved = errno;
    uint64_t began_ms = 0;
    bool inside = false;
    const bool nothing = to.left == 0; /* the kernel waits once then, and has not failed, whatever came */
    to.discards = (flags & MSG_TRUNC) != 0;
    if (flags & MSG_OOB) {
        errno = EINVAL;
        return -1;
    }
    struct turn turn = {0};
    pthread_testcancel();
    for (;;) {
        enum endpoint_result entered = enter(fd, &turn);
        if (entered != ENDPOINT_ENTERED)
            return outside(entered, to.passed, inside);
        inside = connection_rule(turn.connection)->seal == POLICY_SEAL_REQUIRE;
        transport_call = kind;
        long result = -EAGAIN;
        send_pending(turn.connection, fd);
        if (to.left == 0 && (kind == TRANSPORT_PLAIN || kind == TRANSPORT_VECTOR))
            result = 0; /* a file has nothing to wait for; the calls of sockets wait until something is there */
        else if (handshake_is_under_way(turn.connection))
            result = turn.connection->read_shut ? 0 : -EAGAIN;
        else if (began_ms > 0 || !will_wait(turn.connection, flags))
            result = receive_some(turn.connection, fd, &to, peek);
        leave(&turn);
        errno = saved;
        if (result > 0 && (all ? to.left == 0 : to.left == 0 || to.passed >= turn.low_water || peek))
            return peek ? result : (ssize_t)to.passed;
        if (result == 0)
            return (ssize_t)to.passed;
        if (result < 0 && result != -EAGAIN)
            return outcome(to.passed, (int)-result);
        if (!turn.blocking || (flags & MSG_DONTWAIT) != 0)
            return outcome(to.passed, EAGAIN);
        if (process_sandboxed)
            continue; /* the transport has waited, if it is to be waited for */
        /* What the program allows (SO_RCVTIMEO) is for the whole call: later waits get what is left of it. */
        const bool again = began_ms > 0;
        if (!again)
            began_ms = clock_ms();
        int error = turn.under_way ? wait_handshake(fd, &turn, SO_RCVTIMEO, began_ms)
                    : again        ? wait_readable_again(fd, began_ms)
                                   : wait_readable(fd);
        if (error != 0 && nothing)
            return 0;
        if (error != 0)
            return outcome(to.passed, error);
    }
}

/* Whether a blocking send had better see the handshake through: nothing is kept yet, and the peer may be there. */
static bool may_be_ready_soon(const struct connection *connection)
{
    return !connection->initiator && connection->phase == CONNECTION_HANDSHAKE && !connection->write_shut &&
           span_length(connection->prehandshake) == 0;
}

/* As send(2) does for a connection that is shut or gone. The kernel itself has done so where it was asked to. */
static void raise_sigpipe(int flags)
{
    if ((flags & MSG_NOSIGNAL) != 0 || process_sandboxed)
        return;
    const long thread = raw_syscall(SYS_gettid);
    (void)raw_syscall(SYS_tgkill, process_running_id(), thread, SIGPIPE);
}

ssize_t stream_send(int fd, const struct iovec *vectors, size_t count, int flags, enum transport_call kind)
{
    struct iter from = iov_iter_init(vectors, count);
    const int saved = errno;
    uint64_t began_ms = 0, target = 0;
    bool inside = false, patient = true;
    int error = 0;
    if (flags & MSG_OOB) {
        errno = EOPNOTSUPP;
        return -1;
    }
    struct turn turn = {0};
    pthread_testcancel();
    for (;;) {
        enum endpoint_result entered = enter(fd, &turn);
        if (entered != ENDPOINT_ENTERED)
            return outside(entered, from.passed, inside);
        inside = connection_rule(turn.connection)->seal == POLICY_SEAL_REQUIRE;
        struct connection *connection = turn.connection;
        if (kind == TRANSPORT_VECTOR &&
            from.left + from.passed == 0) { /* not even an end is noticed: writev(2) of no bytes */
            leave(&turn);
            errno = saved;
            return 0;
        }
        transport_call = kind;
        const size_t before = from.passed;
        const bool blocks =
            !atomic_load_explicit(&connection->nonblocking, memory_order_relaxed) && (flags & MSG_DONTWAIT) == 0;
        const bool first = blocks && patient && error == 0 && may_be_ready_soon(connection);
        int result = -error;
        if (first)
            result = -EAGAIN;
        else if (error == 0)
            result = send_some(connection, fd, &from, flags & MSG_MORE);
        if (from.passed > before && connection->phase == CONNECTION_OPEN)
            target = connection->tx_total;
        const bool pending = connection->tx_total - span_length(connection->tx) < target && !connection->broken;
        const bool wait = blocks && error == 0;
        const bool early = handshake_is_under_way(connection) && span_length(connection->prehandshake) > 0;
        if (result == 0 && !pending) {
            leave(&turn);
            if (early)
                background_add(turn.endpoint);
            errno = saved;
            return (ssize_t)from.passed;
        }
        if ((result != 0 && result != -EAGAIN) || !wait) {
            leave(&turn);
            if (result == -EPIPE && from.passed == 0)
                raise_sigpipe(flags);
            if (pending || early) /* what was taken is sent, and the program need not come back for it */
                background_add(turn.endpoint);
            errno = saved;
            return outcome(from.passed, result != 0 ? -result : EAGAIN);
        }
        leave(&turn);
        if (began_ms == 0)
            began_ms = clock_ms();
        if (first && turn.until_ms > began_ms + EARLY_PATIENCE_MS)
            turn.until_ms = began_ms + EARLY_PATIENCE_MS;
        if (turn.under_way)
            error = wait_handshake(fd, &turn, SO_SNDTIMEO, began_ms);
        else if (!process_sandboxed)
            error = wait_for(fd, POLLOUT, UINT64_MAX, SO_SNDTIMEO, began_ms);
        patient = patient && error != EAGAIN && clock_ms() < began_ms + EARLY_PATIENCE_MS;
        if (first && error == EAGAIN)
            error = 0;
    }
}

ssize_t stream_available(int fd)
{
    struct turn turn = {0};
    enum endpoint_result entered = enter(fd, &turn);
    if (entered != ENDPOINT_ENTERED)
        return entered == ENDPOINT_NONE ? FD_FOREIGN : -1;
    transport_call = TRANSPORT_SOCKET;
    ssize_t available = 0;
    if (!handshake_is_under_way(turn.connection))
        available = (ssize_t)receive_available(turn.connection, fd);
    leave(&turn);
    return available;
}
