/*
 * The order of steps matters here: a number is registered before the kernel connects it. Only then the kernel is
 * asked which socket it is, since another thread may have closed or replaced the number in between.
 */
#include "sealed/dial.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <time.h>

#include "base/fork_lock.h"
#include "base/process.h"
#include "base/raw_syscall.h"
#include "config/init.h"
#include "readiness/registration.h"
#include "transfer/relay.h"

/*
 * The program may have more numbers for the socket, and streams on them; `note` is the word of the first one. A
 * number that is closing is being replaced, and the call that replaces it adds it itself (duplicate.c).
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
 * Before connect(2). `relays`: the connection must not stay at its number. Called locked; unlocked on return.
 * Returns 0 or -EALREADY.
 */
static int begin(struct dial *dial, struct endpoint *endpoint, struct connection *connection, bool relays)
{
    *dial = (struct dial){.endpoint = endpoint,
                          .generation = atomic_load(&endpoint->generation),
                          .needs_relay = endpoint->streamed || relays};
    const bool begun = connection_begin_dial(connection);
    endpoint_leave(connection);
    return begun ? 0 : -EALREADY;
}

struct connection *dial_enter(const struct dial *dial)
{
    struct connection *connection;
    return endpoint_enter_again(dial->endpoint, dial->generation, &connection) ? connection : NULL;
}

/*
 * The number turned out to be another file, and the connection has no other number. Called locked; unlocked on
 * return.
 */
static void forget_number(struct endpoint *endpoint, struct connection *connection, int fd)
{
    const uint32_t generation = fd_next_generation();
    (void)endpoint_remove(endpoint, fd, generation);
    endpoint_free(endpoint, connection);
    fd_vacate(fd, generation);
}

static int register_and_begin(int fd, const struct policy_rule *rule, struct dial *dial)
{
    struct endpoint *endpoint;
    struct connection *connection;
    uint64_t note = 0;
    const long modes = raw_syscall(RAW_FCNTL, fd, F_GETFL, 0), flags = raw_syscall(RAW_FCNTL, fd, F_GETFD, 0);
    if (modes < 0 || flags < 0 ||
        ((flags & FD_CLOEXEC) == 0 && raw_syscall(RAW_FCNTL, fd, F_SETFD, flags | FD_CLOEXEC) < 0))
        return -EBADF;
    const int error = endpoint_register(fd, rule, true, (modes & O_NONBLOCK) != 0, (flags & FD_CLOEXEC) != 0,
                                        &endpoint, &connection, &note);
    if (error != 0)
        return error;
    atomic_thread_fence(memory_order_seq_cst);     /* see close_foreign() in socket/close.c */
    if (!endpoint_note_registered(endpoint, fd)) { /* another thread has closed it in between */
        connection_fail(connection, -1, ECONNRESET, "another thread closed it while it was being connected");
        forget_number(endpoint, connection, fd);
        return -EBADF;
    }
    connection->phase = CONNECTION_CONNECTING;
    endpoint_update(fd, connection);
    registration_adopt(endpoint, connection, fd);
    if (!process_sandboxed && note != 0 && !fd_may_have_id(fd, fd_word_id(note)))
        note = 0; /* of another socket, which libc has closed */
    add_copies(endpoint, connection, note);
    /* Cannot fail: no other thread has begun one. The caller knows that this is no child of vfork(). */
    (void)begin(dial, endpoint, connection, relay_is_needed_at(endpoint_number(endpoint, 0)));
    dial->is_new = true;
    return 0;
}

int dial_new(int fd, const struct policy_rule *rule, struct dial *dial)
{
    process_block_forks();
    const int error = register_and_begin(fd, rule, dial);
    process_unblock_forks();
    return error;
}

int dial_again(int fd, struct dial *dial)
{
    struct endpoint *endpoint;
    struct connection *connection;
    const int entered = endpoint_enter(fd, &endpoint, &connection);
    if (entered != ENDPOINT_ENTERED)
        return entered;
    const int error = begin(dial, endpoint, connection, relay_is_needed(endpoint_number(endpoint, 0)));
    return error == 0 ? ENDPOINT_ENTERED : error;
}

/* Whether the kernel neither has a connection nor is making one: then poll(2) reports POLLHUP (tcp_poll). */
static bool is_idle(int fd)
{
    struct pollfd poll = {.fd = fd};
    struct timespec now = {0};
    return raw_syscall(SYS_ppoll, &poll, 1, &now, NULL, 0) == 1 && (poll.revents & POLLHUP) != 0;
}

void dial_failed(struct endpoint *endpoint, struct connection *connection)
{
    if (!connection_is_dialled(connection) && connection->phase == CONNECTION_CONNECTING &&
        is_idle(atomic_load(&endpoint->fd)))
        endpoint_abandon(endpoint, connection);
    else
        endpoint_leave(connection);
}

void dial_disconnected(struct endpoint *endpoint, struct connection *connection)
{
    connection_disconnect(connection);
    if (!connection_is_dialled(connection))
        endpoint_abandon(endpoint, connection);
    else
        endpoint_leave(connection);
}
