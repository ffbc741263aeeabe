/*
 * getsockopt and setsockopt, where the kernel's result would be wrong for the program: the error of a handshake,
 * and options that would make the kernel send unsealed bytes, or hide bytes from the shim. Also options of relayed
 * descriptors.
 */
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "base/address_check.h"
#include "base/interposed.h"
#include "base/libc.h"
#include "base/raw_syscall.h"
#include "base/socket_kind.h"
#include "config/init.h"
#include "connection/endpoint.h"
#include "socket/address.h"
#include "socket/unconnected.h"

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

PFSWRAP_EXPORT int getsockopt(int fd, int level, int option, void *value, socklen_t *length)
{
    if (__builtin_expect(level == SOL_SOCKET && option == SO_RCVLOWAT, false) && fd_is_sealed(fd)) {
        int result = real_libc()->getsockopt(fd, level, option, value, length);
        const int mark = result == 0 ? low_water(fd, NULL) : 0;
        if (mark != 0)
            memcpy(value, &mark, *length < sizeof mark ? *length : sizeof mark);
        return result;
    }
    if (__builtin_expect(level == SOL_SOCKET && option == SO_ERROR, false) && fd_is_sealed(fd)) {
        int saved = errno;
        int error = take_error(fd);
        int result = real_libc()->getsockopt(fd, level, option, value, length);
        if (result == 0 && error != 0)
            memcpy(value, &error, *length < sizeof error ? *length : sizeof error);
        if (result == 0)
            errno = saved;
        return result;
    }
    const int saved = errno;
    int result = real_libc()->getsockopt(fd, level, option, value, length);
    if (result != 0 && errno == EOPNOTSUPP && address_option_refused(fd, level, option, value, length)) {
        errno = saved;
        return 0;
    }
    if (result == 0 && level == SOL_SOCKET && (option == SO_DOMAIN || option == SO_PROTOCOL))
        address_option_answered(fd, option, value, *length);
    return result;
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

/* Whether this is a TCP socket without a connection, which may become a sealed one. */
static bool is_undecided(int fd)
{
    struct sockaddr_storage peer;
    socklen_t length = sizeof peer;
    return socket_may_be_tcp(fd) && raw_syscall(SYS_getpeername, fd, &peer, &length) != 0;
}

enum verdict {
    PASS,   /* make the real call */
    IGNORE, /* return success, and do nothing */
    REFUSE, /* EOPNOTSUPP: programs continue without the option */
};

static enum verdict decide(int fd, int level, int option, const void *value, socklen_t length)
{
    const bool sealed = fd_is_sealed(fd);
    if (address_is_bad(value))
        return PASS; /* the kernel refuses */
    if (level == SOL_SOCKET && option == SO_RCVLOWAT)
        return sealed && length >= sizeof(int) && low_water(fd, value) != 0 ? IGNORE : PASS;
    if (level == SOL_SOCKET && option == SO_ZEROCOPY) /* the kernel would report about buffers that it never gets */
        return sealed || is_undecided(fd) ? REFUSE : PASS;
    if (level == SOL_SOCKET && option == SO_SNDBUF) /* a relay needs the size that it has set (transfer/relay.c) */
        return address_is_relayed(fd) ? IGNORE : PASS;
    if (level != IPPROTO_TCP)
        return PASS;
    switch (option) {
    case TCP_FASTOPEN_CONNECT: /* the connection would begin with the program's first bytes, not with the handshake
                                */
        return is_undecided(fd) ? IGNORE : PASS;
    case TCP_CORK:
        return sealed && defer_cork(fd, value, length) ? IGNORE : PASS;
    case TCP_ULP: /* with kernel TLS, the kernel would write records */
        return sealed ? REFUSE : PASS;
    case TCP_REPAIR:
        return sealed && length >= sizeof(int) && *(const int *)value == 1 ? REFUSE : PASS;
    default:
        return PASS;
    }
}

PFSWRAP_EXPORT int setsockopt(int fd, int level, int option, const void *value, socklen_t length)
{
    if (pfswrap_seals())
        switch (decide(fd, level, option, value, length)) {
        case PASS:
            break;
        case IGNORE:
            return 0;
        case REFUSE:
            errno = EOPNOTSUPP;
            return -1;
        }
    const int saved = errno;
    int result = real_libc()->setsockopt(fd, level, option, value, length);
    if (result != 0 && errno == EOPNOTSUPP && address_option_refused(fd, level, option, NULL, NULL)) {
        errno = saved;
        return 0;
    }
    return result;
}
