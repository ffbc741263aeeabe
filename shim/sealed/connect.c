/*
 * connect(2): if a rule seals the address, the connection is registered before the kernel connects it, and the
 * handshake begins here. A blocking call returns when the handshake is complete, or after a short time: like TCP,
 * it does not wait for the peer's program, which may be this very thread.
 */
#include "sealed/operations.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/libc.h"
#include "base/process.h"
#include "base/raw_syscall.h"
#include "base/signals.h"
#include "base/trace.h"
#include "config/init.h"
#include "connection/background.h"
#include "connection/endpoint.h"
#include "connection/wait.h"
#include "rules/rules.h"
#include "sealed/destination.h"
#include "sealed/dial.h"
#include "transfer/relay.h"

/* With a frame of its own, which the deepest calls do not have below them. */
#define APART __attribute__((noinline))

/*
 * Whether the kernel refuses to connect the socket in its present state (inet_stream_connect): it listens, or is
 * connected to an address that no rule seals. In doubt false: then it is registered, and the kernel refuses.
 */
static APART bool is_connected(int fd)
{
    struct tcp_info info = {0};
    socklen_t length = sizeof info;
    return raw_syscall(SYS_getsockopt, fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 &&
           info.tcpi_state != TCP_CLOSE && info.tcpi_state != TCP_SYN_SENT;
}

/*
 * Another thread has closed the number, and opened another socket there. The kernel may have connected that socket
 * instead. If it is not registered, it is cut: it must not be plain.
 */
static APART void cut_stranger(int fd, const struct sockaddr *address, socklen_t length)
{
    struct sockaddr_in6 peer = {0}, wanted;
    socklen_t peer_length = sizeof peer;
    const struct policy_rule *rule;
    if (!fd_is_sealed(fd) && raw_syscall(SYS_getpeername, fd, &peer, &peer_length) == 0 &&
        destination_copy(&wanted, address, length) && wanted.sin6_family == peer.sin6_family &&
        wanted.sin6_port == peer.sin6_port &&
        destination_rule(fd, (const struct sockaddr *)&peer, peer_length, &rule) != RULE_NONE)
        (void)raw_syscall(SYS_shutdown, fd, SHUT_RDWR);
}

/*
 * TCP is connected; the seal's handshake follows. Returns the result of connect(2). Signals come only while it
 * waits (signals_pin()).
 */
static int await_pinned(const struct dial *dial)
{
    const uint64_t began_ms = clock_ms();
    for (;;) {
        struct endpoint *endpoint = dial->endpoint;
        struct connection *connection = dial_enter(dial);
        if (connection == NULL) {
            errno = EBADF;
            return -1;
        }
        const int fd = atomic_load(&endpoint->fd);
        handshake_advance(connection, fd);
        const bool under_way = handshake_is_under_way(connection), buffering = connection->buffering;
        const bool failed = connection->phase == CONNECTION_FAILED;
        const bool blocking = !atomic_load(&connection->nonblocking);
        const bool was_reported = connection->reported_connected || !connection->initiator;
        const short wants = (short)connection->wants;
        const uint64_t until_ms =
            connection->buffer_at_ms < connection->deadline_ms ? connection->buffer_at_ms : connection->deadline_ms;
        if (!under_way || buffering)
            connection->reported_connected = true;
        if (connection->phase == CONNECTION_NONE)
            endpoint_abandon(endpoint, connection);
        else
            endpoint_leave(connection);
        if (failed) {
            errno = ECONNREFUSED;
            return -1;
        }
        if (!under_way || buffering) {
            if (under_way && blocking)
                background_add(endpoint);
            if (!was_reported)
                return 0;
            errno = EISCONN;
            return -1;
        }
        if (!blocking) {
            errno = EINPROGRESS;
            return -1;
        }
        if (wait_pinned(fd, wants, until_ms, SO_SNDTIMEO, began_ms) != 0) {
            background_add(endpoint);
            return 0;
        }
    }
}

static int await_handshake(const struct dial *dial)
{
    signals_pin();
    if (dial->is_new && signals_held)
        process_keep_answer(); /* a child of vfork() registers nothing */
    const int result = await_pinned(dial);
    signals_unpin();
    return result;
}

/* The real call, for a number that is registered. */
static int connect_registered(int fd, const struct sockaddr *address, socklen_t length, const struct dial *dial)
{
    const int saved = errno;
    const int result = real_libc()->connect(fd, address, length);
    const int error = errno;
    struct connection *connection = dial_enter(dial);
    if (connection == NULL) {
        cut_stranger(fd, address, length);
        errno = result == 0 ? EBADF : error;
        return -1;
    }
    connection_end_dial(connection);
    if (result != 0 && (error != EISCONN || dial->is_new)) {
        if (error == EINPROGRESS || error == EINTR || error == EALREADY) {
            connection->dialled = true; /* from now on, a socket that is not connecting has failed */
            endpoint_leave(connection);
        } else {
            dial_failed(dial->endpoint, connection);
        }
        errno = error;
        return -1;
    }
    if (result == 0 && !dial->is_new && destination_disconnects(address, length)) {
        dial_disconnected(dial->endpoint, connection);
        errno = saved;
        return 0;
    }
    connection->dialled = true;
    if (result == 0)
        handshake_connected(connection, atomic_load(&dial->endpoint->fd));
    endpoint_leave(connection);
    errno = saved;
    return await_handshake(dial);
}

/* A connection to an address that `rule` seals. */
static int connect_under(int fd, const struct sockaddr *address, socklen_t length, const struct dial *dial)
{
    const int result = connect_registered(fd, address, length, dial);
    const int connect_errno = errno, error = dial->needs_relay ? relay_require(fd) : 0;
    errno = connect_errno;
    TRACE_CALL("connect, sealed", fd, result);
    return error != 0 ? fd_call_result(error) : result;
}

static int refuse(const char *reason)
{
    connection_report_lost(reason);
    errno = EACCES;
    return -1;
}

/*
 * Only connect_registered() lets the kernel connect to an address that a rule seals. So the number is always
 * registered before.
 */
int sealed_connect(int fd, const struct sockaddr *address, socklen_t length)
{
    struct dial dial = {0};
    while (pfswrap_seals()) {
        if (fd_is_sealed(fd)) {
            const int entered = dial_again(fd, &dial);
            if (entered == ENDPOINT_ENTERED)
                return connect_under(fd, address, length, &dial);
            if (entered != ENDPOINT_NONE)
                return fd_call_result(entered);
            continue;
        }
        const struct policy_rule *rule;
        const enum rule_answer answer = destination_rule(fd, address, length, &rule);
        if (answer == RULE_NONE)
            break;
        if (answer == RULE_UNKNOWN)
            return refuse("the kernel does not say where the connection would go, and it may have to be sealed");
        if (process_is_vfork_child()) /* it has its own descriptors, but shares its parent's table */
            return refuse("a child of vfork() cannot make a sealed connection of its own");
        const bool connected = is_connected(fd);
        const int error = connected ? -EISCONN : dial_new(fd, rule, &dial);
        if (connected)
            cut_stranger(fd, address, length);
        if (error == 0)
            return connect_under(fd, address, length, &dial);
        if (error != -EALREADY && error != -ESTALE) { /* ESTALE: the policy was replaced in between */
            if (!connected && error != -EBADF)
                connection_report_lost("no memory or no descriptor for a sealed connection");
            return fd_call_result(error);
        }
    }
    return FD_FOREIGN;
}
