/*
 * An exec may fail after all that is done here, so nothing is done that the program would notice then: a relayed
 * connection goes on working, and closes in order when the exec closes its descriptors. What another process shares
 * is not relayed: that process may go on serving it, and a relay would read its bytes.
 */
#include "connection/handover.h"

#include <errno.h>

#include "connection/background.h"
#include "connection/connection.h"
#include "connection/endpoint.h"
#include "connection/process.h"
#include "connection/relay.h"
#include "connection/share.h"

/* Whether one of its numbers is to survive the exec. */
static bool survives(const struct endpoint *endpoint)
{
    for (int fd = endpoint_number(endpoint, 0); fd >= 0; fd = endpoint_number(endpoint, fd + 1))
        if (!endpoint_cloexec(fd))
            return true;
    return false;
}

enum decision { NOTHING, RELAY, LEAVE };

/* What becomes of a connection. Locked. */
static enum decision decide(const struct endpoint *endpoint, struct connection *connection)
{
    if (atomic_load(&endpoint->descriptors) == 0)
        return NOTHING;
    if (!share_is_alone(connection))
        return LEAVE;
    return connection->phase != CONNECTION_FAILED || survives(endpoint) ? RELAY : NOTHING;
}

void handover_before_exec(void)
{
    if (atomic_load(&endpoint_count) == 0 || process_is_vfork_child())
        return;
    const int saved = errno;
    endpoint_begin_exec();
    for (uint32_t i = 0; i < endpoint_limit(); i++) {
        struct endpoint *endpoint = endpoint_at(i);
        struct connection *connection;
        if (endpoint == NULL || !endpoint_enter_at(endpoint, &connection))
            continue;
        const enum decision decision = decide(endpoint, connection);
        const int fd = atomic_load(&endpoint->fd);
        if (decision == LEAVE) {
            if (survives(endpoint))
                connection_report_left(connection);
            (void)share_release(connection);
        }
        endpoint_leave(connection);
        /* Without a relay the exec closes the socket, and the peer sees a stream that ends without FINAL. */
        if (decision == RELAY)
            (void)relay_start(fd);
    }
    background_finish();
    errno = saved;
}

void handover_after_failure(void)
{
    if (!process_is_vfork_child())
        endpoint_end_exec();
    if (atomic_load(&endpoint_count) == 0 || process_is_vfork_child())
        return;
    const int saved = errno;
    for (uint32_t i = 0; i < endpoint_limit(); i++) {
        struct endpoint *endpoint = endpoint_at(i);
        struct connection *connection;
        if (endpoint == NULL || !endpoint_enter_at(endpoint, &connection))
            continue;
        if (atomic_load(&endpoint->descriptors) > 0 && connection->home != NULL)
            share_rejoin(connection);
        endpoint_leave(connection);
    }
    errno = saved;
}
