/*
 * An exec may fail after all that is done here, so nothing is done that the program would notice then: a relayed
 * connection goes on working, and closes in order when the exec closes its descriptors; a handoff socket gives its
 * number back. What another process shares is not relayed: that process may go on serving it, and a relay would
 * read its bytes.
 */
#include "transfer/export.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "connection/background.h"
#include "connection/endpoint.h"
#include "transfer/handoff.h"
#include "base/fork_lock.h"
#include "base/process.h"
#include "transfer/relay.h"
#include "transfer/share.h"
#include "fd/own.h"
#include "base/raw_syscall.h"
#include "fd/list.h"

enum { STANDARD_LAST = 2, HANDOFFS_MAX = 64 }; /* of connections that survive an exec: nobody means so many */

/* Whether one of its numbers is to survive the exec. */
static bool survives(const struct endpoint *endpoint)
{
    for (int fd = endpoint_number(endpoint, 0); fd >= 0; fd = endpoint_number(endpoint, fd + 1))
        if (!endpoint_cloexec(fd))
            return true;
    return false;
}

/* The numbers that survive become a handoff socket, which holds the connection in place of this process. Locked. */
static bool pack(struct endpoint *endpoint, struct connection *connection)
{
    struct holder name;
    const int fd = atomic_load(&endpoint->fd);
    const int kept = endpoint_reserve_duplicate(fd, OWN_FIRST); /* left to us if the exec fails */
    const int handoff = kept >= 0 ? handoff_make(endpoint, connection, fd, &name) : -1;
    const bool packed = handoff >= 0 && share_pass_to_handoff(connection, name);
    if (packed) {
        endpoint->kept = kept;
        endpoint->handoff = name;
        atomic_store(&endpoint->background, BACKGROUND_NONE); /* the handoff socket is no socket to go on with */
        for (int number = endpoint_number(endpoint, 0); number >= 0; number = endpoint_number(endpoint, number + 1))
            if (!endpoint_cloexec(number))
                (void)raw_syscall(SYS_dup3, handoff, number, 0);
    } else if (kept >= 0) {
        endpoint_unreserve(kept, true);
    }
    if (handoff >= 0)
        (void)raw_syscall(SYS_close, handoff);
    return packed;
}

/* The reverse. Locked. */
static void unpack(struct endpoint *endpoint, struct connection *connection)
{
    for (int number = endpoint_number(endpoint, 0); number >= 0; number = endpoint_number(endpoint, number + 1))
        if (!endpoint_cloexec(number))
            (void)raw_syscall(SYS_dup3, endpoint->kept, number, O_CLOEXEC);
    share_take_from_handoff(connection, endpoint->handoff);
    endpoint_unreserve(endpoint->kept, true);
    endpoint->kept = 0;
    endpoint->handoff = (struct holder){0};
}

enum decision { NOTHING, RELAY, LEAVE };

/* What becomes of a connection that no handoff socket is made for. Locked. */
static enum decision decide(const struct endpoint *endpoint, struct connection *connection)
{
    if (atomic_load(&endpoint->descriptors) == 0 || connection->wiped)
        return NOTHING;
    if (!share_is_alone(connection))
        return LEAVE;
    return connection->phase != CONNECTION_FAILED || survives(endpoint) ? RELAY : NOTHING;
}

static void leave_to_others(struct endpoint *endpoint, struct connection *connection)
{
    if (survives(endpoint))
        connection_report_left(connection);
    (void)share_release(connection);
}

/* Whether `fd` is, in this process, a socket of that connection. */
static bool is_socket_of(int fd, const struct connection *connection)
{
    struct sockaddr_in6 self = {0}, peer = {0};
    socklen_t self_length = sizeof self, peer_length = sizeof peer;
    return raw_syscall(SYS_getsockname, fd, &self, &self_length) == 0 &&
           raw_syscall(SYS_getpeername, fd, &peer, &peer_length) == 0 &&
           memcmp(&self, &connection->self, sizeof self) == 0 && memcmp(&peer, &connection->peer, sizeof peer) == 0;
}

/* Makes a handoff socket, one more holder. Locked. */
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
        share_without_handoff(connection, name);
        endpoint_leave(connection);
    }
    process_unblock_forks();
}

static atomic_bool packs_in_vfork_children;

bool export_pack(int fd)
{
    struct endpoint *endpoint;
    struct connection *connection;
    struct holder name;
    int handoff = -EBADF;
    const int saved = errno;
    if (handoff_is(fd))
        return true;
    process_block_forks();
    if (endpoint_enter(fd, &endpoint, &connection) == ENDPOINT_ENTERED) {
        if (is_socket_of(fd, connection))
            handoff = make_handoff(endpoint, connection, fd, &name);
        endpoint_leave(connection);
    }
    process_unblock_forks();
    errno = saved;
    if (handoff < 0)
        return false;
    atomic_store(&packs_in_vfork_children, true);
    (void)raw_syscall(SYS_dup3, handoff, fd, endpoint_cloexec(fd) ? O_CLOEXEC : 0);
    (void)raw_syscall(SYS_close, handoff);
    return true;
}

/* In a child of vfork() the wishes in the table are the parent's; a handoff socket has the kernel's flag for
 * itself. */
void export_close_on_exec(unsigned first, unsigned last)
{
    if (!process_is_vfork_child()) {
        endpoint_set_cloexec_range(first, last);
        return;
    }
    for (int fd = endpoint_next(first); fd >= 0 && (unsigned)fd <= last; fd = endpoint_next((unsigned)fd + 1))
        if (!endpoint_is_hidden(fd) && !endpoint_is_closing(fd) && !endpoint_cloexec(fd))
            (void)export_pack(fd);
}

/* What the parent's table says is to survive: in its child of vfork(), too. */
static void pack_in_vfork_child(void)
{
    int packed = 0;
    for (int fd = endpoint_next(STANDARD_LAST + 1); fd >= 0 && packed < HANDOFFS_MAX;
         fd = endpoint_next((unsigned)fd + 1))
        if (!endpoint_is_hidden(fd) && !endpoint_is_closing(fd) && !endpoint_cloexec(fd))
            packed += export_pack(fd);
}

/* A handoff socket that has been opened, and what takes its place at every number that is the same one. */
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
    const long flags = raw_syscall(SYS_fcntl, fd, F_GETFD, 0);
    if (memcmp(&name, &exchange->name, sizeof name) == 0)
        (void)raw_syscall(SYS_dup3, exchange->end, fd, (flags & FD_CLOEXEC) != 0 ? O_CLOEXEC : 0);
}

/* The program's end of a relay for a connection of the parent's, by its socket; -1: there is none. */
static int relay_by_socket(int socket, struct holder handoff)
{
    for (uint32_t i = 0; i < endpoint_limit(); i++) {
        struct endpoint *endpoint = endpoint_at(i);
        struct connection *connection;
        if (endpoint == NULL || !endpoint_enter_at(endpoint, &connection))
            continue;
        int end = -1;
        if (is_socket_of(socket, connection) && (end = relay_make(endpoint, connection, socket)) >= 0)
            share_without_handoff(connection, handoff);
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
        pack_in_vfork_child();
    else if (atomic_load(&packs_in_vfork_children))
        list_descriptors(relay_handoff, NULL);
}

/* What becomes of all connections of this process. */
static void export_all(bool preloaded)
{
    int packed = 0;
    endpoint_begin_exec();
    for (uint32_t i = 0; i < endpoint_limit(); i++) {
        struct endpoint *endpoint = endpoint_at(i);
        struct connection *connection;
        if (endpoint == NULL || !endpoint_enter_at(endpoint, &connection))
            continue;
        enum decision decision = decide(endpoint, connection);
        const int fd = atomic_load(&endpoint->fd);
        if (decision == LEAVE && preloaded && packed < HANDOFFS_MAX && survives(endpoint) &&
            pack(endpoint, connection)) {
            packed++;
            decision = NOTHING;
        }
        if (decision == LEAVE)
            leave_to_others(endpoint, connection);
        endpoint_leave(connection);
        /* Without a relay the exec closes the socket, and the peer sees a stream that ends without FINAL. */
        if (decision == RELAY)
            (void)relay_start(fd);
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
    } else if (has_any) {
        before_exec_in_vfork_child(preloaded);
    }
    errno = saved;
}

/* What was packed is a socket again before other threads come to it. Returns whether it was. Locked. */
static bool take_back(struct endpoint *endpoint, struct connection *connection)
{
    if (endpoint->kept > 0) {
        unpack(endpoint, connection);
        return true;
    }
    if (atomic_load(&endpoint->descriptors) > 0 && connection->slot != NULL)
        share_rejoin(connection);
    return false;
}

void export_after_failure(void)
{
    if (process_is_vfork_child())
        return;
    const int saved = errno;
    for (uint32_t i = 0; atomic_load(&endpoint_count) > 0 && i < endpoint_limit(); i++) {
        struct endpoint *endpoint = endpoint_at(i);
        struct connection *connection;
        if (endpoint == NULL || !endpoint_enter_at(endpoint, &connection))
            continue;
        const bool unfinished = take_back(endpoint, connection) && connection_is_unfinished(connection);
        endpoint_leave(connection);
        if (unfinished)
            background_add(endpoint);
    }
    endpoint_end_exec();
    process_unblock_forks();
    errno = saved;
}
