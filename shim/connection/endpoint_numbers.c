/*
 * The descriptor numbers of an endpoint: how one is added, hidden and removed, and how all of them become foreign.
 * This file changes words of the table (fd/table.h). It closes no number.
 */
#include "connection/endpoint.h"

#include <errno.h>
#include <fcntl.h>

#include "base/process.h"
#include "base/raw_syscall.h"
#include "base/signals.h"
#include "connection/endpoint_internal.h"
#include "connection/holders.h"

void endpoint_dropped(int fd, uint64_t word)
{
    struct endpoint *endpoint =
        (word & (FD_WORD_CLOSING | FD_WORD_HIDDEN | FD_WORD_FOREIGN)) == 0 ? endpoint_of_word(word) : NULL;
    if (endpoint == NULL || atomic_load(&endpoint->generation) != fd_word_id(word))
        return;
    if (atomic_fetch_sub(&endpoint->descriptors, 1) > 1)
        atomic_store(&endpoint->fd, endpoint_number(endpoint, 0));
    else if (atomic_load(&endpoint->fd) == fd)
        atomic_store(&endpoint->fd, -1);
}

void endpoint_note_socket(struct endpoint *endpoint)
{
    endpoint->identity = process_sandboxed ? 0 : fd_socket_identity(atomic_load(&endpoint->fd));
}

bool endpoint_note_registered(struct endpoint *endpoint, int fd)
{
    return process_sandboxed || fd_identify_socket(fd, &endpoint->identity);
}

void endpoint_add(struct endpoint *endpoint, int copy, bool cloexec)
{
    atomic_fetch_add(&endpoint->descriptors, 1);
    fd_dropped(copy, fd_table_put(copy, endpoint_word(endpoint, cloexec)));
}

bool endpoint_has_socket(const struct endpoint *endpoint, int fd)
{
    return process_sandboxed || fd_may_be_socket(fd, endpoint->identity);
}

bool endpoint_add_noted(struct endpoint *endpoint, int copy, uint64_t word)
{
    if (!endpoint_has_socket(endpoint, copy) || !fd_table_exchange(copy, word, endpoint_word(endpoint, true)))
        return false; /* or another thread is closing or replacing it */
    fd_dropped(copy, word);
    atomic_fetch_add(&endpoint->descriptors, 1);
    const long flags = raw_syscall(RAW_FCNTL, copy, F_GETFD, 0);
    (void)raw_syscall(RAW_FCNTL, copy, F_SETFD, FD_CLOEXEC);
    (void)fd_set_cloexec(copy, flags < 0 || (flags & FD_CLOEXEC) != 0);
    return true;
}

int endpoint_remove(struct endpoint *endpoint, int fd, uint32_t generation)
{
    if (!fd_table_exchange(fd, endpoint_word(endpoint, false), fd_word_closing(generation)))
        return -1; /* number_dropped() has counted it */
    int left = atomic_fetch_sub(&endpoint->descriptors, 1) - 1;
    if (left > 0 && atomic_load(&endpoint->fd) == fd)
        atomic_store(&endpoint->fd, endpoint_number(endpoint, 0));
    return left;
}

void endpoint_retire(struct endpoint *endpoint)
{
    for (int fd = endpoint_number(endpoint, 0); fd >= 0; fd = endpoint_number(endpoint, fd + 1))
        (void)fd_table_put(fd, FD_WORD_HIDDEN);
    atomic_store(&endpoint->descriptors, 0);
}

/* Whether the kernel confirms that the socket is not connected. Any other error confirms nothing. */
static bool is_unconnected(int fd)
{
    struct sockaddr_in6 peer;
    socklen_t length = sizeof peer;
    return raw_syscall(SYS_getpeername, fd, &peer, &length) == -ENOTCONN;
}

void endpoint_abandon(struct endpoint *endpoint, struct connection *connection)
{
    const uint32_t generation = fd_next_generation();
    const int last = atomic_load(&endpoint->fd);
    if (connection_rule(connection)->seal == POLICY_SEAL_REQUIRE) {
        if (connection_is_dialled(connection) || !is_unconnected(last)) {
            connection_fail(connection, last, ECONNRESET, "it cannot be sealed, and must not be plain");
            endpoint_leave(connection);
            return;
        }
        if (connection->phase == CONNECTION_NONE) /* other processes ask the kernel about their own descriptors */
            connection->phase = CONNECTION_CONNECTING;
        (void)holders_release(connection);
    }
    /* If the socket is connected again, its other numbers have to be found. */
    const bool is_noted = atomic_load(&endpoint->descriptors) > 1 || endpoint->streamed;
    const uint64_t word = fd_note_word(is_noted ? fd_socket_id(last) : 0, endpoint->streamed ? FD_WORD_STREAM : 0);
    signals_pin();
    ENDPOINT_RAISE(abandoned, endpoint);
    for (int fd = -1; atomic_load(&endpoint->descriptors) > 0 && (fd = endpoint_number(endpoint, fd + 1)) >= 0;) {
        if (!fd_cloexec(fd))
            (void)raw_syscall(RAW_FCNTL, fd, F_SETFD, 0);
        (void)endpoint_remove(endpoint, fd, generation);
        fd_vacate_as(fd, generation, word);
    }
    endpoint_free(endpoint, connection);
    signals_unpin();
}

int endpoint_drop_mismatched(struct endpoint *endpoint)
{
    const uint32_t generation = fd_next_generation();
    int left = atomic_load(&endpoint->descriptors);
    if (endpoint->kept > 0)
        return left;
    for (int fd = endpoint_number(endpoint, 0); fd >= 0 && left > 0; fd = endpoint_number(endpoint, fd + 1))
        if (!endpoint_has_socket(endpoint, fd)) {
            (void)endpoint_remove(endpoint, fd, generation);
            fd_vacate(fd, generation);
            left = atomic_load(&endpoint->descriptors);
        }
    return left;
}

void endpoint_hide(struct endpoint *endpoint, int hidden)
{
    const uint64_t word = endpoint_word(endpoint, true) | FD_WORD_HIDDEN;
    atomic_store(&endpoint->fd, hidden);
    if (fd_table_put(hidden, word) == FD_WORD_HIDDEN)
        atomic_fetch_sub(&fd_reserved, 1);
    endpoint_set_filter(endpoint, FILTER_NONE);
}
