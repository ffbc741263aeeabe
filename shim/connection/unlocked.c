/*
 * The claims are in the connection, so other processes that share it respect them. Bytes are copied before they are
 * sent: if the connection fails meanwhile, its buffer may become another connection's.
 */
#include "connection/unlocked.h"

#include <errno.h>
#include <string.h>

#include "base/filter.h"
#include "base/raw_syscall.h"
#include "base/transport.h"
#include "connection/receive.h"

__thread const struct connection *unlocked_connection __attribute__((tls_model("initial-exec")));

const struct unlocked unlocked_nothing = {.buffer = CONNECTION_NO_BUFFER};

/* What unlocked_result() returns. */
static __thread struct {
    const struct connection *connection;
    long count;
} end __attribute__((tls_model("initial-exec")));

/* What this thread has reserved, and not yet claimed. */
static __thread const struct connection *reserved __attribute__((tls_model("initial-exec")));

static bool is_other_thread(struct process_thread thread)
{
    return thread.id != 0 && !process_is_this_thread(thread) && process_thread_life(thread) != PROCESS_DEAD;
}

static bool defers(const struct connection *connection)
{
    return unlocked_connection == connection &&
           !atomic_load_explicit(&connection->nonblocking, memory_order_relaxed);
}

bool unlocked_defers_receive(const struct connection *connection)
{
    return transport_receive_waits() && (is_other_thread(connection->receiver) || defers(connection));
}

bool unlocked_defers_send(const struct connection *connection)
{
    return transport_send_waits() && (is_other_thread(connection->sender) || defers(connection));
}

void unlocked_reserve_send(struct connection *connection)
{
    if (span_length(connection->tx) == 0 || !transport_send_waits() || is_other_thread(connection->sender))
        return;
    connection->sender = process_thread();
    reserved = connection;
}

void unlocked_release_send(struct connection *connection)
{
    if (reserved == connection && process_is_this_thread(connection->sender))
        connection->sender = (struct process_thread){0};
    reserved = NULL;
}

void unlocked_claim(struct connection *connection, struct unlocked *work, bool receives)
{
    const size_t pending = span_length(connection->tx);
    const bool is_sending = is_other_thread(connection->sender);
    *work = unlocked_nothing;
    if (unlocked_connection != connection)
        return;
    /* A receive does not wait for another thread's send: the peer may send everything before it receives. */
    if (pending > 0 && unlocked_defers_send(connection) && !(receives && is_sending)) {
        work->is_pending = true;
        work->by_other = is_sending;
        uint8_t *copy = is_sending ? NULL : connection_borrow(&work->buffer);
        if (copy != NULL) {
            memcpy(copy, connection_tx(connection) + connection->tx.begin, pending);
            connection->sender = process_thread();
            reserved = NULL;
            work->send = pending;
        }
    } else if ((receives || handshake_is_under_way(connection)) && connection->deferred > 0 &&
               unlocked_defers_receive(connection)) {
        work->is_pending = true;
        if (!is_other_thread(connection->receiver) && connection_borrow(&work->buffer) != NULL) {
            connection->receiver = process_thread();
            work->receive = connection->deferred;
        }
    }
    connection->deferred = 0;
}

/* Another thread does what this one waits for. It is in a call of the kernel that may take long. */
static void pause_a_moment(void)
{
    enum { SPINS = 100000 };
    if (filter_allows(SYS_sched_yield))
        (void)raw_syscall(SYS_sched_yield);
    for (int i = 0; i < SPINS; i++)
        __asm__ volatile("" ::: "memory");
}

int unlocked_wait(int fd, struct unlocked *work)
{
    if (work->buffer < 0) {
        pause_a_moment();
        return 0;
    }
    uint8_t *bytes = connection_borrowed(work->buffer);
    work->count =
        work->receive > 0 ? transport_receive(fd, bytes, work->receive) : transport_send(fd, bytes, work->send, 0);
    return work->count == -EINTR || work->count == -EAGAIN ? (int)work->count : 0;
}

/* Appends received bytes to rx_cipher. */
static void append(struct connection *connection, const uint8_t *bytes, size_t count)
{
    uint8_t *rx = connection_rx(connection);
    if (rx != NULL && count > CONNECTION_BUFFER_BYTES - connection->rx_cipher.end)
        receive_compact(connection, rx);
    if (rx == NULL || count > CONNECTION_BUFFER_BYTES - connection->rx_cipher.end) {
        connection_lose(connection);
        return;
    }
    memcpy(rx + connection->rx_cipher.end, bytes, count);
    connection->rx_cipher.end += (uint32_t)count;
    connection->rx_total += count;
}

void unlocked_settle(struct connection *connection, struct unlocked *work)
{
    if (work->buffer < 0)
        return;
    const long count = work->count;
    if (connection != NULL && work->receive > 0) {
        connection->receiver = (struct process_thread){0};
        if (count > 0)
            append(connection, connection_borrowed(work->buffer), (size_t)count);
        else if (count != -EINTR && count != -EAGAIN) {
            end.connection = connection;
            end.count = count;
        }
    } else if (connection != NULL) {
        connection->sender = (struct process_thread){0};
        if (count > 0 && (size_t)count <= span_length(connection->tx))
            connection->tx.begin += (uint32_t)count;
        else if (count < 0 && count != -EINTR && count != -EAGAIN)
            connection->broken = true;
        if (connection->broken || span_length(connection->tx) == 0)
            connection->tx = (struct span){0};
    }
    connection_return(work->buffer);
    *work = unlocked_nothing;
}

bool unlocked_result(const struct connection *connection, long *count)
{
    if (end.connection != connection)
        return false;
    end.connection = NULL;
    *count = end.count;
    return true;
}
