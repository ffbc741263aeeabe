/*
 * Before a fork, one segment is made for all connections that are still private, and the number of their holders is
 * raised. After the fork the child adds itself to the list of holders, which is in the connection
 * (connection/holders.h).
 */
#include "transfer/share.h"

#include <errno.h>
#include <unistd.h>

#include "base/process.h"
#include "base/raw_syscall.h"
#include "config/init.h"
#include "connection/background.h"
#include "connection/holders.h"
#include "rules/rules.h"
#include "transfer/handoff.h"
#include "transfer/segment.h"

enum { SPARE_SLOTS = 8 };

static _Atomic(struct segment *) spare; /* for children of vfork() */

static void share_leave(struct endpoint *endpoint)
{
    struct segment *segment = endpoint->segment;
    endpoint->segment = NULL;
    if (segment != NULL)
        segment_leave(segment);
}

/* Moves the connection from private memory to a slot of the segment. It stays locked. */
static void move_to(struct endpoint *endpoint, struct connection *connection, struct segment *segment,
                    uint32_t slot_index)
{
    struct connection *slot = segment_slot(segment, slot_index);
    (void)lock_take(&slot->lock);
    connection->slot = slot;
    endpoint->segment = segment;
    segment_hold(segment);
    atomic_store(&endpoint->connection, slot);
    lock_release(&connection->lock);
}

void share_before_vfork(void)
{
    process_check();
    if (process_sandboxed || process_is_vfork_child())
        return;
    struct segment *before = atomic_load(&spare);
    if (before != NULL && atomic_load(&before->taker) == 0)
        return;
    const int saved = errno;
    struct segment *segment = segment_make(SPARE_SLOTS);
    if (segment != NULL)
        segment_hold(segment);
    if (segment != NULL && segment_descriptor(segment) >= 0 &&
        atomic_compare_exchange_strong(&spare, &before, segment))
        segment = before; /* a child has used it, so it stays only as long as connections are in it */
    if (segment != NULL)
        segment_leave(segment);
    errno = saved;
}

/* In a child of a fork the spare is the parent's. */
static void forget_spare(void)
{
    struct segment *segment = atomic_exchange(&spare, NULL);
    if (segment != NULL)
        segment_leave(segment);
}

/* A slot in the spare segment for this child of vfork(). NULL: there is none. */
static struct segment *take_spare(uint32_t *slot_index)
{
    struct segment *segment = atomic_load(&spare);
    const int self = (int)process_running_id();
    int taker = 0;
    if (segment == NULL || segment_descriptor(segment) < 0 ||
        (!atomic_compare_exchange_strong(&segment->taker, &taker, self) && taker != self))
        return NULL;
    *slot_index = atomic_fetch_add(&segment->taken, 1);
    return *slot_index < SPARE_SLOTS ? segment : NULL;
}

/* Moves a private connection to a segment that other programs can map. Returns whether it worked. */
static bool make_portable(struct endpoint *endpoint, struct connection *connection)
{
    uint32_t slot_index = 0;
    const bool vfork_child = process_is_vfork_child();
    struct segment *segment = vfork_child ? take_spare(&slot_index) : segment_make(1);
    if (segment == NULL)
        return false;
    if (!vfork_child && segment_descriptor(segment) < 0) {
        segment_drop(segment);
        return false;
    }
    move_to(endpoint, connection, segment, slot_index);
    return true;
}

bool share_is_portable(struct endpoint *endpoint, struct connection *connection)
{
    if (connection->slot == NULL)
        return make_portable(endpoint, connection);
    return segment_descriptor(endpoint->segment) >= 0;
}

bool share_connection(struct endpoint *endpoint, struct connection *connection)
{
    if (connection->slot == NULL) {
        struct segment *segment = segment_make(1);
        if (segment == NULL)
            return false;
        move_to(endpoint, connection, segment, 0);
    }
    connection->holder_count++;
    return true;
}

/*
 * Moves all open connections to one segment. If a signal handler forks inside a call on a connection, this thread
 * holds its lock. Then the connection stays private, and the child finds it wiped.
 */
static void share_all(void)
{
    const uint32_t limit = endpoint_limit();
    struct segment *segment = NULL;
    uint32_t used = 0, count = 0;
    for (uint32_t i = 0; i < limit; i++)
        count += endpoint_at(i) != NULL;
    for (uint32_t i = 0; i < limit && count > 0; i++) {
        struct endpoint *endpoint = endpoint_at(i);
        struct connection *connection;
        if (endpoint == NULL || !endpoint_enter_at(endpoint, &connection))
            continue;
        if (atomic_load(&endpoint->descriptors) > 0) {
            if (connection->slot == NULL && segment == NULL && (segment = segment_make(count)) != NULL)
                segment_hold(segment); /* other threads may close connections that were moved already */
            if (connection->slot == NULL && segment != NULL && used < count)
                move_to(endpoint, connection, segment, used++);
            if (connection->slot != NULL)
                connection->holder_count++;
        }
        endpoint_leave(connection);
    }
    if (segment != NULL)
        segment_leave(segment);
}

/* The fork has failed: there is one holder less. */
static void unshare_all(void)
{
    for (uint32_t i = 0; i < endpoint_limit(); i++) {
        struct endpoint *endpoint = endpoint_at(i);
        struct connection *connection;
        if (endpoint == NULL || !endpoint_enter_at(endpoint, &connection))
            continue;
        if (connection->slot != NULL && connection->holder_count > 1)
            connection->holder_count--;
        endpoint_leave(connection);
    }
}

static void close_hidden(int fd)
{
    const uint32_t generation = fd_next_generation();
    if (!fd_unhide(fd, generation))
        return;
    (void)raw_syscall(SYS_close, fd);
    fd_vacate(fd, generation);
}

/* Whether a rule seals the connection at `fd`: then the number must not stay open as a foreign one. */
static bool must_close(int fd)
{
    const struct policy_rule *rule;
    return rule_for_open(pfswrap_policy(), fd, &rule) != RULE_NONE;
}

static void after_fork_in_child(enum process_fork kind)
{
    forget_spare();
    background_forget(kind == PROCESS_FORK_LIBC || (kind == PROCESS_FORK_RAW && background_may_go_on()));
    endpoint_end_exec();
    fd_forget_calls();
    fd_end_closing(must_close);
    for (uint32_t i = 0; i < endpoint_limit(); i++) {
        struct endpoint *endpoint = endpoint_at(i);
        struct connection *connection;
        if (endpoint == NULL)
            continue;
        atomic_store(&endpoint->background, BACKGROUND_NONE);
        atomic_store(&endpoint->refcount, 0);           /* those were threads of the parent */
        if (atomic_load(&endpoint->descriptors) == 0) { /* closed, and the parent finishes it */
            close_hidden(atomic_load(&endpoint->fd));
            if (endpoint_enter_at(endpoint, &connection))
                endpoint_free(endpoint, connection);
        } else if (endpoint_enter_at(endpoint, &connection)) {
            if (connection->slot != NULL)
                holders_join(connection);
            if (endpoint_drop_mismatched(endpoint) > 0) {
                endpoint_leave(connection);
            } else {
                (void)holders_release(connection);
                endpoint_free(endpoint, connection);
            }
        }
    }
}

static void before_fork(enum process_fork kind)
{
    if (kind == PROCESS_FORK_RAW)
        background_settle();
    if (atomic_load(&endpoint_count) > 0)
        share_all();
}

static void after_fork_in_parent(bool failed)
{
    if (failed)
        unshare_all();
}

const struct process_observer share_process_observer = {before_fork, after_fork_in_parent, after_fork_in_child};

bool share_with_handoff(struct endpoint *endpoint, struct connection *connection, struct holder handoff)
{
    return share_is_portable(endpoint, connection) && holders_add_handoff(connection, handoff);
}

const struct endpoint_observer share_endpoint_observer = {.memory_unused = share_leave,
                                                          .make_way = segment_make_way};
