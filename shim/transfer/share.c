/*
 * Before a fork, one segment is made for all connections that are still private. The child is counted as a holder
 * of each connection, and the endpoint gets the fork's mark. After the fork, the child enters itself into the list
 * of holders, which is in the connection (connection/holders.h). Where the mark is missing, the child counts
 * itself, or has no part in the connection.
 */
#include "transfer/share.h"

#include <errno.h>
#include <unistd.h>

#include "base/fork_lock.h"
#include "base/process.h"
#include "base/raw_syscall.h"
#include "config/init.h"
#include "connection/background.h"
#include "connection/holders.h"
#include "connection/report_counted.h"
#include "rules/rules.h"
#include "transfer/handoff.h"
#include "transfer/segment.h"

enum {
    SPARE_SLOTS = 8,
    SPARES = 8, /* as many threads can have children of vfork() that pass connections on at the same time */
};

/*
 * Segments for children of vfork(). Threads share them when there are more than SPARES. So while the child of one
 * thread looks at a spare, another thread may put a new one in its place and free it, and its memory may become
 * another segment. The child may use it only if it is still the spare after segment_try_hold().
 */
static _Atomic(struct segment *) spares[SPARES];

/* Which of them is this thread's, from 1 on; 0: it has none yet. The child of vfork() has its parent's variable. */
static __thread unsigned spare_number __attribute__((tls_model("initial-exec")));

/* Segments that a child of vfork() was the last to look at. It cannot close their files for its parent. */
static _Atomic(struct segment *) unfreed;

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

/* The place of this thread's spare. */
static _Atomic(struct segment *) *spare_of_thread(void)
{
    static atomic_uint threads;
    if (spare_number == 0)
        spare_number = atomic_fetch_add(&threads, 1) % SPARES + 1;
    return &spares[spare_number - 1];
}

static void free_unfreed(void)
{
    for (struct segment *segment = atomic_exchange(&unfreed, NULL), *next; segment != NULL; segment = next) {
        next = segment->next;
        segment_drop(segment);
    }
}

void share_before_vfork(void)
{
    process_check();
    if (process_sandboxed || process_is_vfork_child())
        return;
    _Atomic(struct segment *) *const spare = spare_of_thread();
    struct segment *before = atomic_load(spare);
    if (before != NULL && atomic_load(&before->taker) == 0)
        return;
    const int saved = errno;
    free_unfreed();
    struct segment *segment = segment_make(SPARE_SLOTS);
    if (segment != NULL)
        segment_hold(segment);
    if (segment != NULL && segment_descriptor(segment) >= 0 &&
        atomic_compare_exchange_strong(spare, &before, segment))
        segment = before; /* a child has used it, so it stays only as long as connections are in it */
    if (segment != NULL)
        segment_leave(segment);
    errno = saved;
}

/* In a child of a fork the spares are the parent's. */
static void forget_spares(void)
{
    for (int i = 0; i < SPARES; i++) {
        struct segment *segment = atomic_exchange(&spares[i], NULL);
        if (segment != NULL)
            segment_leave(segment);
    }
    free_unfreed();
}

/* In a child of vfork(): it no longer looks at the segment. */
static void leave_spare(struct segment *segment)
{
    if (!segment_leave_unfreed(segment))
        return;
    segment->next = atomic_load(&unfreed);
    while (!atomic_compare_exchange_weak(&unfreed, &segment->next, segment))
        continue;
}

/* Whether the segment is the spare, and no other child has taken it. Then it is this child's. */
static bool take(struct segment *segment, const _Atomic(struct segment *) *spare)
{
    const int self = (int)process_running_id();
    int taker = 0;
    return atomic_load(spare) == segment && segment_descriptor(segment) >= 0 &&
           (atomic_compare_exchange_strong(&segment->taker, &taker, self) || taker == self);
}

/* A slot in the spare segment for this child of vfork(), which leaves it with leave_spare(). NULL: there is none.
 */
static struct segment *take_spare(uint32_t *slot_index)
{
    const _Atomic(struct segment *) *const spare = spare_of_thread();
    struct segment *segment = atomic_load(spare);
    if (segment == NULL || !segment_try_hold(segment))
        return NULL;
    if (take(segment, spare) && (*slot_index = atomic_fetch_add(&segment->taken, 1)) < SPARE_SLOTS)
        return segment;
    leave_spare(segment);
    return NULL;
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
    if (vfork_child)
        leave_spare(segment); /* the connection holds it by now */
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

/* The forks that this thread is in the middle of. */
static __thread struct {
    unsigned depth;
    uint32_t
        mark; /* of the outermost one; endpoints that it or an inner one has counted have this or a later mark */
    bool is_busy; /* the fork comes from a signal handler that interrupted a call. The locks of this thread
                     are released only after the handler has returned */
} forking __attribute__((tls_model("initial-exec")));

static _Atomic uint32_t last_mark;

/* Whether the fork with this mark, or one inside it, has counted its child as a holder. */
static bool is_counted(const struct endpoint *endpoint, uint32_t mark)
{
    return endpoint->counted_by != 0 && (int32_t)(endpoint->counted_by - mark) >= 0;
}

/*
 * Moves all open connections to one segment, and counts the child as a holder of each. If a signal handler forks
 * inside a call, this does not wait for any lock. A connection that is locked stays as it is, and is not
 * counted.
 */
static void share_all(uint32_t mark)
{
    struct segment *segment = NULL;
    uint32_t used = 0, count = 0;
    for (const struct endpoint *endpoint = NULL; (endpoint = endpoint_next(endpoint)) != NULL;)
        count++;
    for (struct endpoint *endpoint = NULL; (endpoint = endpoint_next(endpoint)) != NULL;) {
        struct connection *connection;
        if (forking.is_busy ? !endpoint_try_at(endpoint, &connection) : !endpoint_enter_at(endpoint, &connection))
            continue;
        if (atomic_load(&endpoint->descriptors) > 0 && !connection->wiped) {
            if (connection->slot == NULL && segment == NULL && (segment = segment_make(count)) != NULL)
                segment_hold(segment); /* other threads may close connections that were moved already */
            if (connection->slot == NULL && segment != NULL && used < count)
                move_to(endpoint, connection, segment, used++);
            if (connection->slot != NULL) {
                holders_expect(connection);
                endpoint->counted_by = mark;
            }
        }
        endpoint_leave(connection);
    }
    if (segment != NULL)
        segment_leave(segment);
}

/* The fork has failed: the connections that it has counted have one holder less. */
static void unshare_all(uint32_t mark)
{
    struct connection *connection;
    for (struct endpoint *endpoint = NULL; (endpoint = endpoint_enter_next(endpoint, &connection)) != NULL;) {
        if (is_counted(endpoint, mark) && connection->slot != NULL) {
            holders_withdraw(connection);
            endpoint->counted_by = 0;
        }
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

/*
 * This process has no part in the connection: a fork has wiped its memory, or its last holder has released it. It
 * becomes a private connection that fails every call; closing it only makes the system call. Locked.
 */
static void disown(struct endpoint *endpoint, struct connection *connection)
{
    struct connection *slot = connection->slot;
    connection->slot = NULL;
    connection_lose(connection);
    connection->wiped = true;
    if (slot == NULL)
        return;
    (void)lock_take(&connection->lock);
    atomic_store(&endpoint->connection, connection);
    lock_release(&slot->lock);
    share_leave(endpoint);
}

/*
 * Locks a connection in a child. Without `waits`: the thread that has the lock may be the one that forked, and it
 * may wait until this process has ended. Then this process has no part in the connection.
 */
static bool enter_in_child(struct endpoint *endpoint, struct connection **connection, bool waits)
{
    if (!waits && endpoint_try_at(endpoint, connection))
        return true;
    if (!waits && endpoint->segment != NULL) { /* in private memory the fork has wiped the lock, too */
        atomic_store(&endpoint->connection, endpoint_private(endpoint));
        share_leave(endpoint);
    }
    return endpoint_enter_at(endpoint, connection);
}

/*
 * In a child: the process becomes a holder of the connection, or has no part in it. `counted`: the parent counted
 * it before the fork. Locked.
 */
static void take_part(struct endpoint *endpoint, struct connection *connection, bool counted)
{
    if (connection->wiped)
        return;
    if (connection->slot == NULL || !holders_arrive(connection, counted))
        disown(endpoint, connection);
}

/* In a child: frees the endpoint if none of its numbers is its socket here. Called locked; unlocked on return. */
static void drop_mismatched(struct endpoint *endpoint, struct connection *connection)
{
    if (endpoint_drop_mismatched(endpoint) > 0) {
        endpoint_leave(connection);
        return;
    }
    if (!connection->wiped)
        (void)holders_release(connection);
    endpoint_free(endpoint, connection);
}

static void after_fork_in_child(enum process_fork kind)
{
    const bool is_expected = kind != PROCESS_FORK_UNSEEN, is_idle = is_expected && !forking.is_busy;
    forking.depth = 0;
    background_forget(kind == PROCESS_FORK_LIBC || (kind == PROCESS_FORK_RAW && background_may_go_on()));
    endpoint_after_fork(is_idle);
    counted_after_fork_in_child();
    forget_spares();
    if (is_idle) {
        connection_free_buffers();
        segment_after_fork();
    }
    endpoint_end_exec();
    fd_forget_calls();
    fd_end_closing(must_close);
    for (struct endpoint *endpoint = NULL; (endpoint = endpoint_next(endpoint)) != NULL;) {
        struct connection *connection;
        const bool is_hidden = atomic_load(&endpoint->descriptors) == 0; /* closed, and the parent finishes it */
        if (is_hidden)
            close_hidden(atomic_load(&endpoint->fd));
        const bool counted = is_expected && is_counted(endpoint, forking.mark);
        if (!enter_in_child(endpoint, &connection, counted || !is_expected || !forking.is_busy))
            continue;
        if (is_hidden) {
            endpoint_free(endpoint, connection);
        } else {
            take_part(endpoint, connection, counted);
            drop_mismatched(endpoint, connection);
        }
    }
}

/* A lock that a siglongjmp(3) has left locked counts, too, since nobody will unlock it. */
static bool is_busy(void)
{
    forking.is_busy = fork_lock_is_blocked_here();
    for (const struct endpoint *endpoint = NULL; !forking.is_busy && (endpoint = endpoint_next(endpoint)) != NULL;)
        forking.is_busy = endpoint_is_locked_here(endpoint);
    return forking.is_busy;
}

static void before_fork(enum process_fork kind)
{
    if (kind == PROCESS_FORK_RAW)
        background_settle();
    const uint32_t mark = atomic_fetch_add(&last_mark, 1) + 1;
    if (forking.depth++ == 0)
        forking.mark = mark;
    else
        forking.is_busy = true;
    if (atomic_load(&endpoint_count) > 0)
        counted_before_fork();
    /* Without the lock, other threads may close connections that were counted. So the child counts itself. */
    if (atomic_load(&endpoint_count) > 0 && fork_lock_is_held_here())
        share_all(mark);
}

static void after_fork_in_parent(bool failed)
{
    forking.depth--;
    if (failed)
        unshare_all(forking.depth == 0 ? forking.mark : atomic_load(&last_mark));
}

const struct process_observer share_process_observer = {
    .is_busy = is_busy,
    .before_fork = before_fork,
    .after_fork_in_parent = after_fork_in_parent,
    .after_fork_in_child = after_fork_in_child,
};

bool share_with_handoff(struct endpoint *endpoint, struct connection *connection, struct holder handoff)
{
    return share_is_portable(endpoint, connection) && holders_add_handoff(connection, handoff);
}

const struct endpoint_observer share_endpoint_observer = {.memory_unused = share_leave,
                                                          .make_way = segment_make_way};
