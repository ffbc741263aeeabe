/*
 * Before a system call filter is installed (socket/sandbox.c): behind one that forbids calls of normal operation,
 * no handshake could be completed, and no thread could continue.
 */
#include "sealed/operations.h"

#include <poll.h>

#include "base/raw_syscall.h"
#include "config/agent.h"
#include "config/init.h"
#include "connection/background.h"
#include "connection/connection.h"
#include "connection/endpoint.h"

enum { POLL_MAX = 64, SLICE_MS = 20 };

/*
 * Advances every handshake. Returns how many are still under way; `polls` has the events that the first POLL_MAX
 * need.
 */
static nfds_t advance_all(struct pollfd polls[POLL_MAX])
{
    nfds_t left = 0;
    struct connection *connection;
    for (struct endpoint *endpoint = NULL; (endpoint = endpoint_enter_next(endpoint, &connection)) != NULL;) {
        const int fd = atomic_load(&endpoint->fd);
        handshake_advance(connection, fd);
        if (connection->phase == CONNECTION_NONE) {
            endpoint_abandon(endpoint, connection);
            continue;
        }
        if (handshake_is_under_way(connection)) {
            if (left < POLL_MAX)
                polls[left] = (struct pollfd){.fd = fd, .events = (short)connection->wants};
            left++;
        }
        endpoint_leave(connection);
    }
    return left;
}

/* Each handshake has a deadline, so the loop ends. The slices are for handshakes after the first POLL_MAX. */
static void complete_handshakes(void)
{
    struct pollfd polls[POLL_MAX];
    if (!pfswrap_seals() || atomic_load(&endpoint_count) == 0)
        return;
    for (nfds_t left = advance_all(polls); left > 0; left = advance_all(polls)) {
        struct timespec slice = {.tv_nsec = SLICE_MS * 1000000L};
        (void)raw_syscall(SYS_ppoll, polls, left < POLL_MAX ? left : POLL_MAX, &slice, NULL, 0);
    }
    int32_t buffer; /* maps memory for buffers now, since the filter may forbid mmap(2) */
    if (connection_borrow(&buffer) != NULL)
        connection_return(buffer);
}

void sealed_before_filter(bool sandboxes, bool stops_threads)
{
    if (sandboxes) {
        complete_handshakes();
        agent_start(pfswrap_policy()); /* the filter may forbid to connect */
    }
    background_stop();
    if (stops_threads)
        background_finish();
}

void sealed_after_filter(void)
{
    background_resume();
}
