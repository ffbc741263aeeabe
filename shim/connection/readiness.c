/*
 * Both directions of the question go through the connection's phase. Nothing here waits.
 */
#include "connection/readiness.h"

#include <poll.h>

enum { READABLE = POLLIN | POLLRDNORM, ALWAYS = POLLERR | POLLHUP | POLLNVAL };

static bool is_held_back(const struct connection *connection)
{
    return handshake_is_under_way(connection) && !connection->queueing;
}

/* Locks it and takes the handshake as far as it goes. NULL: not sealed (any more). */
static struct connection *enter_and_advance(int fd)
{
    struct endpoint *endpoint;
    struct connection *connection;
    if (!endpoint_is_sealed(fd) || endpoint_enter(fd, &endpoint, &connection) != ENDPOINT_ENTERED)
        return NULL;
    handshake_advance(connection, fd);
    if (connection->phase != CONNECTION_NONE)
        return connection;
    endpoint_abandon(endpoint, connection);
    return NULL;
}

short readiness_ask(int fd, short events, uint64_t *until_ms)
{
    struct connection *connection = enter_and_advance(fd);
    if (connection == NULL)
        return events;
    if (is_held_back(connection)) {
        const uint64_t until =
            connection->deadline_ms < connection->queue_at_ms ? connection->deadline_ms : connection->queue_at_ms;
        if (until < *until_ms)
            *until_ms = until;
        events = (short)connection->wants;
    }
    endpoint_leave(connection);
    return events;
}

short readiness_answer(int fd, short events, short revents)
{
    const short asked = (short)(events | ALWAYS);
    if (revents == 0)
        return 0;
    struct endpoint *endpoint;
    struct connection *connection;
    if (!endpoint_is_sealed(fd) || endpoint_enter(fd, &endpoint, &connection) != ENDPOINT_ENTERED)
        return (short)(revents & asked);
    const bool was_held_back = is_held_back(connection);
    if (handshake_is_under_way(connection))
        handshake_advance(connection, fd);
    if (connection->phase == CONNECTION_NONE) {
        endpoint_abandon(endpoint, connection);
        return 0;
    }
    if (was_held_back)
        revents = 0; /* the kernel was asked something else: ask anew */
    else if ((revents & READABLE) != 0 && connection->phase == CONNECTION_OPEN &&
             !atomic_load(&connection->nonblocking) && !receive_ahead(connection, fd))
        revents = (short)(revents & ~READABLE);
    endpoint_leave(connection);
    return (short)(revents & asked);
}
