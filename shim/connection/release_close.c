/*
 * What closing a number (fd/close.h) is for a sealed one, and for a hidden one that dup2(2) replaces. release.c
 * ends the connection if it was its last number.
 */
#include "connection/release.h"

#include <errno.h>

#include "base/transport.h"
#include "connection/background.h"
#include "connection/holders.h"
#include "connection/release_internal.h"
#include "fd/own.h"

/*
 * As release_number(), while this thread has the lock already: a signal handler closes a number that the
 * interrupted call is using, or that a call had used before siglongjmp(3) left it. A hidden duplicate keeps the
 * connection, and the background thread continues with it when the lock is free.
 */
static bool release_unlocked(int fd, uint32_t generation, bool is_replaced)
{
    struct endpoint *endpoint = endpoint_of(fd);
    if (endpoint == NULL)
        return false;
    int hidden = fd_reserve_duplicate(fd, OWN_FIRST);
    const int left = endpoint_remove(endpoint, fd, generation);
    if (left != 0) {
        if (hidden >= 0)
            fd_unreserve(hidden, true);
        return left > 0;
    }
    if (hidden < 0 && !is_replaced)
        hidden = fd;
    atomic_store(&endpoint->fd, hidden);
    if (hidden >= 0)
        endpoint_hide(endpoint, hidden);
    background_add_closed(endpoint, false, false);
    return true;
}

/*
 * The program wants a hidden number: the endpoint that has it gets another hidden number, if one is free. Returns
 * whether the number is closing now.
 */
static bool move_hidden(int fd, uint32_t generation)
{
    struct endpoint *endpoint = endpoint_of(fd);
    struct connection *connection;
    if (endpoint == NULL)
        ENDPOINT_RAISE(make_way, fd);
    if (endpoint == NULL || !endpoint_enter_at(endpoint, &connection))
        return false;
    bool is_closing = fd_is_hidden(fd) && atomic_load(&endpoint->fd) == fd;
    if (is_closing) {
        const int moved = fd_reserve_duplicate(fd, OWN_FIRST);
        is_closing = fd_unhide(fd, generation);
        atomic_store(&endpoint->fd, moved);
        if (moved >= 0)
            endpoint_hide(endpoint, moved);
    }
    endpoint_leave(connection);
    return is_closing;
}

bool release_number(int fd, uint32_t generation, bool is_replaced)
{
    struct endpoint *endpoint;
    struct connection *connection;
    if (fd_is_hidden(fd))
        return is_replaced && move_hidden(fd, generation);
    for (;;) {
        const int entered = endpoint_enter(fd, &endpoint, &connection);
        if (entered < 0 && entered != -EBADF)
            return release_unlocked(fd, generation, is_replaced);
        if (entered != ENDPOINT_ENTERED)
            return false;
        transport_call = TRANSPORT_PLAIN;
        const bool may_wait = !atomic_load(&connection->nonblocking);
        const int left = endpoint_remove(endpoint, fd, generation);
        if (left == 0) {
            const enum release_left rest = release_last_number(endpoint, connection, fd, is_replaced);
            if (rest != RELEASE_NOTHING)
                background_add_closed(endpoint, may_wait, rest == RELEASE_SENT);
            return true;
        }
        if (left > 0)
            ENDPOINT_RAISE(number_closing, endpoint, fd);
        endpoint_leave(connection);
        if (left > 0)
            return true;
    }
}

void release_closed(int fd)
{
    struct endpoint *endpoint;
    struct connection *connection;
    if (!fd_is_sealed(fd) || endpoint_enter(fd, &endpoint, &connection) != ENDPOINT_ENTERED)
        return;
    const uint32_t generation = fd_next_generation();
    const bool is_gone = !endpoint_has_socket(endpoint, fd);
    if (is_gone && endpoint_remove(endpoint, fd, generation) == 0) {
        connection_fail(connection, -1, ECONNRESET, "another thread closed it while it was being connected");
        (void)holders_release(connection);
        endpoint_free(endpoint, connection);
    } else {
        endpoint_leave(connection);
    }
    if (is_gone)
        fd_vacate(fd, generation);
}
