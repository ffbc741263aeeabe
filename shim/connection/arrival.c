/*
 * Runs before main() and behind recvmsg(2). What arrives may have been made by somebody else, so that nothing in it
 * is believed before it has been checked: the memory can neither shrink nor be anything but memory, and what is in
 * it is checked at every call (connection_fetch()).
 */
#include "connection/arrival.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "connection/background.h"
#include "connection/connection.h"
#include "connection/endpoint.h"
#include "connection/parcel.h"
#include "connection/region.h"
#include "connection/share.h"
#include "real/cookie.h"
#include "real/kernel.h"

/* Enters the connection of this process that has this socket. */
static bool enter_by_socket(int socket, struct endpoint **endpoint, struct connection **connection)
{
    const uint64_t cookie = socket_cookie(socket, SO_COOKIE);
    for (int fd = endpoint_next(0); cookie != 0 && fd >= 0; fd = endpoint_next((unsigned)fd + 1))
        if (socket_cookie(fd, SO_COOKIE) == cookie &&
            endpoint_enter(fd, endpoint, connection) == ENDPOINT_ENTERED) {
            if ((*endpoint)->cookie == cookie) /* still: the number may have been closed, and be another's */
                return true;
            endpoint_leave(*connection);
        }
    return false;
}

/* `fd` becomes the socket. Returns whether it did. */
static bool put(int socket, int fd)
{
    if (socket == fd)
        return KERNEL_3(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC) == 0;
    return KERNEL_3(SYS_dup3, socket, fd, O_CLOEXEC) >= 0;
}

bool arrival_join(int fd, int socket, bool cloexec)
{
    struct endpoint *endpoint;
    struct connection *connection;
    if (!enter_by_socket(socket, &endpoint, &connection))
        return false;
    const bool joined = put(socket, fd);
    if (joined)
        endpoint_add(endpoint, fd, cloexec);
    endpoint_leave(connection);
    return joined;
}

/* The first number of the connection here. Returns NULL, or why not. */
static const char *open_first(int fd, const struct parcel *parcel, bool cloexec)
{
    struct endpoint *endpoint;
    struct connection *connection;
    struct region *region = region_join(parcel->memory, parcel->at);
    if (region == NULL)
        return "no memory or descriptor is left for a sealed connection that was passed on";
    region_hold(region);
    connection = endpoint_open_at(fd, region, region_home(region, parcel->at), cloexec, &endpoint);
    if (connection == NULL) {
        region_leave(region);
        return "no memory is left for a sealed connection that was passed on";
    }
    if (!put(parcel->socket, fd)) {
        const uint32_t generation = endpoint_next_generation();
        (void)endpoint_remove(endpoint, fd, generation);
        endpoint_vacate(fd, generation);
        endpoint_free(endpoint, connection);
        return "a sealed connection that was passed on has lost its descriptor";
    }
    endpoint_note_socket(endpoint);
    share_join_by_parcel(connection, parcel->name);
    endpoint_settle(fd, connection);
    const bool unfinished = connection_is_unfinished(connection);
    endpoint_leave(connection);
    if (unfinished)
        background_add(endpoint);
    return NULL;
}

/* This process has the connection already, so that the parcel is not one more holder. */
static bool open_again(int fd, const struct parcel *parcel, bool cloexec)
{
    struct endpoint *endpoint;
    struct connection *connection;
    if (!arrival_join(fd, parcel->socket, cloexec) ||
        endpoint_enter(fd, &endpoint, &connection) != ENDPOINT_ENTERED)
        return false;
    share_without_parcel(connection, parcel->name);
    endpoint_leave(connection);
    return true;
}

/* A number that can never be the connection's: no byte of what is there is to pass for the program's. */
static void lose(int fd, bool cloexec, const char *problem)
{
    struct endpoint *endpoint;
    connection_report_lost(problem);
    struct connection *connection = endpoint_open(fd, 0, false, false, cloexec, &endpoint);
    if (connection == NULL) {
        (void)KERNEL_2(SYS_shutdown, fd, SHUT_RDWR);
        return;
    }
    (void)KERNEL_3(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC);
    connection_lose(connection);
    endpoint_leave(connection);
}

bool arrival_take(int fd)
{
    struct parcel parcel;
    if (!parcel_is(fd))
        return false;
    const bool cloexec = (KERNEL_3(SYS_fcntl, fd, F_GETFD, 0) & FD_CLOEXEC) != 0;
    const char *problem = parcel_open(fd, &parcel);
    if (problem == NULL) {
        if (!open_again(fd, &parcel, cloexec))
            problem = open_first(fd, &parcel, cloexec);
        (void)KERNEL_1(SYS_close, parcel.socket);
        (void)KERNEL_1(SYS_close, parcel.memory);
    }
    if (problem != NULL)
        lose(fd, cloexec, problem);
    return true;
}
