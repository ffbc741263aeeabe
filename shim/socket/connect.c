/*
 * connect: a connection to an address that a rule seals begins its handshake here. A blocking program gets its
 * descriptor back when the handshake is complete, or has had a little time: TCP does not wait for the peer's
 * program either, and that may be this very thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "connection/background.h"
#include "rules/rules.h"
#include "connection/endpoint.h"
#include "base/fork_lock.h"
#include "base/process.h"
#include "transfer/relay.h"
#include "connection/wait.h"
#include "readiness/registration.h"
#include "config/init.h"
#include "base/interposed.h"
#include "base/aliases.h"
#include "base/raw_syscall.h"
#include "base/libc.h"
#include "base/trace.h"
#include "socket/open.h"
#include "socket/unconnected.h"
#include "inspect/inspect.h"

/* Reads the program's address without trusting its pointer: a bad one is the kernel's to refuse. */
static bool copy_address(struct sockaddr_in6 *copy, const struct sockaddr *address, socklen_t length)
{
    memset(copy, 0, sizeof *copy);
    if (length < sizeof(struct sockaddr_in) || address == NULL)
        return false;
    const size_t size = length < sizeof *copy ? length : sizeof *copy;
    const struct iovec here = {.iov_base = copy, .iov_len = size};
    const struct iovec there = {.iov_base = (void *)(uintptr_t)address, .iov_len = size};
    const long count = raw_syscall(SYS_process_vm_readv, process_running_id(), &here, 1, &there, 1, 0);
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
    const long count = raw_syscall(SYS_process_vm_readv, process_running_id(), &here, 1, &there, 1, 0);
    if (count != -EFAULT && count != (long)sizeof family)
        memcpy(&family, address, sizeof family);
    return family == AF_UNSPEC;
}

bool open_is_tcp(int fd)
{
    int protocol = 0;
    socklen_t length = sizeof protocol;
    const long result = raw_syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &length);
    if (result != 0)
        return result != -EBADF && result != -ENOTSOCK;
    return protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP;
}

/* Whether a connection to `address` is to be sealed, and by which rule. RULE_UNKNOWN: it must be refused. */
static enum rule_answer rule_for(int fd, const struct sockaddr *address, socklen_t length,
                                 const struct policy_rule **rule)
{
    struct sockaddr_in6 copy;
    if (!copy_address(&copy, address, length))
        return RULE_NONE;
    const struct policy *policy = pfswrap_policy();
    const enum rule_answer answer = rule_for_connect(policy, fd, (const struct sockaddr *)&copy, sizeof copy, rule);
    if (answer == RULE_UNKNOWN)
        return rules_require(policy, POLICY_CONNECT) ? RULE_UNKNOWN : RULE_NONE;
    return rule_seals_socket(*rule) ? answer : RULE_NONE;
}

/*
 * The kernel would refuse to connect the socket as it is (inet_stream_connect): it listens, or is connected already
 * to something that no rule seals. What this cannot find out is registered, and then the kernel refuses.
 */
static bool is_taken(int fd)
{
    struct tcp_info info = {0};
    socklen_t length = sizeof info;
    return raw_syscall(SYS_getsockopt, fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 &&
           info.tcpi_state != TCP_CLOSE && info.tcpi_state != TCP_SYN_SENT;
}

/*
 * The program has other numbers for the socket already, or streams, which `note` says. A number that is closing is
 * just being replaced, by a call that sees to it itself (dup.c).
 */
static void add_copies(struct endpoint *endpoint, const struct connection *connection, uint64_t note)
{
    atomic_thread_fence(memory_order_seq_cst);
    endpoint->streamed = (note & FD_WORD_STREAM) != 0;
    for (int copy = -1; note != 0 && (copy = fd_noted((unsigned)copy + 1, fd_word_id(note))) >= 0;) {
        const uint64_t word = fd_note_of(copy);
        if (fd_word_id(word) != fd_word_id(note) || !endpoint_add_noted(endpoint, copy, word))
            continue;
        endpoint->streamed |= (word & FD_WORD_STREAM) != 0;
        registration_adopt(endpoint, connection, copy);
    }
}

/*
 * A connect(2) under way: the connection that it is for, whatever its number stands for by the time the kernel has
 * answered. Other threads may close the number meanwhile, and have it again for something else.
 */
struct dial {
    struct endpoint *endpoint;
    uint32_t generation;
    bool is_new;       /* this call has registered the number */
    bool moves_itself; /* libc does, on a stream, or at 0, 1 or 2 */
};

/* The kernel is about to be told to connect. Locked; given back. Returns 0 or an errno. */
static int dial_begin(struct dial *dial, struct endpoint *endpoint, struct connection *connection)
{
    *dial = (struct dial){.endpoint = endpoint,
                          .generation = atomic_load(&endpoint->generation),
                          .moves_itself = endpoint->streamed || relay_is_needed(endpoint_number(endpoint, 0))};
    const bool begun = connection_begin_dial(connection);
    endpoint_leave(connection);
    return begun ? 0 : EALREADY;
}

/* Locks the connection again. NULL: another thread has closed its last number. */
static struct connection *dial_enter(const struct dial *dial)
{
    struct connection *connection;
    return endpoint_enter_again(dial->endpoint, dial->generation, &connection) ? connection : NULL;
}

/* The number is none of the connection's, which has no other. Locked; the lock is gone afterwards. */
static void forget_number(struct endpoint *endpoint, struct connection *connection, int fd)
{
    const uint32_t generation = fd_next_generation();
    (void)endpoint_remove(endpoint, fd, generation);
    endpoint_free(endpoint, connection);
    fd_vacate(fd, generation);
}

/*
 * The descriptor is known as sealed from here on, before the kernel connects: no other thread finds it plain.
 * Returns 0 or an errno; EALREADY: another thread has registered it.
 */
static int register_and_dial(int fd, const struct policy_rule *rule, struct dial *dial)
{
    struct endpoint *endpoint;
    uint64_t note = 0;
    const long modes = raw_syscall(SYS_fcntl, fd, F_GETFL, 0), flags = raw_syscall(SYS_fcntl, fd, F_GETFD, 0);
    if (modes < 0 || flags < 0 || raw_syscall(SYS_fcntl, fd, F_SETFD, flags | FD_CLOEXEC) < 0)
        return EBADF;
    struct connection *connection =
        endpoint_register(fd, (uint16_t)(rule - pfswrap_policy()->rules), true, (modes & O_NONBLOCK) != 0,
                          (flags & FD_CLOEXEC) != 0, &endpoint, &note);
    if (connection == NULL)
        return errno != 0 ? errno : ENOMEM;
    if (!endpoint_has_socket(endpoint, fd)) { /* another thread has closed it in between, or replaced it */
        connection_fail(connection, -1, ECONNRESET, "another thread closed it while it was being connected");
        forget_number(endpoint, connection, fd);
        return EBADF;
    }
    connection->phase = CONNECTION_CONNECTING;
    endpoint_update(fd, connection);
    registration_adopt(endpoint, connection, fd);
    if (!process_sandboxed && fd_word_id(note) != (uint32_t)endpoint->identity)
        note = 0; /* of another socket, which libc has closed */
    add_copies(endpoint, connection, note);
    (void)dial_begin(dial, endpoint, connection); /* nobody else can have done so yet */
    dial->is_new = true;
    return 0;
}

static int dial_new(int fd, const struct policy_rule *rule, struct dial *dial)
{
    process_block_forks();
    const int error = register_and_dial(fd, rule, dial);
    process_unblock_forks();
    return error;
}

/* The same for a number that is sealed already. */
static enum endpoint_result dial_again(int fd, struct dial *dial)
{
    struct endpoint *endpoint;
    struct connection *connection;
    const enum endpoint_result entered = endpoint_enter(fd, &endpoint, &connection);
    if (entered != ENDPOINT_ENTERED)
        return entered;
    const int error = dial_begin(dial, endpoint, connection);
    if (error == 0)
        return ENDPOINT_ENTERED;
    errno = error;
    return ENDPOINT_ERROR;
}

/* Whether the kernel has a connection, or is about to have one: the poll of what has none says HUP (tcp_poll). */
static bool is_idle(int fd)
{
    struct pollfd poll = {.fd = fd};
    struct timespec now = {0};
    return raw_syscall(SYS_ppoll, &poll, 1, &now, NULL, 0) == 1 && (poll.revents & POLLHUP) != 0;
}

/*
 * The kernel would not connect. The descriptor is the program's own again if it has no connection, and no other
 * thread is about to make one. It may have one: a call with arguments that make no sense leaves it as it is, and it
 * must stay sealed. Locked; given back.
 */
static void dial_failed(struct endpoint *endpoint, struct connection *connection)
{
    if (!connection_is_dialled(connection) && connection->phase == CONNECTION_CONNECTING &&
        is_idle(atomic_load(&endpoint->fd)))
        endpoint_abandon(endpoint, connection);
    else
        endpoint_leave(connection);
}

/* The kernel has dissolved the connection, and knows the descriptor as one that was never connected. As above. */
static void dial_disconnected(struct endpoint *endpoint, struct connection *connection)
{
    connection_disconnect(connection);
    if (!connection_is_dialled(connection))
        endpoint_abandon(endpoint, connection);
    else
        endpoint_leave(connection);
}

/*
 * A call was to connect a socket that another thread has closed meanwhile, and the kernel may have connected what
 * has the number now: that is cut, if nobody has registered it.
 */
static void cut_stranger(int fd, const struct sockaddr *address, socklen_t length)
{
    struct sockaddr_in6 peer = {0}, wanted;
    socklen_t peer_length = sizeof peer;
    const struct policy_rule *rule;
    if (!fd_is_sealed(fd) && raw_syscall(SYS_getpeername, fd, &peer, &peer_length) == 0 &&
        copy_address(&wanted, address, length) && wanted.sin6_family == peer.sin6_family &&
        wanted.sin6_port == peer.sin6_port &&
        rule_for(fd, (const struct sockaddr *)&peer, peer_length, &rule) != RULE_NONE)
        (void)raw_syscall(SYS_shutdown, fd, SHUT_RDWR);
}

/* TCP is connected; the seal's handshake follows. Returns what connect(2) does. */
static int await_handshake(const struct dial *dial)
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
        const bool was_told = connection->reported_connected || !connection->initiator;
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

/* The real call, on a descriptor that is registered. */
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
            connection->dialled = true; /* until here nobody who looks at it finds that it has failed */
            endpoint_leave(connection);
        } else {
            dial_failed(dial->endpoint, connection);
        }
        errno = error;
        return -1;
    }
    if (result == 0 && !dial->is_new && dissolves(address, length)) {
        dial_disconnected(dial->endpoint, connection);
        errno = saved;
        return 0;
    }
    connection->dialled = true;
    endpoint_leave(connection);
    errno = saved;
    return await_handshake(dial);
}

int open_inspected(int fd, const struct sockaddr *address, socklen_t length)
{
    const int saved = errno;
    int place = 0;
    inspect_connected(fd, address, length);
    if (!fd_is_inspected(fd))
        return 0;
    for (int copy = unconnected_next(fd, &place); copy >= 0; copy = unconnected_next(fd, &place))
        if (!fd_is_inspected(copy))
            inspect_copied(fd, copy);
    if (unconnected_has_stream(fd) && inspect_before_stream(fd, NULL) != 0)
        return -1;
    errno = saved;
    return 0;
}

/* The real call; a connection that nothing seals is looked at, at its beginning. */
static int connect_plain(int fd, const struct sockaddr *address, socklen_t length)
{
    int result = real_libc()->connect(fd, address, length);
    TRACE_CALL("connect", fd, result);
    if ((result == 0 || errno == EINPROGRESS || errno == EINTR) && open_inspected(fd, address, length) != 0)
        return -1;
    return result;
}

/* A connection to an address that `rule` seals. */
static int connect_sealed(int fd, const struct sockaddr *address, socklen_t length, const struct dial *dial)
{
    const int result = connect_registered(fd, address, length, dial);
    const int answer = errno, error = dial->moves_itself ? relay_start(fd) : 0;
    errno = answer;
    TRACE_CALL("connect, sealed", fd, result);
    errno = error != 0 ? error : answer;
    return error != 0 ? -1 : result;
}

static int refuse(const char *reason)
{
    connection_report_lost(reason);
    errno = EACCES;
    return -1;
}

/*
 * No number goes from foreign to connected by an address that a rule seals, but by way of the table: the kernel is
 * asked to connect to such an address in connect_registered() only.
 */
PFSWRAP_EXPORT int connect(int fd, const struct sockaddr *address, socklen_t length)
{
    struct dial dial = {0};
    while (pfswrap_seals()) {
        if (fd_is_sealed(fd)) {
            const enum endpoint_result entered = dial_again(fd, &dial);
            if (entered == ENDPOINT_ENTERED)
                return connect_sealed(fd, address, length, &dial);
            if (entered == ENDPOINT_ERROR)
                return -1;
            continue;
        }
        const struct policy_rule *rule;
        const enum rule_answer answer = rule_for(fd, address, length, &rule);
        if (answer == RULE_NONE)
            break;
        if (answer == RULE_UNKNOWN)
            return refuse("the address it would connect to cannot be found out, and it may have to be sealed");
        if (process_is_vfork_child()) /* it has descriptors of its own, and its parent's table of them */
            return refuse("a child of vfork() cannot make a sealed connection of its own");
        const bool taken = is_taken(fd);
        const int error = taken ? EISCONN : dial_new(fd, rule, &dial);
        if (taken)
            cut_stranger(fd, address, length);
        if (error == 0)
            return connect_sealed(fd, address, length, &dial);
        if (error != EALREADY) {
            errno = error;
            return -1;
        }
    }
    return connect_plain(fd, address, length);
}
PFSWRAP_ALIAS(__connect, connect);

enum open_fast open_before_fast(int fd, const struct sockaddr *address, socklen_t length)
{
    if (!pfswrap_seals())
        return OPEN_FAST_FOREIGN;
    if (fd_is_sealed(fd))
        return OPEN_FAST_DONE;
    const struct policy_rule *rule;
    if (rule_for(fd, address, length, &rule) == RULE_NONE)
        return OPEN_FAST_FOREIGN;
    return connect(fd, address, length) == 0 ? OPEN_FAST_DONE : OPEN_FAST_FAILED;
}
