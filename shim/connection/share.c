/*
 * A region is one mapping for all connections of one fork. It goes when the last of them is closed here; the other
 * processes have mappings of their own of the same memory.
 */
#include "connection/share.h"

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "connection/background.h"
#include "connection/memory.h"
#include "connection/process.h"
#include "real/kernel.h"

enum {
    PIECE_BYTES = CONNECTION_PIECE_BYTES + 2 * CONNECTION_BUFFER_BYTES,
    REGION_PIECE_BYTES = 64,
};

struct region {
    uint8_t *base;
    size_t bytes;
    atomic_uint live; /* connections of this process in it */
    int32_t index;
};
_Static_assert(sizeof(struct region) <= REGION_PIECE_BYTES, "a region fits its piece of memory");

static struct memory_pool regions = {.piece = REGION_PIECE_BYTES, .per_chunk = 64};

static struct region *region_make(uint32_t count)
{
    int32_t index = memory_take(&regions);
    if (index < 0)
        return NULL;
    struct region *region = memory_at(&regions, index);
    *region = (struct region){.bytes = (size_t)count * PIECE_BYTES, .index = index};
    region->base = memory_share(region->bytes);
    if (region->base == NULL) {
        memory_give(&regions, index);
        return NULL;
    }
    return region;
}

static void region_drop(struct region *region)
{
    if (!process_sandboxed)
        memory_unshare(region->base, region->bytes);
    memory_give(&regions, region->index);
}

void share_leave(struct endpoint *endpoint)
{
    struct region *region = endpoint->region;
    endpoint->region = NULL;
    if (region != NULL && atomic_fetch_sub(&region->live, 1) == 1)
        region_drop(region);
}

/* The connection, which lies in private memory, is kept at place `number` of the region from now on. It stays
 * locked. */
static void move_to(struct endpoint *endpoint, struct connection *connection, struct region *region,
                    uint32_t number)
{
    struct connection *home = (void *)(region->base + (size_t)number * PIECE_BYTES);
    (void)lock_take(&home->lock);
    connection->home = home;
    endpoint->region = region;
    atomic_fetch_add(&region->live, 1);
    atomic_store(&endpoint->connection, home);
    lock_release(&connection->lock);
}

bool share_connection(struct endpoint *endpoint, struct connection *connection)
{
    if (connection->home == NULL) {
        struct region *region = region_make(1);
        if (region == NULL)
            return false;
        move_to(endpoint, connection, region, 0);
    }
    connection->holder_count++;
    return true;
}

/* A connection in the middle of something, which is this thread's own if the fork comes from a signal handler,
 * stays private: the child will find it gone. */
void share_before_fork(void)
{
    const uint32_t limit = endpoint_limit();
    struct region *region = NULL;
    uint32_t number = 0, count = 0;
    for (uint32_t i = 0; i < limit; i++)
        count += endpoint_at(i) != NULL;
    for (uint32_t i = 0; i < limit && count > 0; i++) {
        struct endpoint *endpoint = endpoint_at(i);
        struct connection *connection;
        if (endpoint == NULL || !endpoint_enter_at(endpoint, &connection))
            continue;
        if (atomic_load(&endpoint->descriptors) > 0) {
            if (connection->home == NULL && region == NULL)
                region = region_make(count);
            if (connection->home == NULL && region != NULL && number < count)
                move_to(endpoint, connection, region, number++);
            if (connection->home != NULL)
                connection->holder_count++;
        }
        endpoint_leave(connection);
    }
    if (region != NULL && number == 0)
        region_drop(region);
}

void share_fork_failed(void)
{
    for (uint32_t i = 0; i < endpoint_limit(); i++) {
        struct endpoint *endpoint = endpoint_at(i);
        struct connection *connection;
        if (endpoint == NULL || !endpoint_enter_at(endpoint, &connection))
            continue;
        if (connection->home != NULL && connection->holder_count > 1)
            connection->holder_count--;
        endpoint_leave(connection);
    }
}

void share_join(struct connection *connection)
{
    for (int i = 0; i < CONNECTION_HOLDERS; i++)
        if (connection->holders[i].pid == 0) {
            connection->holders[i] = (struct holder){process_id(), process_thread().space};
            return;
        }
}

void share_after_fork_child(void)
{
    process_adopt();
    background_forget();
    endpoint_end_exec();
    for (uint32_t i = 0; i < endpoint_limit(); i++) {
        struct endpoint *endpoint = endpoint_at(i);
        struct connection *connection;
        if (endpoint == NULL)
            continue;
        atomic_store(&endpoint->in_background, false);
        if (atomic_load(&endpoint->descriptors) == 0) { /* the parent's, on its way out */
            int fd = atomic_load(&endpoint->fd);
            endpoint_unhide(fd);
            (void)KERNEL_1(SYS_close, fd);
            endpoint_vacate(fd);
            if (endpoint_enter_at(endpoint, &connection))
                endpoint_free(endpoint, connection);
        } else if (endpoint_enter_at(endpoint, &connection)) {
            if (connection->home != NULL)
                share_join(connection);
            endpoint_leave(connection);
        }
    }
}

/* Strikes out this process (`own`) and those that are gone. */
static void strike_out(struct connection *connection, bool own)
{
    const uint32_t space = process_thread().space;
    for (int i = 0; i < CONNECTION_HOLDERS; i++) {
        struct holder *holder = &connection->holders[i];
        if (holder->pid == 0)
            continue;
        if (holder->pid == process_id() && holder->space == space) {
            if (own)
                *holder = (struct holder){0};
        } else if (process_is_dead(holder->pid, holder->space)) {
            *holder = (struct holder){0};
            if (connection->holder_count > 0)
                connection->holder_count--;
        }
    }
}

bool share_release(struct connection *connection)
{
    if (connection->home == NULL)
        return false;
    connection->holder_count--;
    strike_out(connection, true);
    return connection->holder_count > 0;
}

bool share_is_alone(struct connection *connection)
{
    if (connection->home != NULL)
        strike_out(connection, false);
    return connection->home == NULL || connection->holder_count <= 1;
}

void share_rejoin(struct connection *connection)
{
    for (int i = 0; i < CONNECTION_HOLDERS; i++)
        if (connection->holders[i].pid == process_id() && connection->holders[i].space == process_thread().space)
            return;
    connection->holder_count++;
    share_join(connection);
}

static void before(void)
{
    if (atomic_load(&endpoint_count) > 0)
        share_before_fork();
}

int share_start(void)
{
    if (process_start() != 0)
        return -1;
    int error = pthread_atfork(before, NULL, share_after_fork_child);
    if (error == 0)
        return 0;
    errno = error;
    return -1;
}
