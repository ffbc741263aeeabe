/*
 * getsockopt and setsockopt, where the kernel's result would be wrong for the program: the error of a handshake,
 * and options that would make the kernel send unsealed bytes, hide bytes from the shim, or return encrypted ones.
 * option_list.h has the decision for every option. Also options of relayed descriptors.
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
#include "socket/data_call.h"
#include "socket/option_list.h"
#include "socket/unconnected.h"

/* What is done about an option (option_list.h). */
enum decision { PASS, HONOUR, REFUSE_ON, REFUSE_ONE, REFUSE_OFFSET, REFUSE_ANY, REFUSE_GET, CONTROL };
struct rule {
    enum decision decision;
    int error; /* if it is refused */
};

static struct rule rule_of(int level, int option)
{
#define X(name, number, decision, error)                                                                           \
    case number:                                                                                                   \
        return (struct rule){decision, error};
    /* Many options have the same decision. NOLINTBEGIN(bugprone-branch-clone) */
    switch (level) {
    case SOL_SOCKET:
        switch (option) {
            OPTIONS_SOCKET(X)
        }
        break;
    case IPPROTO_TCP:
        switch (option) {
            OPTIONS_TCP(X)
        }
        break;
    case IPPROTO_IP:
        switch (option) {
            OPTIONS_IP(X)
        }
        break;
    case IPPROTO_IPV6:
        switch (option) {
            OPTIONS_IPV6(X)
        }
        break;
    }
/* NOLINTEND(bugprone-branch-clone) */
#undef X
    return (struct rule){PASS, 0};
}

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

/* Whether getting the option takes bytes. */
static bool moves_bytes(int level, int option)
{
    return level == IPPROTO_TCP && rule_of(level, option).decision == REFUSE_GET;
}

PFSWRAP_EXPORT int getsockopt(int fd, int level, int option, void *value, socklen_t *length)
{
    if (__builtin_expect(fd_word(fd) != 0, false) && moves_bytes(level, option) && fd_refuses_unseen(fd)) {
        errno = rule_of(level, option).error;
        return -1;
    }
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
    if (result != 0 && errno == EOPNOTSUPP && !moves_bytes(level, option) &&
        address_option_refused(fd, level, option, value, length)) {
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

/* Whether the option would apply to a sealed connection, or to one that may become sealed. */
static bool concerns(int fd, enum decision decision)
{
    if (fd_is_sealed(fd))
        return true;
    if (decision == REFUSE_ANY) /* only a connection can have it */
        return false;
    if (decision != REFUSE_OFFSET && address_is_relayed(fd)) /* Unix sockets have peek offsets, too */
        return true;
    return is_undecided(fd);
}

/*
 * The error of setting an option that is refused, 0 if it is not. `value` is readable. Switching an option off is
 * not refused. A value that is too short is left to the kernel, which refuses it.
 */
static int refusal(int fd, const struct rule *rule, const void *value, socklen_t length)
{
    int number = 0;
    if (rule->decision != REFUSE_ANY) {
        if (length < sizeof number)
            return 0;
        memcpy(&number, value, sizeof number);
    }
    const bool is_wanted = rule->decision == REFUSE_ANY || (rule->decision == REFUSE_ON && number != 0) ||
                           (rule->decision == REFUSE_ONE && number == 1) ||
                           (rule->decision == REFUSE_OFFSET && number >= 0);
    return is_wanted && concerns(fd, rule->decision) ? rule->error : 0;
}

/* Options that are not the kernel's alone. Returns whether the call is done, and succeeds. */
static bool honour(int fd, int level, int option, const void *value, socklen_t length)
{
    const bool sealed = fd_is_sealed(fd);
    if (level == SOL_SOCKET && option == SO_RCVLOWAT)
        return sealed && length >= sizeof(int) && low_water(fd, value) != 0;
    if (level == SOL_SOCKET && (option == SO_SNDBUF || option == SO_SNDBUFFORCE))
        return address_is_relayed(fd); /* a relay needs the size that it has set (transfer/relay.c) */
    if (level == IPPROTO_TCP && option == TCP_CORK)
        return sealed && defer_cork(fd, value, length);
    if (level == IPPROTO_TCP && option == TCP_FASTOPEN_CONNECT)
        return is_undecided(fd); /* the connection would begin with the program's bytes, not with the handshake */
    return false;
}

/* 1: the call has succeeded. 0: make the real call. -1: it fails, with errno. */
static int decide(int fd, int level, int option, const void *value, socklen_t length)
{
    const struct rule rule = rule_of(level, option);
    if (rule.decision == PASS || address_is_bad(value))
        return 0; /* the kernel refuses a bad address */
    if (rule.decision == HONOUR)
        return honour(fd, level, option, value, length) ? 1 : 0;
    const int error = refusal(fd, &rule, value, length);
    if (error == 0)
        return 0;
    errno = error;
    return -1;
}

PFSWRAP_EXPORT int setsockopt(int fd, int level, int option, const void *value, socklen_t length)
{
    const int decided = pfswrap_seals() ? decide(fd, level, option, value, length) : 0;
    if (decided != 0)
        return decided > 0 ? 0 : -1;
    const int saved = errno;
    int result = real_libc()->setsockopt(fd, level, option, value, length);
    if (result != 0 && errno == EOPNOTSUPP && address_option_refused(fd, level, option, NULL, NULL)) {
        errno = saved;
        return 0;
    }
    return result;
}
