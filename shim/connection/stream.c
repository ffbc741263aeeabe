/*
 * The loop around every call that moves bytes. An attempt does under the lock what is possible without waiting. If
 * that is not enough, the call waits without the lock, and tries again.
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
#include "base/filter.h"
#include "base/transport.h"
#include "connection/unlocked.h"
#include "connection/send.h"
#include "connection/wait.h"
#include "base/raw_syscall.h"

/*
 * How long the first send of a blocking program waits for the handshake, before its bytes go to the pre-handshake
 * buffer. The call itself continues the handshake meanwhile; the background thread would do so later.
 */
enum { FIRST_SEND_TIMEOUT_MS = 10 };

/* One attempt: the connection while it is locked, and what the call needs to know after that. */
struct attempt {
    struct endpoint *endpoint;
    struct connection *connection;
    uint32_t generation; /* of the connection that the first attempt found; 0: this is the first */
    bool blocking;
    bool under_way;    /* a handshake is under way, and the call waits for it */
    short wants;       /* the events that the handshake waits for */
    uint64_t until_ms; /* when to try again without an event (clock_ms()) */
    size_t low_water;  /* bytes that a blocking read waits for */
    bool may_wait;     /* the call does not have MSG_DONTWAIT */
    bool by_other;     /* it has just waited for another thread's send */
    struct unlocked work;
};

/*
 * Begins an attempt: locks the connection and continues its handshake as far as possible. While the call waited,
 * the number may have been closed and given to another connection. That is the error EBADF.
 */
static int enter(int fd, struct attempt *attempt)
{
    int result = endpoint_enter(fd, &attempt->endpoint, &attempt->connection);
    if (result != ENDPOINT_ENTERED) {
        unlocked_settle(NULL, &attempt->work);
        return result;
    }
    struct connection *connection = attempt->connection;
    const uint32_t generation = atomic_load_explicit(&attempt->endpoint->generation, memory_order_relaxed);
    if (__builtin_expect(attempt->generation != 0 && attempt->generation != generation, false)) {
        unlocked_settle(NULL, &attempt->work);
        endpoint_leave(connection);
        return -EBADF;
    }
    attempt->generation = generation;
    if (__builtin_expect(process_sandboxed, false)) {
        unlocked_connection = attempt->may_wait ? connection : NULL;
        unlocked_settle(connection, &attempt->work);
    }
    if (__builtin_expect(handshake_is_under_way(connection), false)) {
        handshake_advance(connection, fd);
        if (connection->phase == CONNECTION_NONE) {
            unlocked_connection = NULL;
            endpoint_abandon(attempt->endpoint, connection);
            return ENDPOINT_NONE;
        }
    }
    return result;
}

/* Ends an attempt: unlocks the connection. */
static void leave(struct attempt *attempt)
{
    const struct connection *connection = attempt->connection;
    attempt->blocking = !atomic_load_explicit(&connection->nonblocking, memory_order_relaxed);
    attempt->under_way = handshake_is_under_way(connection);
    attempt->wants = (short)connection->wants;
    attempt->low_water = connection->low_water > 0 && attempt->blocking ? (size_t)connection->low_water : 1;
    attempt->until_ms = connection->deadline_ms;
    if (!connection->buffering && connection->buffer_at_ms < attempt->until_ms)
        attempt->until_ms = connection->buffer_at_ms;
    unlocked_connection = NULL;
    endpoint_leave(attempt->connection);
}

/*
 * Waits for the handshake, without the lock. Returns as wait_for(). It waits in short slices, since another thread
 * may receive what this one waits for.
 */
static int wait_handshake(int fd, const struct attempt *attempt, int timeout_option, uint64_t began_ms)
{
    enum { SLICE_MS = 20 };
    const uint64_t slice = clock_ms() + SLICE_MS;
    return wait_for(fd, attempt->wants, slice < attempt->until_ms ? slice : attempt->until_ms, timeout_option,
                    began_ms);
}

/*
 * Behind a filter that does not allow to wait in another way: makes the call that an attempt has put off, without
 * the lock. Returns as wait_for(); UNLOCKED_NOTHING: nothing was put off.
 */
enum { UNLOCKED_NOTHING = 1 };
static int wait_unlocked(int fd, struct attempt *attempt, bool receives)
{
    attempt->by_other = false;
    if (!process_sandboxed)
        return UNLOCKED_NOTHING;
    if (endpoint_enter(fd, &attempt->endpoint, &attempt->connection) != ENDPOINT_ENTERED)
        return 0;
    if (atomic_load_explicit(&attempt->endpoint->generation, memory_order_relaxed) == attempt->generation) {
        unlocked_connection = attempt->connection;
        unlocked_claim(attempt->connection, &attempt->work, receives);
        unlocked_connection = NULL;
    }
    endpoint_leave(attempt->connection);
    attempt->by_other = attempt->work.by_other;
    return attempt->work.is_pending ? unlocked_wait(fd, &attempt->work) : UNLOCKED_NOTHING;
}

/* A receive also sends what is pending, as far as possible. */
static inline void send_pending(struct connection *connection, int fd)
{
    if (__builtin_expect(connection->finishing && !connection->fin_sent, false))
        (void)send_finish(connection, fd);
    else if (__builtin_expect(span_length(connection->tx) > 0, false))
        (void)send_flush(connection, fd);
}

/* The return value of a call that has moved `passed` bytes, and then met the error, a negative errno value. */
static ssize_t outcome(size_t passed, int error)
{
    if (passed > 0)
        return (ssize_t)passed;
    errno = -error;
    return -1;
}

/*
 * The return value where enter() has found no connection. `required`: this call began on a connection that must be
 * sealed. So another thread has closed the number, and the call must not go on with what has the number now.
 */
static ssize_t not_sealed(int entered, size_t passed, bool required)
{
    if (entered == ENDPOINT_NONE && passed == 0 && !required)
        return FD_FOREIGN;
    return outcome(passed, entered == ENDPOINT_NONE ? -EBADF : entered);
}

/* Whether a receive will most likely have to wait. It waits first then, which saves one system call. */
static bool will_wait(const struct connection *connection, int flags)
{
    return receive_awaits_answer(connection) &&
           !atomic_load_explicit(&connection->nonblocking, memory_order_relaxed) && (flags & MSG_DONTWAIT) == 0 &&
           !transport_receive_waits();
}

ssize_t stream_receive(int fd, const struct iovec *vectors, size_t count, int flags, enum transport_call kind)
{
    struct iov_iter to = iov_iter_init(vectors, count);
    const bool peek = (flags & MSG_PEEK) != 0, all = (flags & MSG_WAITALL) != 0 && !peek;
    const int saved = errno;
    uint64_t began_ms = 0;
    bool required = false;
    const bool nothing = to.left == 0; /* then the kernel would wait once, and return 0 even after an error */
    to.discards = (flags & MSG_TRUNC) != 0;
    if (flags & MSG_OOB) {
        errno = EINVAL;
        return -1;
    }
    struct attempt attempt = {.may_wait = (flags & MSG_DONTWAIT) == 0, .work = unlocked_nothing};
    pthread_testcancel();
    for (;;) {
        int entered = enter(fd, &attempt);
        if (entered != ENDPOINT_ENTERED)
            return not_sealed(entered, to.passed, required);
        required = connection_rule(attempt.connection)->seal == POLICY_SEAL_REQUIRE;
        transport_call = kind;
        long result = -EAGAIN;
        send_pending(attempt.connection, fd);
        if (to.left == 0 && (kind == TRANSPORT_PLAIN || kind == TRANSPORT_VECTOR))
            result = 0; /* read(2) of no bytes does not wait; recv(2) waits until something has come */
        else if (handshake_is_under_way(attempt.connection))
            result = attempt.connection->read_shut ? 0 : -EAGAIN;
        else if (began_ms > 0 || !will_wait(attempt.connection, flags))
            result = receive_some(attempt.connection, fd, &to, peek);
        leave(&attempt);
        errno = saved;
        if (result > 0 && (all ? to.left == 0 : to.left == 0 || to.passed >= attempt.low_water || peek))
            return peek ? result : (ssize_t)to.passed;
        if (result == 0)
            return (ssize_t)to.passed;
        if (result < 0 && result != -EAGAIN)
            return outcome(to.passed, (int)result);
        if (!attempt.blocking || (flags & MSG_DONTWAIT) != 0)
            return outcome(to.passed, -EAGAIN);
        const int unlocked = wait_unlocked(fd, &attempt, true);
        if (unlocked == 0 || (unlocked == UNLOCKED_NOTHING && transport_receive_waits()))
            continue;
        if (unlocked < 0) {
            if (enter(fd, &attempt) == ENDPOINT_ENTERED) /* so that another thread may receive */
                leave(&attempt);
            return outcome(to.passed, unlocked);
        }
        /* SO_RCVTIMEO applies to the whole call: a later wait gets only the time that is left. */
        const bool again = began_ms > 0;
        if (!again)
            began_ms = clock_ms();
        int error = attempt.under_way ? wait_handshake(fd, &attempt, SO_RCVTIMEO, began_ms)
                    : again           ? wait_readable_again(fd, began_ms)
                                      : wait_readable(fd);
        if (error != 0 && nothing)
            return 0;
        if (error != 0)
            return outcome(to.passed, error);
    }
}

/* Whether a blocking send should wait for the handshake first: the pre-handshake buffer is still empty. */
static bool may_be_ready_soon(const struct connection *connection)
{
    return !connection->initiator && connection->phase == CONNECTION_HANDSHAKE && !connection->write_shut &&
           span_length(connection->prehandshake) == 0;
}

/* Raises SIGPIPE as send(2) does. If the shim has sent with the program's call, the kernel has raised it. */
static void raise_sigpipe(int flags)
{
    if ((flags & MSG_NOSIGNAL) != 0 || transport_send_waits() || !filter_allows(SYS_gettid) ||
        !filter_allows(SYS_tgkill))
        return;
    const long thread = raw_syscall(SYS_gettid);
    (void)raw_syscall(SYS_tgkill, process_running_id(), thread, SIGPIPE);
}

/*
 * Whether attempt after attempt has sent nothing, although the wait in between reported that the socket takes
 * bytes. A system call filter may answer so for ever. `sent`: bytes that the kernel has taken. An attempt that
 * waited for another thread's send does not count: that takes as long as the peer does not receive.
 */
struct stall {
    uint64_t sent;
    unsigned attempts;
};

static bool has_stalled(struct stall *stall, const struct attempt *attempt)
{
    enum { ATTEMPTS_MAX = 20000 };
    const struct connection *connection = attempt->connection;
    const uint64_t sent = connection->tx_total - span_length(connection->tx);
    if (sent != stall->sent || connection->phase != CONNECTION_OPEN || attempt->by_other)
        stall->attempts = 0;
    stall->sent = sent;
    return ++stall->attempts > ATTEMPTS_MAX;
}

/* Waits before the next attempt to send, without the lock. `first`: for the handshake. Returns as wait_for(). */
static int wait_to_send(int fd, struct attempt *attempt, uint64_t began_ms, bool first)
{
    const int unlocked = wait_unlocked(fd, attempt, false);
    if (unlocked != UNLOCKED_NOTHING)
        return unlocked;
    if (first && attempt->until_ms > began_ms + FIRST_SEND_TIMEOUT_MS)
        attempt->until_ms = began_ms + FIRST_SEND_TIMEOUT_MS;
    if (attempt->under_way)
        return wait_handshake(fd, attempt, SO_SNDTIMEO, began_ms);
    return transport_send_waits() ? 0 : wait_for(fd, POLLOUT, UINT64_MAX, SO_SNDTIMEO, began_ms);
}

ssize_t stream_send(int fd, const struct iovec *vectors, size_t count, int flags, enum transport_call kind)
{
    struct iov_iter from = iov_iter_init(vectors, count);
    const int saved = errno;
    uint64_t began_ms = 0, target = 0; /* the tx_total with which all bytes of this call are sent */
    bool required = false, may_wait_first = true;
    struct stall stall = {0};
    int error = 0; /* of the last wait */
    if (flags & MSG_OOB) {
        errno = EOPNOTSUPP;
        return -1;
    }
    struct attempt attempt = {.may_wait = (flags & MSG_DONTWAIT) == 0, .work = unlocked_nothing};
    pthread_testcancel();
    for (;;) {
        int entered = enter(fd, &attempt);
        if (entered != ENDPOINT_ENTERED)
            return not_sealed(entered, from.passed, required);
        required = connection_rule(attempt.connection)->seal == POLICY_SEAL_REQUIRE;
        struct connection *connection = attempt.connection;
        if (__builtin_expect(process_sandboxed, false))
            unlocked_release_send(connection);
        if (kind == TRANSPORT_VECTOR && from.left + from.passed == 0) { /* writev(2) of no bytes notices no error */
            leave(&attempt);
            errno = saved;
            return 0;
        }
        transport_call = kind;
        const size_t before = from.passed;
        const bool blocks =
            !atomic_load_explicit(&connection->nonblocking, memory_order_relaxed) && (flags & MSG_DONTWAIT) == 0;
        const bool first = blocks && may_wait_first && error == 0 && may_be_ready_soon(connection);
        int result = error;
        if (blocks && began_ms != 0 && has_stalled(&stall, &attempt))
            connection_fail(connection, fd, ECONNRESET, "the kernel says that it takes bytes, and takes none");
        if (first)
            result = -EAGAIN;
        else if (error == 0)
            result = send_some(connection, fd, &from, flags & MSG_MORE);
        if (from.passed > before && connection->phase == CONNECTION_OPEN)
            target = connection->tx_total;
        const bool pending = connection->tx_total - span_length(connection->tx) < target && !connection->broken;
        const bool buffered = handshake_is_under_way(connection) && span_length(connection->prehandshake) > 0;
        const bool done = result == 0 && !pending;
        const bool ends = done || (result != 0 && result != -EAGAIN) || !blocks || error != 0;
        if (__builtin_expect(process_sandboxed, false) && !ends)
            unlocked_reserve_send(connection);
        leave(&attempt);
        if (ends) {
            if (result == -EPIPE && from.passed == 0)
                raise_sigpipe(flags);
            if (pending || buffered) /* the background thread sends the rest, even if the program makes no call */
                background_add(attempt.endpoint);
            errno = saved;
            return done ? (ssize_t)from.passed : outcome(from.passed, result != 0 ? result : -EAGAIN);
        }
        if (began_ms == 0)
            began_ms = clock_ms();
        error = wait_to_send(fd, &attempt, began_ms, first);
        may_wait_first = may_wait_first && error != -EAGAIN && clock_ms() < began_ms + FIRST_SEND_TIMEOUT_MS;
        if (first && error == -EAGAIN)
            error = 0;
    }
}

ssize_t stream_available(int fd)
{
    struct attempt attempt = {.work = unlocked_nothing};
    int entered = enter(fd, &attempt);
    if (entered != ENDPOINT_ENTERED)
        return endpoint_call_result(entered);
    transport_call = TRANSPORT_SOCKET;
    ssize_t available = 0;
    if (!handshake_is_under_way(attempt.connection))
        available = (ssize_t)receive_available(attempt.connection, fd);
    leave(&attempt);
    return available;
}
