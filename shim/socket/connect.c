/*
 * connect: a connection to an address that a rule seals begins its handshake here. A blocking program gets its
 * descriptor back when the handshake is complete, or has had a little time: TCP does not wait for the peer's
 * program either, and that may be this very thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "connection/background.h"
#include "connection/destination.h"
#include "connection/endpoint.h"
#include "connection/relay.h"
#include "connection/wait.h"
#include "connection/interest.h"
#include "init.h"
#include "interposed.h"
#include "real/aliases.h"
#include "real/kernel.h"
#include "real/libc.h"
#include "socket/open.h"
#include "socket/unconnected.h"
#include "watch/watch.h"

/* Reads the program's address without trusting its pointer: a bad one is the kernel's to refuse. */
static bool copy_address(struct sockaddr_in6 *copy, const struct sockaddr *address, socklen_t length)
{
    memset(copy, 0, sizeof *copy);
    if (length < sizeof(struct sockaddr_in) || address == NULL)
        return false;
    const size_t size = length < sizeof *copy ? length : sizeof *copy;
    const struct iovec here = {.iov_base = copy, .iov_len = size};
    const struct iovec there = {.iov_base = (void *)(uintptr_t)address, .iov_len = size};
    const long count = KERNEL_6(SYS_process_vm_readv, KERNEL_0(SYS_getpid), &here, 1, &there, 1, 0);
    if (count == -EFAULT)
        return false;
    if (count < 0)
        memcpy(copy, address, size);
    return copy->sin6_family == AF_INET || copy->sin6_family == AF_INET6;
}

/* Whether the call dissolves a connection: connect(2), AF_UNSPEC. */
static bool dissolves(const struct sockaddr *address, socklen_t length)
{
    sa_family_t family = AF_UNIX;
    const struct iovec here = {.iov_base = &family, .iov_len = sizeof family};
    const struct iovec there = {.iov_base = (void *)(uintptr_t)address, .iov_len = sizeof family};
    if (address == NULL || length < sizeof family)
        return false;
    const long count = KERNEL_6(SYS_process_vm_readv, KERNEL_0(SYS_getpid), &here, 1, &there, 1, 0);
    if (count != -EFAULT && count != (long)sizeof family)
        memcpy(&family, address, sizeof family);
    return family == AF_UNSPEC;
}

bool open_is_tcp(int fd)
{
    int protocol = 0;
    socklen_t length = sizeof protocol;
    return KERNEL_5(SYS_getsockopt, fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &length) == 0 &&
           (protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP);
}

/* The sealing rule for a connection to `address`, or NULL. */
static const struct policy_rule *rule_for(int fd, const struct sockaddr *address, socklen_t length)
{
    struct sockaddr_in6 copy;
    if (!copy_address(&copy, address, length))
        return NULL;
    const struct policy_rule *rule =
        destination_rule(pfswrap_policy(), fd, (const struct sockaddr *)&copy, sizeof copy);
    if (rule == NULL || rule->seal == POLICY_SEAL_OFF || rule->layer != POLICY_LAYER_SOCKET || !open_is_tcp(fd))
        return NULL;
    return rule;
}

/* The program has other numbers for the socket already. */
static void add_copies(struct endpoint *endpoint, const struct connection *connection, int fd)
{
    int place = 0;
    for (int copy = unconnected_next(fd, &place); copy >= 0; copy = unconnected_next(fd, &place)) {
        const long flags = KERNEL_3(SYS_fcntl, copy, F_GETFD, 0);
        if (endpoint_is_sealed(copy) || flags < 0 || KERNEL_3(SYS_fcntl, copy, F_SETFD, flags | FD_CLOEXEC) < 0)
            continue;
        endpoint_add(endpoint, copy, (flags & FD_CLOEXEC) != 0);
        interest_adopt(endpoint, connection, copy);
    }
}

/* The descriptor is known as sealed from here on, before the kernel connects: no other thread finds it plain. */
static int register_descriptor(int fd, const struct policy_rule *rule)
{
    struct endpoint *endpoint;
    const long modes = KERNEL_3(SYS_fcntl, fd, F_GETFL, 0), flags = KERNEL_3(SYS_fcntl, fd, F_GETFD, 0);
    if (modes < 0 || flags < 0 || KERNEL_3(SYS_fcntl, fd, F_SETFD, flags | FD_CLOEXEC) < 0) {
        errno = EBADF;
        return -1;
    }
    struct connection *connection = endpoint_open(fd, (uint16_t)(rule - pfswrap_policy()->rules), true,
                                                  (modes & O_NONBLOCK) != 0, (flags & FD_CLOEXEC) != 0, &endpoint);
    if (connection == NULL)
        return -1;
    connection->phase = CONNECTION_CONNECTING;
    endpoint_settle(fd, connection);
    interest_adopt(endpoint, connection, fd);
    add_copies(endpoint, connection, fd);
    endpoint_leave(connection);
    return 0;
}

/* Whether the kernel has a connection, or is about to have one: the poll of what has none says HUP (tcp_poll). */
static bool is_idle(int fd)
{
    struct pollfd poll = {.fd = fd};
    struct timespec now = {0};
    return KERNEL_5(SYS_ppoll, &poll, 1, &now, NULL, 0) == 1 && (poll.revents & POLLHUP) != 0;
}

/*
 * The kernel would not connect: the descriptor is the program's own again, if it has no connection. It may have
 * one: a call with arguments that make no sense leaves it as it is, and it must stay sealed.
 */
static void unregister_descriptor(int fd, bool is_new)
{
    struct endpoint *endpoint;
    struct connection *connection;
    int saved = errno;
    if (endpoint_enter(fd, &endpoint, &connection) == ENDPOINT_ENTERED) {
        if (is_new || (connection->phase == CONNECTION_CONNECTING && is_idle(fd)))
            endpoint_abandon(endpoint, connection);
        else
            endpoint_leave(connection);
    }
    errno = saved;
}

/* The kernel has dissolved the connection, and knows the descriptor as one that was never connected. */
static void dissolve(int fd)
{
    struct endpoint *endpoint;
    struct connection *connection;
    int saved = errno;
    if (endpoint_enter(fd, &endpoint, &connection) == ENDPOINT_ENTERED) {
        connection_dissolve(connection);
        endpoint_abandon(endpoint, connection);
    }
    errno = saved;
}

/* The kernel has begun to connect. Until here whoever looks at the descriptor finds that nothing has failed yet. */
static void mark_dialled(int fd)
{
    struct endpoint *endpoint;
    struct connection *connection;
    int saved = errno;
    if (endpoint_enter(fd, &endpoint, &connection) == ENDPOINT_ENTERED) {
        connection->dialled = true;
        endpoint_leave(connection);
    }
    errno = saved;
}

/* TCP is connected; the seal's handshake follows. Returns what connect(2) does. */
static int await_handshake(int fd)
{
    const uint64_t began_ms = connection_now_ms();
    for (;;) {
        struct endpoint *endpoint;
        struct connection *connection;
        enum endpoint_result entered = endpoint_enter(fd, &endpoint, &connection);
        if (entered != ENDPOINT_ENTERED)
            return entered == ENDPOINT_NONE ? 0 : -1;
        handshake_advance(connection, fd);
        const bool under_way = handshake_is_under_way(connection), queueing = connection->queueing;
        const bool failed = connection->phase == CONNECTION_FAILED;
        const bool blocking = !atomic_load(&connection->nonblocking);
        const bool was_told = connection->told_connected || !connection->initiator;
        const short wants = (short)connection->wants;
        const uint64_t until_ms =
            connection->queue_at_ms < connection->deadline_ms ? connection->queue_at_ms : connection->deadline_ms;
        if (!under_way || queueing)
            connection->told_connected = true;
        if (connection->phase == CONNECTION_NONE)
            endpoint_abandon(endpoint, connection);
        else
            endpoint_leave(connection);
        if (failed) {
            errno = ECONNREFUSED;
            return -1;
        }
        if (!under_way || queueing) {
            if (under_way && blocking)
                background_add(endpoint);
            if (!was_told)
                return 0;
            errno = EISCONN;
            return -1;
        }
        if (!blocking) {
            errno = EINPROGRESS;
            return -1;
        }
        if (wait_for(fd, wants, until_ms, SO_SNDTIMEO, began_ms) != 0) {
            background_add(endpoint);
            return 0;
        }
    }
}

/* The real call, on a descriptor that is registered. `is_new`: by this call, so that it was a plain one before. */
static int connect_registered(int fd, const struct sockaddr *address, socklen_t length, bool is_new)
{
    int saved = errno;
    int result = real_libc()->connect(fd, address, length);
    if (result != 0 && (errno != EISCONN || is_new)) {
        if (errno == EINPROGRESS || errno == EINTR || errno == EALREADY)
            mark_dialled(fd);
        else
            unregister_descriptor(fd, is_new);
        return result;
    }
    if (result == 0 && !is_new && dissolves(address, length)) {
        dissolve(fd);
        return 0;
    }
    errno = saved;
    return await_handshake(fd);
}

int open_watched(int fd, const struct sockaddr *address, socklen_t length)
{
    const int saved = errno;
    int place = 0;
    watch_connected(fd, address, length);
    if (!watch_is_on(fd))
        return 0;
    for (int copy = unconnected_next(fd, &place); copy >= 0; copy = unconnected_next(fd, &place))
        if (!watch_is_on(copy))
            watch_copied(fd, copy);
    if (unconnected_has_stream(fd) && watch_before_stream(fd, NULL) != 0)
        return -1;
    errno = saved;
    return 0;
}

/* The real call; a connection that nothing seals is looked at, at its beginning. */
static int connect_plain(int fd, const struct sockaddr *address, socklen_t length)
{
    int result = real_libc()->connect(fd, address, length);
    if ((result == 0 || errno == EINPROGRESS || errno == EINTR) && open_watched(fd, address, length) != 0)
        return -1;
    return result;
}

/* There is a stream, or 0, 1 or 2 is one of the socket's numbers. */
static bool libc_moves_bytes(int fd)
{
    int place = 0, copy = fd;
    while (copy >= 0 && !relay_is_needed(copy))
        copy = unconnected_next(fd, &place);
    return copy >= 0 || unconnected_has_stream(fd);
}

PFSWRAP_EXPORT int connect(int fd, const struct sockaddr *address, socklen_t length)
{
    if (!pfswrap_seals())
        return connect_plain(fd, address, length);
    const bool is_new = !endpoint_is_sealed(fd);
    if (is_new) {
        const struct policy_rule *rule = rule_for(fd, address, length);
        if (rule == NULL)
            return connect_plain(fd, address, length);
        if (register_descriptor(fd, rule) != 0)
            return -1;
    }
    const int result = connect_registered(fd, address, length, is_new);
    const int answer = errno, error = libc_moves_bytes(fd) ? relay_start(fd) : 0;
    errno = error != 0 ? error : answer;
    return error != 0 ? -1 : result;
}
PFSWRAP_ALIAS(__connect, connect);

int open_before_fast(int fd, const struct sockaddr *address, socklen_t length)
{
    if (!pfswrap_seals() || endpoint_is_sealed(fd) || rule_for(fd, address, length) == NULL)
        return 0;
    return connect(fd, address, length);
}
