/*
 * A fork makes one segment for all connections that are not in one yet. Who holds a connection is written down in
 * it: processes by their ids, handoff sockets by their names. Before the fork the child is counted as a holder of
 * each connection, and the endpoint is marked. The child takes the place that is kept for it where it finds the
 * mark; where it does not, it counts itself, or has no part in the connection.
 */
#include "transfer/share.h"

#include <errno.h>
#include <unistd.h>

#include "connection/background.h"
#include "transfer/handoff.h"
#include "base/fork_lock.h"
#include "base/process.h"
#include "transfer/segment.h"
#include "base/raw_syscall.h"

enum { SPARE_SLOTS = 8 };

static _Atomic(struct segment *) spare; /* for a child of vfork() */

void share_leave(struct endpoint *endpoint)
{
    struct segment *segment = endpoint->segment;
    endpoint->segment = NULL;
    if (segment != NULL)
        segment_leave(segment);
}

/* The connection, which lies in private memory, is kept at place `number` of the segment from now on. It stays
 * locked. */
static void move_to(struct endpoint *endpoint, struct connection *connection, struct segment *segment,
                    uint32_t number)
{
    struct connection *slot = segment_slot(segment, number);
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
        segment = before; /* it has been taken, and is just what is kept in it */
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

/* A place in the spare segment for this child of vfork(). */
static struct segment *take_spare(uint32_t *number)
{
    struct segment *segment = atomic_load(&spare);
    const int self = (int)process_running_id();
    int taker = 0;
    if (segment == NULL || segment_descriptor(segment) < 0 ||
        (!atomic_compare_exchange_strong(&segment->taker, &taker, self) && taker != self))
        return NULL;
    *number = atomic_fetch_add(&segment->taken, 1);
    return *number < SPARE_SLOTS ? segment : NULL;
}

/* Has a private connection kept in a segment that another program can map. */
static bool make_portable(struct endpoint *endpoint, struct connection *connection)
{
    uint32_t number = 0;
    const bool vfork_child = process_is_vfork_child();
    struct segment *segment = vfork_child ? take_spare(&number) : segment_make(1);
    if (segment == NULL)
        return false;
    if (!vfork_child && segment_descriptor(segment) < 0) {
        segment_drop(segment);
        return false;
    }
    move_to(endpoint, connection, segment, number);
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
        mark;     /* of the outermost one; endpoints that it or a later one has counted have this or a later mark */
    bool is_busy; /* this thread is in the middle of a call: the fork comes from a signal handler */
} counted __attribute__((tls_model("initial-exec")));

static _Atomic uint32_t last_mark;

/* Whether the fork with that mark, or one in the midst of it, has counted its child as a holder. */
static bool is_marked(const struct endpoint *endpoint, uint32_t mark)
{
    return endpoint->promised != 0 && (int32_t)(endpoint->promised - mark) >= 0;
}

/* A connection in the middle of something, which is this thread's own if the fork comes from a signal handler,
 * stays as it is, and is not counted. */
static void share_all(uint32_t mark)
{
    const uint32_t limit = endpoint_limit();
    struct segment *segment = NULL;
    uint32_t number = 0, count = 0;
    for (uint32_t i = 0; i < limit; i++)
        count += endpoint_at(i) != NULL;
    for (uint32_t i = 0; i < limit && count > 0; i++) {
        struct endpoint *endpoint = endpoint_at(i);
        struct connection *connection;
        if (endpoint == NULL)
            continue;
        if (!endpoint_enter_at(endpoint, &connection)) {
            counted.is_busy = counted.is_busy || endpoint_at(i) != NULL;
            continue;
        }
        if (atomic_load(&endpoint->descriptors) > 0 && !connection->wiped) {
            if (connection->slot == NULL && segment == NULL && (segment = segment_make(count)) != NULL)
                segment_hold(segment); /* other threads may close meanwhile what has been moved already */
            if (connection->slot == NULL && segment != NULL && number < count)
                move_to(endpoint, connection, segment, number++);
            if (connection->slot != NULL) {
                connection->holder_count++;
                endpoint->promised = mark;
            }
        }
        endpoint_leave(connection);
    }
    if (segment != NULL)
        segment_leave(segment);
}

/* After a fork that has failed: those that it has counted. */
static void unshare_all(uint32_t mark)
{
    for (uint32_t i = 0; i < endpoint_limit(); i++) {
        struct endpoint *endpoint = endpoint_at(i);
        struct connection *connection;
        if (endpoint == NULL || !endpoint_enter_at(endpoint, &connection))
            continue;
        if (is_marked(endpoint, mark) && connection->slot != NULL && connection->holder_count > 1) {
            connection->holder_count--;
            endpoint->promised = 0;
        }
        endpoint_leave(connection);
    }
}

static bool is_same(struct holder one, struct holder other)
{
    return one.pid == other.pid && one.space == other.space;
}

/* Where this holder is written down, or one that is nobody's; NULL: nowhere. */
static struct holder *find(struct connection *connection, struct holder holder)
{
    for (int i = 0; i < CONNECTION_HOLDERS; i++)
        if (is_same(connection->holders[i], holder))
            return &connection->holders[i];
    return NULL;
}

static struct holder this_process(void)
{
    return (struct holder){process_id(), process_thread().space};
}

/* Writes `to` where `from` stands. False: it stands nowhere. */
static bool replace(struct connection *connection, struct holder from, struct holder to)
{
    struct holder *holder = find(connection, from);
    if (holder != NULL)
        *holder = to;
    return holder != NULL;
}

void share_join(struct connection *connection)
{
    (void)replace(connection, (struct holder){0}, this_process());
}

static void close_hidden(int fd)
{
    const uint32_t generation = endpoint_next_generation();
    if (!endpoint_unhide(fd, generation))
        return;
    (void)raw_syscall(SYS_close, fd);
    endpoint_vacate(fd, generation);
}

/*
 * This process has no part in the connection, whose memory a fork has wiped or whose last holder has let go of it.
 * From here on it is a private one that fails every call, and closing it is a close(2), nothing more. Locked.
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
 * In a child: it holds the connection from now on, or has no part in it. `is_expected`: the parent has announced
 * this child. Locked.
 */
static void take_part(struct endpoint *endpoint, struct connection *connection, bool is_expected)
{
    if (connection->wiped)
        return;
    const bool is_counted = is_expected && is_marked(endpoint, counted.mark);
    if (connection->slot == NULL || (!is_counted && connection->holder_count == 0)) {
        disown(endpoint, connection);
        return;
    }
    if (!is_counted)
        connection->holder_count++;
    share_join(connection);
}

/* In a child: a number that another thread of the parent's was just closing or opening may be none here. Locked. */
static void drop_strangers(struct endpoint *endpoint, struct connection *connection)
{
    if (endpoint_drop_strangers(endpoint) > 0) {
        endpoint_leave(connection);
        return;
    }
    if (!connection->wiped)
        (void)share_release(connection);
    endpoint_free(endpoint, connection);
}

static void after_fork_in_child(enum process_fork kind)
{
    const bool is_expected = kind != PROCESS_FORK_UNSEEN, is_idle = is_expected && !counted.is_busy;
    counted.depth = 0;
    background_forget(kind == PROCESS_FORK_LIBC || (kind == PROCESS_FORK_RAW && background_may_go_on()));
    endpoint_after_fork(is_idle);
    if (is_idle)
        connection_free_buffers();
    forget_spare();
    endpoint_end_exec();
    endpoint_forget_calls();
    endpoint_end_closing();
    for (uint32_t i = 0; i < endpoint_limit(); i++) {
        struct endpoint *endpoint = endpoint_at(i);
        struct connection *connection;
        if (endpoint == NULL)
            continue;
        const bool is_hidden = atomic_load(&endpoint->descriptors) == 0; /* the parent's, on its way out */
        if (is_hidden)
            close_hidden(atomic_load(&endpoint->fd));
        if (!endpoint_enter_at(endpoint, &connection))
            continue;
        if (is_hidden) {
            endpoint_free(endpoint, connection);
        } else {
            take_part(endpoint, connection, is_expected);
            drop_strangers(endpoint, connection);
        }
    }
}

static void before_fork(enum process_fork kind)
{
    if (kind == PROCESS_FORK_RAW)
        background_settle();
    const uint32_t mark = atomic_fetch_add(&last_mark, 1) + 1;
    if (counted.depth++ == 0) {
        counted.mark = mark;
        counted.is_busy = fork_lock_is_blocked_here();
    }
    if (atomic_load(&endpoint_count) > 0)
        share_all(mark);
}

static void after_fork_in_parent(bool failed)
{
    counted.depth--;
    if (failed)
        unshare_all(counted.depth == 0 ? counted.mark : atomic_load(&last_mark));
}

const struct process_observer share_process_observer = {before_fork, after_fork_in_parent, after_fork_in_child};

/* Strikes out this process (`own`) and those that are gone. */
static void strike_out(struct connection *connection, bool own)
{
    for (int i = 0; i < CONNECTION_HOLDERS; i++) {
        struct holder *holder = &connection->holders[i];
        if (holder->pid == 0)
            continue;
        if (is_same(*holder, this_process())) {
            if (own)
                *holder = (struct holder){0};
        } else if (handoff_is_holder(*holder) ? handoff_is_gone(*holder)
                                              : process_is_dead(holder->pid, holder->space)) {
            *holder = (struct holder){0};
            if (connection->holder_count > 0)
                connection->holder_count--;
        }
    }
}

bool share_release(struct connection *connection)
{
    if (connection->slot == NULL)
        return false;
    connection->holder_count--;
    strike_out(connection, true);
    return connection->holder_count > 0;
}

bool share_is_alone(struct connection *connection)
{
    if (connection->slot != NULL)
        strike_out(connection, false);
    return connection->slot == NULL || connection->holder_count <= 1;
}

void share_rejoin(struct connection *connection)
{
    if (find(connection, this_process()) != NULL)
        return;
    connection->holder_count++;
    share_join(connection);
}

bool share_with_handoff(struct endpoint *endpoint, struct connection *connection, struct holder handoff)
{
    if (!share_is_portable(endpoint, connection))
        return false;
    strike_out(connection, false);
    if (!replace(connection, (struct holder){0}, handoff))
        return false;
    connection->holder_count++;
    return true;
}

bool share_pass_to_handoff(struct connection *connection, struct holder handoff)
{
    return replace(connection, this_process(), handoff);
}

void share_take_from_handoff(struct connection *connection, struct holder handoff)
{
    if (!replace(connection, handoff, this_process()))
        share_rejoin(connection);
}

void share_without_handoff(struct connection *connection, struct holder handoff)
{
    if (replace(connection, handoff, (struct holder){0}) && connection->holder_count > 0)
        connection->holder_count--;
}

void share_join_by_handoff(struct connection *connection, struct holder handoff)
{
    if (find(connection, this_process()) != NULL)
        share_without_handoff(connection, handoff);
    else
        share_take_from_handoff(connection, handoff);
}
