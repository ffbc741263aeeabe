/*
 * Events of sealed descriptors (readiness.h): which events to ask the kernel for, which of its events the program
 * gets, and what has to happen without an event. All three depend on the connection's phase.
 */
#include "readiness/readiness.h"

#include <poll.h>

#include "base/process.h"
#include "base/transport.h"
#include "connection/receive.h"
#include "connection/send.h"
#include "fd/events.h"

enum {
    READABLE = POLLIN | POLLRDNORM,
    WRITABLE = POLLOUT | POLLWRNORM,
    ALWAYS = POLLERR | POLLHUP | POLLNVAL,
};

bool readiness_concerns(int fd)
{
    process_check();
    const struct endpoint *endpoint = endpoint_of(fd);
    return endpoint != NULL && atomic_load(&endpoint->filter) != FILTER_NONE;
}

/* Locks the connection and continues its handshake as far as possible. NULL: not sealed, or not any more. */
static struct connection *enter_and_advance(int fd)
{
    struct endpoint *endpoint;
    struct connection *connection;
    if (endpoint_enter(fd, &endpoint, &connection) != ENDPOINT_ENTERED)
        return NULL;
    handshake_advance(connection, fd);
    if (connection->phase != CONNECTION_NONE) {
        if (!handshake_is_under_way(connection) && atomic_load(&endpoint->filter) == FILTER_HANDSHAKE)
            endpoint_update(fd, connection); /* another process has completed it */
        return connection;
    }
    endpoint_abandon(endpoint, connection);
    return NULL;
}

/* The events that the program may get before the handshake is complete. */
static short events_before_open(const struct connection *connection)
{
    return (short)((handshake_buffers_sends(connection) ? WRITABLE : 0) |
                   (connection->read_shut ? READABLE | POLLRDHUP : 0));
}

static bool is_open(int fd)
{
    const struct endpoint *endpoint = endpoint_of(fd);
    return endpoint != NULL && atomic_load(&endpoint->filter) == FILTER_OPEN;
}

short readiness_ask(int fd, short events, bool *held_back)
{
    struct connection *connection = is_open(fd) ? NULL : enter_and_advance(fd);
    if (connection == NULL)
        return events;
    if (handshake_is_under_way(connection)) {
        events = (short)((events & events_before_open(connection)) | connection->wants);
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
    /* A filter may allow only the program's own calls. There is no way to ask with those without waiting. */
    if (transport_receive_waits() && atomic_load(&connection->nonblocking))
        return 0;
    if ((events & READABLE) != 0 && !receive_ahead(connection, fd))
        spurious |= READABLE;
    if ((events & WRITABLE) != 0 && !transport_send_waits() && send_flush(connection, fd) == 0)
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
        revents = (short)(revents & events_before_open(connection));
    else if (was_under_way)
        revents = 0; /* the kernel was asked for other events, so the caller asks again */
    else
        revents = (short)((uint16_t)revents & ~readiness_spurious(connection, fd, (uint16_t)revents));
    endpoint_leave(connection);
    return (short)(revents & asked);
}

/* --- times at which something is due --- */

/* When something is due for a connection; UINT64_MAX: never. TCP's own handshake has the kernel's timeout. */
static uint64_t due_ms(const struct connection *connection)
{
    if (!handshake_is_under_way(connection) || connection->phase == CONNECTION_CONNECTING)
        return UINT64_MAX;
    if (connection->phase == CONNECTION_HANDSHAKE && !connection->buffering &&
        connection->buffer_at_ms < connection->deadline_ms)
        return connection->buffer_at_ms;
    return connection->deadline_ms;
}

void readiness_schedule(const struct connection *connection)
{
    events_schedule(due_ms(connection));
}

/*
 * Completes a change of phase that handshake_advance() or another process has made. Called locked; unlocked on
 * return. False: the connection is not sealed, and its endpoint is free.
 */
static bool settle_and_leave(struct endpoint *endpoint, struct connection *connection, int fd)
{
    if (connection->phase == CONNECTION_NONE) {
        endpoint_abandon(endpoint, connection);
        return false;
    }
    if (!handshake_is_under_way(connection) && atomic_load(&endpoint->filter) == FILTER_HANDSHAKE)
        endpoint_update(fd, connection); /* another process has completed it */
    endpoint_leave(connection);
    return true;
}

/* Does what is due for one connection. Returns when something is due next; UINT64_MAX: never. */
static uint64_t sweep_one(struct endpoint *endpoint, uint64_t now)
{
    struct connection *connection;
    if (atomic_load(&endpoint->filter) != FILTER_HANDSHAKE || !endpoint_enter_at(endpoint, &connection))
        return UINT64_MAX;
    const int fd = atomic_load(&endpoint->fd); /* after locking: the endpoint may have changed its connection */
    if (due_ms(connection) <= now)
        handshake_advance(connection, fd);
    const uint64_t due = due_ms(connection);
    return settle_and_leave(endpoint, connection, fd) ? due : UINT64_MAX;
}

uint64_t readiness_sweep(uint64_t now)
{
    uint64_t next = UINT64_MAX;
    for (struct endpoint *endpoint = NULL; (endpoint = endpoint_next(endpoint)) != NULL;) {
        const uint64_t due = sweep_one(endpoint, now);
        next = due < next ? due : next;
    }
    return next;
}

/* --- connections with both ends in this process --- */

enum { LOCAL_MAX = 8, ROUNDS_MAX = 8 };

#define LOCAL_INITIATOR 0x80000000U

/* Endpoints in a handshake, perhaps local: index + 1, and LOCAL_INITIATOR; 0: free. */
static _Atomic uint32_t locals[LOCAL_MAX];
static atomic_int locals_count; /* how many of them are not free, or are about to be taken */

static struct endpoint *local_endpoint(uint32_t value)
{
    return value != 0 ? endpoint_at((value & ~LOCAL_INITIATOR) - 1) : NULL;
}

void readiness_note(const struct endpoint *endpoint, bool initiator)
{
    const uint32_t value = (endpoint->index + 1) | (initiator ? LOCAL_INITIATOR : 0);
    for (int i = 0; i < LOCAL_MAX; i++)
        if (atomic_load(&locals[i]) == value)
            return;
    atomic_fetch_add(&locals_count, 1);
    for (int i = 0; i < LOCAL_MAX; i++) {
        uint32_t free = 0;
        if (atomic_compare_exchange_strong(&locals[i], &free, value))
            return;
    }
    atomic_fetch_sub(&locals_count, 1);
}

/* Continues the handshake of one endpoint. Returns whether anything has changed. */
static bool drive_one(struct endpoint *endpoint)
{
    struct connection *connection;
    if (!endpoint_enter_at(endpoint, &connection))
        return false;
    const int fd = atomic_load(&endpoint->fd);
    const uint64_t received = connection->rx_total, sent = connection->tx_total;
    const uint8_t phase = connection->phase;
    if (connection->local || phase == CONNECTION_CONNECTING)
        handshake_advance(connection, fd);
    const bool moved =
        connection->rx_total != received || connection->tx_total != sent || connection->phase != phase;
    return !settle_and_leave(endpoint, connection, fd) || moved;
}

void readiness_drive(void)
{
    bool moved = atomic_load(&locals_count) > 0 && !process_sandboxed;
    for (int round = 0; moved && round < ROUNDS_MAX; round++) {
        moved = false;
        for (int i = 0; i < LOCAL_MAX; i++) {
            uint32_t value = atomic_load(&locals[i]);
            struct endpoint *endpoint = local_endpoint(value);
            if (endpoint != NULL && atomic_load(&endpoint->filter) == FILTER_HANDSHAKE)
                moved = drive_one(endpoint) || moved;
            else if (value != 0 && atomic_compare_exchange_strong(&locals[i], &value, 0))
                atomic_fetch_sub(&locals_count, 1);
        }
    }
}

void readiness_drive_pairs(void)
{
    bool initiators = false, responders = false;
    const bool none = atomic_load(&locals_count) == 0;
    for (int i = 0; i < LOCAL_MAX && !none; i++) {
        uint32_t value = atomic_load(&locals[i]);
        const struct endpoint *endpoint = local_endpoint(value);
        if (endpoint == NULL || atomic_load(&endpoint->filter) != FILTER_HANDSHAKE) {
            if (value != 0 && atomic_compare_exchange_strong(&locals[i], &value, 0))
                atomic_fetch_sub(&locals_count, 1);
            continue;
        }
        initiators = initiators || (value & LOCAL_INITIATOR) != 0;
        responders = responders || (value & LOCAL_INITIATOR) == 0;
    }
    if (initiators && responders)
        readiness_drive();
}

static bool is_same_address(const struct sockaddr_in6 *one, const struct sockaddr_in6 *other)
{
    if (one->sin6_family != other->sin6_family || one->sin6_port != other->sin6_port)
        return false;
    return one->sin6_family == AF_INET ? ((const struct sockaddr_in *)(const void *)one)->sin_addr.s_addr ==
                                             ((const struct sockaddr_in *)(const void *)other)->sin_addr.s_addr
                                       : memcmp(&one->sin6_addr, &other->sin6_addr, sizeof one->sin6_addr) == 0;
}

void readiness_seek_peer(const struct connection *connection, bool *found)
{
    for (int i = 0; i < LOCAL_MAX && connection->local && !*found; i++) {
        const uint32_t value = atomic_load(&locals[i]);
        struct endpoint *endpoint = local_endpoint(value);
        struct connection *other;
        if (endpoint == NULL || atomic_load(&endpoint->filter) == FILTER_NONE ||
            !endpoint_enter_at(endpoint, &other))
            continue;
        *found = other->initiator && is_same_address(&other->self, &connection->peer);
        endpoint_leave(other);
    }
}
