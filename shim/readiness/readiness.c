/*
 * Both directions of the question go through the connection's phase. Nothing here waits.
 */
#include "readiness/readiness.h"

#include <poll.h>

#include "base/process.h"
#include "connection/receive.h"
#include "connection/send.h"

enum {
    READABLE = POLLIN | POLLRDNORM,
    WRITABLE = POLLOUT | POLLWRNORM,
    ALWAYS = POLLERR | POLLHUP | POLLNVAL,
    SWEEP_LEAST_MS = 10, /* between two sweeps, however close together things are due */
};

bool readiness_concerns(int fd)
{
    if (!endpoint_is_sealed(fd))
        return false;
    process_check();
    const struct endpoint *endpoint = endpoint_of(fd);
    return endpoint_is_hidden(fd) || (endpoint != NULL && atomic_load(&endpoint->attention) != FILTER_NONE);
}

/* Locks it and takes the handshake as far as it goes. NULL: not sealed (any more). */
static struct connection *enter_and_advance(int fd)
{
    struct endpoint *endpoint;
    struct connection *connection;
    if (endpoint_enter(fd, &endpoint, &connection) != ENDPOINT_ENTERED)
        return NULL;
    handshake_advance(connection, fd);
    if (connection->phase != CONNECTION_NONE) {
        if (!handshake_is_under_way(connection) && atomic_load(&endpoint->attention) == FILTER_HANDSHAKE)
            endpoint_settle(fd, connection); /* another process has completed it */
        return connection;
    }
    endpoint_abandon(endpoint, connection);
    return NULL;
}

/* What the program may be told before the handshake is complete. */
static short told_early(const struct connection *connection)
{
    return (short)((handshake_buffers_sends(connection) ? WRITABLE : 0) |
                   (connection->read_shut ? READABLE | POLLRDHUP : 0));
}

static bool is_open(int fd)
{
    const struct endpoint *endpoint = endpoint_of(fd);
    return endpoint != NULL && atomic_load(&endpoint->attention) == FILTER_OPEN;
}

short readiness_ask(int fd, short events, bool *held_back)
{
    struct connection *connection = is_open(fd) ? NULL : enter_and_advance(fd);
    if (connection == NULL)
        return events;
    if (handshake_is_under_way(connection)) {
        events = (short)((events & told_early(connection)) | connection->wants);
        *held_back = true;
        readiness_schedule(connection);
    }
    endpoint_leave(connection);
    return events;
}

uint32_t readiness_spurious(struct connection *connection, int fd, uint32_t events)
{
    uint32_t spurious = 0;
    if (connection->phase != CONNECTION_OPEN)
        return 0;
    /* A filter may allow no other calls than the program's own, and those have no way to ask without waiting. */
    if (process_sandboxed && atomic_load(&connection->nonblocking))
        return 0;
    if ((events & READABLE) != 0 && !receive_ahead(connection, fd))
        spurious |= READABLE;
    if ((events & WRITABLE) != 0 && !process_sandboxed && send_flush(connection, fd) == 0)
        spurious |= WRITABLE;
    return spurious;
}

short readiness_answer(int fd, short events, short revents)
{
    const short asked = (short)(events | ALWAYS);
    struct endpoint *endpoint;
    struct connection *connection;
    if (endpoint_enter(fd, &endpoint, &connection) != ENDPOINT_ENTERED)
        return (short)(revents & asked);
    const bool was_under_way = handshake_is_under_way(connection);
    handshake_advance(connection, fd);
    if (connection->phase == CONNECTION_NONE) {
        endpoint_abandon(endpoint, connection);
        return 0;
    }
    if (handshake_is_under_way(connection))
        revents = (short)(revents & told_early(connection));
    else if (was_under_way)
        revents = 0; /* the kernel was asked something else: ask anew */
    else
        revents = (short)((uint16_t)revents & ~readiness_spurious(connection, fd, (uint16_t)revents));
    endpoint_leave(connection);
    return (short)(revents & asked);
}

/* --- what is due --- */

static _Atomic uint64_t next_due_ms = UINT64_MAX;

/* When the handshake has to be looked at without an event. TCP's own has a time of its own. */
static uint64_t due_ms(const struct connection *connection)
{
    if (!handshake_is_under_way(connection) || connection->phase == CONNECTION_CONNECTING)
        return UINT64_MAX;
    if (connection->phase == CONNECTION_HANDSHAKE && !connection->buffering &&
        connection->buffer_at_ms < connection->deadline_ms)
        return connection->buffer_at_ms;
    return connection->deadline_ms;
}

static void lower_next_due(uint64_t due)
{
    uint64_t before = atomic_load_explicit(&next_due_ms, memory_order_relaxed);
    while (due < before && !atomic_compare_exchange_weak(&next_due_ms, &before, due))
        continue;
}

void readiness_schedule(const struct connection *connection)
{
    lower_next_due(due_ms(connection));
}

uint64_t readiness_due_ms(void)
{
    return atomic_load_explicit(&next_due_ms, memory_order_relaxed);
}

/* What a look at a connection may have changed. Locked; given back. False: it is a plain one, and gone from here.
 */
static bool settle_and_leave(struct endpoint *endpoint, struct connection *connection, int fd)
{
    if (connection->phase == CONNECTION_NONE) {
        endpoint_abandon(endpoint, connection);
        return false;
    }
    if (!handshake_is_under_way(connection) && atomic_load(&endpoint->attention) == FILTER_HANDSHAKE)
        endpoint_settle(fd, connection); /* another process has completed it */
    endpoint_leave(connection);
    return true;
}

/* What is due of one connection is done. Returns when it has to be looked at again. */
static uint64_t sweep_one(struct endpoint *endpoint, uint64_t now)
{
    struct connection *connection;
    if (atomic_load(&endpoint->attention) != FILTER_HANDSHAKE || !endpoint_enter_at(endpoint, &connection))
        return UINT64_MAX;
    const int fd = atomic_load(&endpoint->fd); /* under the lock: the endpoint may be another connection's by now */
    if (due_ms(connection) <= now)
        handshake_advance(connection, fd);
    const uint64_t due = due_ms(connection);
    return settle_and_leave(endpoint, connection, fd) ? due : UINT64_MAX;
}

void readiness_sweep(void)
{
    uint64_t due = readiness_due_ms();
    const uint64_t now = due != UINT64_MAX ? connection_now_ms() : 0;
    /* Until it is known what comes next, others who wait come back soon. */
    uint64_t soon = now + SWEEP_LEAST_MS, next = UINT64_MAX;
    if (due == UINT64_MAX || now < due || !atomic_compare_exchange_strong(&next_due_ms, &due, soon))
        return;
    for (uint32_t i = 0; i < endpoint_limit(); i++) {
        struct endpoint *endpoint = endpoint_at(i);
        due = endpoint != NULL ? sweep_one(endpoint, now) : UINT64_MAX;
        next = due < next ? due : next;
    }
    if (next > soon)
        (void)atomic_compare_exchange_strong(&next_due_ms, &soon, next);
}

/* --- both ends here --- */

enum { FEW = 8, ROUNDS_MOST = 8 };

static _Atomic uint32_t few[FEW]; /* handshakes that may be such: their endpoints' indexes + 1 */

void readiness_note(const struct endpoint *endpoint)
{
    const uint32_t value = endpoint->index + 1;
    for (int i = 0; i < FEW; i++)
        if (atomic_load_explicit(&few[i], memory_order_relaxed) == value)
            return;
    for (int i = 0; i < FEW; i++) {
        uint32_t free = 0;
        if (atomic_compare_exchange_strong(&few[i], &free, value))
            return;
    }
}

/* Returns whether the handshake has moved. */
static bool drive_one(struct endpoint *endpoint)
{
    struct connection *connection;
    if (!endpoint_enter_at(endpoint, &connection))
        return false;
    const int fd = atomic_load(&endpoint->fd);
    const uint64_t taken = connection->rx_total, given = connection->tx_total;
    const uint8_t phase = connection->phase;
    if (connection->local || phase == CONNECTION_CONNECTING)
        handshake_advance(connection, fd);
    const bool moved = connection->rx_total != taken || connection->tx_total != given || connection->phase != phase;
    return !settle_and_leave(endpoint, connection, fd) || moved;
}

void readiness_drive(void)
{
    bool moved = !process_sandboxed;
    for (int round = 0; moved && round < ROUNDS_MOST; round++) {
        moved = false;
        for (int i = 0; i < FEW; i++) {
            uint32_t value = atomic_load_explicit(&few[i], memory_order_relaxed);
            struct endpoint *endpoint = value != 0 ? endpoint_at(value - 1) : NULL;
            if (endpoint != NULL && atomic_load(&endpoint->attention) == FILTER_HANDSHAKE)
                moved = drive_one(endpoint) || moved;
            else if (value != 0)
                (void)atomic_compare_exchange_strong(&few[i], &value, 0);
        }
    }
}
