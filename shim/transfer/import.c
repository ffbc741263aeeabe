/*
 * Runs before main() and after recvmsg(2). Any program can make a socket that looks like a handoff socket, so
 * everything in it is checked. The segment must be a memory file that cannot shrink (base/memory.h), and its
 * content is checked in every call (connection_fetch()).
 */
#include "transfer/import.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/fork_lock.h"
#include "base/raw_syscall.h"
#include "base/socket_cookie.h"
#include "connection/background.h"
#include "connection/connection.h"
#include "connection/endpoint.h"
#include "connection/holders.h"
#include "transfer/handoff.h"
#include "transfer/segment.h"

/* Locks the connection of this process that has this socket. False: there is none. */
static bool enter_by_socket(int socket, struct endpoint **endpoint, struct connection **connection)
{
    const uint64_t cookie = socket_cookie(socket, SO_COOKIE);
    for (int fd = fd_next(0); cookie != 0 && fd >= 0; fd = fd_next((unsigned)fd + 1))
        if (socket_cookie(fd, SO_COOKIE) == cookie &&
            endpoint_enter(fd, endpoint, connection) == ENDPOINT_ENTERED) {
            if ((*endpoint)->identity ==
                cookie) /* checked under the lock, since another thread may close the number */
                return true;
            endpoint_leave(*connection);
        }
    return false;
}

/* Makes `fd` a descriptor of the socket. Returns whether it worked. */
static bool put(int socket, int fd)
{
    if (socket == fd)
        return raw_syscall(RAW_FCNTL, fd, F_SETFD, FD_CLOEXEC) == 0;
    return raw_syscall(SYS_dup3, socket, fd, O_CLOEXEC) >= 0;
}

bool import_join(int fd, int socket, bool cloexec)
{
    struct endpoint *endpoint;
    struct connection *connection;
    process_block_forks();
    bool joined = enter_by_socket(socket, &endpoint, &connection);
    if (joined) {
        joined = put(socket, fd);
        if (joined)
            endpoint_add(endpoint, fd, cloexec);
        endpoint_leave(connection);
    }
    process_unblock_forks();
    return joined;
}

/* `fd` becomes this process's first number of the connection. Returns NULL, or why it failed. */
static const char *open_first(int fd, const struct handoff *handoff, bool cloexec)
{
    struct endpoint *endpoint;
    struct connection *connection;
    struct segment *segment = segment_join(handoff->memory, handoff->at);
    if (segment == NULL)
        return connection_lost_reasons[CONNECTION_LOST_SEGMENT];
    segment_hold(segment);
    const int error = endpoint_open_at(fd, handoff->rule, segment, segment_slot_at(segment, handoff->at), cloexec,
                                       &endpoint, &connection);
    if (error != 0) {
        segment_leave(segment);
        if (error == -ESTALE) /* the policy was replaced just now */
            return connection_lost_reasons[CONNECTION_LOST_POLICY];
        return connection_lost_reasons[CONNECTION_LOST_MEMORY];
    }
    if (!put(handoff->socket, fd)) {
        const uint32_t generation = fd_next_generation();
        (void)endpoint_remove(endpoint, fd, generation);
        fd_vacate(fd, generation);
        endpoint_free(endpoint, connection);
        return connection_lost_reasons[CONNECTION_LOST_DESCRIPTOR];
    }
    endpoint_note_socket(endpoint);
    holders_open_handoff(connection, handoff->name);
    endpoint_update(fd, connection);
    const bool unfinished = connection_is_unfinished(connection);
    endpoint_leave(connection);
    if (unfinished)
        background_add(endpoint);
    return NULL;
}

/*
 * If this process already has the connection: the handoff socket is no longer a holder. False: it does not have it.
 */
static bool open_again(int fd, const struct handoff *handoff, bool cloexec)
{
    struct endpoint *endpoint;
    struct connection *connection;
    if (!import_join(fd, handoff->socket, cloexec) ||
        endpoint_enter(fd, &endpoint, &connection) != ENDPOINT_ENTERED)
        return false;
    holders_drop_handoff(connection, handoff->name);
    endpoint_leave(connection);
    return true;
}

/* The number becomes sealed, and all its calls fail, so the program gets no byte of whatever is there. */
static void lose(int fd, bool cloexec, const char *problem)
{
    struct endpoint *endpoint;
    struct connection *connection;
    connection_report_lost(problem);
    if (endpoint_open(fd, NULL, false, false, cloexec, &endpoint, &connection) != 0) {
        (void)raw_syscall(SYS_shutdown, fd, SHUT_RDWR);
        return;
    }
    (void)raw_syscall(RAW_FCNTL, fd, F_SETFD, FD_CLOEXEC);
    connection_lose(connection);
    endpoint_leave(connection);
}

bool import_take(int fd)
{
    struct handoff handoff;
    if (!handoff_is(fd))
        return false;
    process_block_forks();
    const bool cloexec = (raw_syscall(RAW_FCNTL, fd, F_GETFD, 0) & FD_CLOEXEC) != 0;
    const char *problem = handoff_open(fd, &handoff);
    if (problem == NULL) {
        if (!open_again(fd, &handoff, cloexec))
            problem = open_first(fd, &handoff, cloexec);
        (void)raw_syscall(SYS_close, handoff.socket);
        (void)raw_syscall(SYS_close, handoff.memory);
    }
    if (problem != NULL)
        lose(fd, cloexec, problem);
    process_unblock_forks();
    return true;
}
