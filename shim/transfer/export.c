/*
 * An exec may still fail after these preparations, and then the program must not notice them. A relayed connection
 * continues to work, and is closed in order when the exec closes its descriptors. Numbers that have become handoff
 * sockets are restored. A connection that another process has, too, is never relayed: that process may continue to
 * use it, and a relay would take its bytes.
 */
#include "transfer/export.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/fork_lock.h"
#include "base/process.h"
#include "base/raw_syscall.h"
#include "connection/background.h"
#include "connection/endpoint.h"
#include "connection/holders.h"
#include "connection/report_counted.h"
#include "fd/list.h"
#include "fd/own.h"
#include "transfer/handoff.h"
#include "transfer/relay.h"
#include "transfer/share.h"

enum {
    STANDARD_LAST = 2,
    HANDOFFS_MAX = 64, /* more connections than a program would pass on deliberately */
};

/* Whether the program wants a number of the endpoint to survive the exec. */
static bool survives(const struct endpoint *endpoint)
{
    for (int fd = endpoint_number(endpoint, 0); fd >= 0; fd = endpoint_number(endpoint, fd + 1))
        if (!fd_cloexec(fd))
            return true;
    return false;
}

/*
 * The numbers that survive become a handoff socket, which is a holder of the connection in place of this process.
 * Returns whether it was possible. Locked.
 */
static bool replace_by_handoff(struct endpoint *endpoint, struct connection *connection)
{
    struct holder name;
    const int fd = atomic_load(&endpoint->fd);
    const int kept = fd_reserve_duplicate(fd, OWN_FIRST); /* for the case that the exec fails */
    const int handoff = kept >= 0 ? handoff_make(endpoint, connection, fd, &name) : -1;
    const bool replaced = handoff >= 0 && holders_pass_to_handoff(connection, name);
    if (replaced) {
        endpoint->kept = kept;
        endpoint->handoff = name;
        atomic_store(&endpoint->background, BACKGROUND_NONE); /* its number is no longer the TCP socket */
        for (int number = endpoint_number(endpoint, 0); number >= 0; number = endpoint_number(endpoint, number + 1))
            if (!fd_cloexec(number))
                (void)raw_syscall(SYS_dup3, handoff, number, 0);
    } else if (kept >= 0) {
        fd_unreserve(kept, true);
    }
    if (handoff >= 0)
        (void)raw_syscall(SYS_close, handoff);
    return replaced;
}

/* The numbers become the TCP socket again. Locked. */
static void restore_from_handoff(struct endpoint *endpoint, struct connection *connection)
{
    for (int number = endpoint_number(endpoint, 0); number >= 0; number = endpoint_number(endpoint, number + 1))
        if (!fd_cloexec(number))
            (void)raw_syscall(SYS_dup3, endpoint->kept, number, O_CLOEXEC);
    holders_take_from_handoff(connection, endpoint->handoff);
    fd_unreserve(endpoint->kept, true);
    endpoint->kept = 0;
    endpoint->handoff = (struct holder){0};
}

enum decision { NOTHING, RELAY, LEAVE };

/* What happens to a connection that is not passed on in a handoff socket. Locked. */
static enum decision decide(const struct endpoint *endpoint, struct connection *connection)
{
    if (atomic_load(&endpoint->descriptors) == 0 || connection->wiped)
        return NOTHING;
    if (!holders_is_alone(connection))
        return LEAVE;
    return connection->phase != CONNECTION_FAILED || survives(endpoint) ? RELAY : NOTHING;
}

static void leave_to_others(struct endpoint *endpoint, struct connection *connection)
{
    if (survives(endpoint))
        connection_report_left(connection);
    (void)holders_release(connection);
}

/* Whether the descriptor `fd` of this process is the socket of the connection. */
static bool is_socket_of(int fd, const struct connection *connection)
{
    struct sockaddr_in6 self = {0}, peer = {0};
    socklen_t self_length = sizeof self, peer_length = sizeof peer;
    return raw_syscall(SYS_getsockname, fd, &self, &self_length) == 0 &&
           raw_syscall(SYS_getpeername, fd, &peer, &peer_length) == 0 &&
           memcmp(&self, &connection->self, sizeof self) == 0 && memcmp(&peer, &connection->peer, sizeof peer) == 0;
}

/* Makes a handoff socket as one more holder. Returns its descriptor or a negative errno value. Locked. */
static int make_handoff(struct endpoint *endpoint, struct connection *connection, int fd, struct holder *name)
{
    if (!share_is_portable(endpoint, connection))
        return -ENOBUFS;
    const int handoff = handoff_make(endpoint, connection, fd, name);
    if (handoff < 0 || share_with_handoff(endpoint, connection, *name))
        return handoff;
    (void)raw_syscall(SYS_close, handoff);
    return -ENOBUFS;
}

int export_make_handoff(int fd, struct holder *name)
{
    struct endpoint *endpoint;
    struct connection *connection;
    int handoff = -EBADF;
    process_block_forks();
    if (endpoint_enter(fd, &endpoint, &connection) == ENDPOINT_ENTERED) {
        handoff = make_handoff(endpoint, connection, fd, name);
        endpoint_leave(connection);
    }
    process_unblock_forks();
    return handoff;
}

void export_forget(int fd, struct holder name)
{
    struct endpoint *endpoint;
    struct connection *connection;
    process_block_forks();
    if (endpoint_enter(fd, &endpoint, &connection) == ENDPOINT_ENTERED) {
        holders_drop_handoff(connection, name);
        endpoint_leave(connection);
    }
    process_unblock_forks();
}

static atomic_bool handoffs_in_vfork_children; /* a child of vfork() has made a handoff socket */

bool export_as_handoff(int fd)
{
    struct endpoint *endpoint;
    struct connection *connection;
    struct holder name;
    int handoff = -EBADF;
    bool cloexec =
        false; /* read now: another thread of the parent may give the number to another connection later */
    const int saved = errno;
    if (handoff_is(fd))
        return true;
    process_block_forks();
    if (endpoint_enter(fd, &endpoint, &connection) == ENDPOINT_ENTERED) {
        cloexec = fd_cloexec(fd);
        if (is_socket_of(fd, connection))
            handoff = make_handoff(endpoint, connection, fd, &name);
        endpoint_leave(connection);
    }
    process_unblock_forks();
    errno = saved;
    if (handoff < 0)
        return false;
    atomic_store(&handoffs_in_vfork_children, true);
    (void)raw_syscall(SYS_dup3, handoff, fd, cloexec ? O_CLOEXEC : 0);
    (void)raw_syscall(SYS_close, handoff);
    return true;
}

/*
 * In a child of vfork() the flags in the table are the parent's, and cannot be changed. So the numbers become
 * handoff sockets, which the kernel's flag, already set, closes on exec.
 */
void export_close_on_exec(unsigned first, unsigned last)
{
    if (!process_is_vfork_child()) {
        fd_set_cloexec_range(first, last);
        return;
    }
    for (int fd = fd_next(first); fd >= 0 && (unsigned)fd <= last; fd = fd_next((unsigned)fd + 1))
        if (!fd_is_hidden(fd) && !fd_is_closing(fd) && !fd_cloexec(fd))
            (void)export_as_handoff(fd);
}

/* In a child of vfork(): numbers that survive the exec according to the parent's table become handoff sockets. */
static void replace_in_vfork_child(void)
{
    int replaced = 0;
    for (int fd = fd_next(STANDARD_LAST + 1); fd >= 0 && replaced < HANDOFFS_MAX; fd = fd_next((unsigned)fd + 1))
        if (!fd_is_hidden(fd) && !fd_is_closing(fd) && !fd_cloexec(fd))
            replaced += export_as_handoff(fd);
}

/* A handoff socket that has been opened, and the relay's end that replaces it at all its numbers. */
struct exchange {
    struct sockaddr_un name;
    int end;
};

static struct sockaddr_un name_of(int fd)
{
    struct sockaddr_un name = {0};
    socklen_t length = sizeof name;
    (void)raw_syscall(SYS_getsockname, fd, &name, &length);
    return name;
}

static void exchange_one(int fd, void *argument)
{
    const struct exchange *exchange = argument;
    if (!handoff_is(fd))
        return;
    const struct sockaddr_un name = name_of(fd);
    const long flags = raw_syscall(RAW_FCNTL, fd, F_GETFD, 0);
    if (memcmp(&name, &exchange->name, sizeof name) == 0)
        (void)raw_syscall(SYS_dup3, exchange->end, fd, (flags & FD_CLOEXEC) != 0 ? O_CLOEXEC : 0);
}

/* Makes a relay for the parent's connection that has this socket. Returns the program's end; -1: it failed. */
static int relay_by_socket(int socket, struct holder handoff)
{
    struct connection *connection;
    for (struct endpoint *endpoint = NULL; (endpoint = endpoint_enter_next(endpoint, &connection)) != NULL;) {
        int end = -1;
        if (is_socket_of(socket, connection) && (end = relay_make(endpoint, connection, socket)) >= 0)
            holders_drop_handoff(connection, handoff);
        endpoint_leave(connection);
        if (end >= 0)
            return end;
    }
    return -1;
}

static void relay_handoff(int fd, void *nothing)
{
    struct handoff handoff;
    (void)nothing;
    if (!handoff_is(fd) || handoff_open(fd, &handoff) != NULL)
        return;
    struct exchange exchange = {.name = name_of(fd), .end = relay_by_socket(handoff.socket, handoff.name)};
    if (exchange.end >= 0) {
        list_descriptors(exchange_one, &exchange);
        (void)raw_syscall(SYS_close, exchange.end);
    }
    (void)raw_syscall(SYS_close, handoff.socket);
    (void)raw_syscall(SYS_close, handoff.memory);
}

static void before_exec_in_vfork_child(bool preloaded)
{
    if (preloaded)
        replace_in_vfork_child();
    else if (atomic_load(&handoffs_in_vfork_children))
        list_descriptors(relay_handoff, NULL);
}

/* Decides for each connection of this process how the exec passes it on, and prepares that. */
static void export_all(bool preloaded)
{
    int handoffs = 0;
    endpoint_begin_exec();
    struct connection *connection;
    for (struct endpoint *endpoint = NULL; (endpoint = endpoint_enter_next(endpoint, &connection)) != NULL;) {
        enum decision decision = decide(endpoint, connection);
        const int fd = atomic_load(&endpoint->fd);
        if (decision == LEAVE && preloaded && handoffs < HANDOFFS_MAX && survives(endpoint) &&
            replace_by_handoff(endpoint, connection)) {
            handoffs++;
            decision = NOTHING;
        }
        if (decision == LEAVE)
            leave_to_others(endpoint, connection);
        endpoint_leave(connection);
        /* If that fails, the exec closes the socket, and the peer sees a stream that ends without FINAL. */
        if (decision == RELAY)
            (void)relay_require(fd);
    }
    background_finish();
}

void export_before_exec(bool preloaded)
{
    const int saved = errno;
    const bool has_any = atomic_load(&endpoint_count) > 0;
    if (!process_is_vfork_child()) {
        process_block_forks(); /* until the exec has happened, or failed */
        if (has_any)
            export_all(preloaded);
        counted_write_all();
    } else if (has_any) {
        before_exec_in_vfork_child(preloaded);
    }
    errno = saved;
}

/*
 * This process has the connection again. Returns whether its numbers were a handoff socket. Other threads still
 * wait (endpoint_end_exec()). Locked.
 */
static bool take_back(struct endpoint *endpoint, struct connection *connection)
{
    if (endpoint->kept > 0) {
        restore_from_handoff(endpoint, connection);
        return true;
    }
    if (atomic_load(&endpoint->descriptors) > 0 && connection->slot != NULL)
        holders_rejoin(connection);
    return false;
}

void export_after_failure(void)
{
    if (process_is_vfork_child())
        return;
    const int saved = errno;
    struct connection *connection;
    for (struct endpoint *endpoint = NULL; (endpoint = endpoint_enter_next(endpoint, &connection)) != NULL;) {
        const bool unfinished = take_back(endpoint, connection) && connection_is_unfinished(connection);
        endpoint_leave(connection);
        if (unfinished)
            background_add(endpoint);
    }
    endpoint_end_exec();
    process_unblock_forks();
    errno = saved;
}
