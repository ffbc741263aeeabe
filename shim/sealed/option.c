/*
 * The options that a sealed connection honours itself, since the kernel's answer would be wrong: the error of a
 * handshake, the low-water mark, and a cork during a handshake.
 */
#include "sealed/operations.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "base/libc.h"
#include "connection/endpoint.h"

/* The error of a handshake. It is reported once (SO_ERROR, socket(7)). 0: there is none, and the kernel decides. */
static int take_error(int fd)
{
    struct endpoint *endpoint;
    struct connection *connection;
    int error = 0;
    if (endpoint_enter(fd, &endpoint, &connection) != ENDPOINT_ENTERED)
        return 0;
    handshake_advance(connection, fd);
    if (connection->phase == CONNECTION_NONE) {
        endpoint_abandon(endpoint, connection);
        return 0;
    }
    if (connection->phase == CONNECTION_FAILED && !connection->reported_error) {
        connection->reported_error = true;
        error = connection->initiator && !connection->confirmed ? ECONNREFUSED : connection->error;
    }
    endpoint_leave(connection);
    return error;
}

/*
 * With SO_RCVLOWAT the kernel would not report a single byte, but the shim leaves one byte in the socket to show
 * that plaintext is left (connection/receive.c). So the kernel never gets the option; a blocking read still waits
 * for that many bytes. `set`: the program's value, or NULL to get it. Returns the value; 0: not sealed.
 */
static int low_water(int fd, const int *set)
{
    struct endpoint *endpoint;
    struct connection *connection;
    if (endpoint_enter(fd, &endpoint, &connection) != ENDPOINT_ENTERED)
        return 0;
    if (set != NULL)
        connection->low_water = *set < 0 ? INT_MAX : *set;
    const int value = connection->low_water > 0 ? connection->low_water : 1;
    endpoint_leave(connection);
    return value;
}

/* If a handshake is under way, TCP_CORK is set when it is complete. Returns whether that is so. */
static bool defer_cork(int fd, const void *value, socklen_t length)
{
    struct endpoint *endpoint;
    struct connection *connection;
    if (length < sizeof(int) || endpoint_enter(fd, &endpoint, &connection) != ENDPOINT_ENTERED)
        return false;
    const bool deferred = handshake_is_under_way(connection);
    if (deferred)
        connection->cork_later = *(const int *)value != 0;
    endpoint_leave(connection);
    return deferred;
}

int sealed_get_option(int fd, int level, int option, void *value, socklen_t *length)
{
    if (level != SOL_SOCKET || (option != SO_RCVLOWAT && option != SO_ERROR))
        return FD_FOREIGN;
    const int saved = errno;
    const int error = option == SO_ERROR ? take_error(fd) : 0;
    const int result = real_libc()->getsockopt(fd, level, option, value, length);
    if (result != 0)
        return result;
    const int number = option == SO_ERROR ? error : low_water(fd, NULL);
    if (number != 0)
        memcpy(value, &number, *length < sizeof number ? *length : sizeof number);
    errno = saved;
    return 0;
}

/* The program disables Nagle's algorithm: then the first send need not (connection/send.c). */
static void note_no_delay(int fd, const void *value, socklen_t length)
{
    struct endpoint *endpoint;
    struct connection *connection;
    if (length < sizeof(int) || *(const int *)value == 0 ||
        endpoint_enter(fd, &endpoint, &connection) != ENDPOINT_ENTERED)
        return;
    connection->only_confirm_sent = false;
    endpoint_leave(connection);
}

int sealed_set_option(int fd, int level, int option, const void *value, socklen_t length)
{
    const bool is_done = level == SOL_SOCKET && option == SO_RCVLOWAT
                             ? length >= sizeof(int) && low_water(fd, value) != 0
                             : level == IPPROTO_TCP && option == TCP_CORK && defer_cork(fd, value, length);
    if (level == IPPROTO_TCP && option == TCP_NODELAY)
        note_no_delay(fd, value, length);
    return is_done ? 0 : FD_FOREIGN;
}
