/*
 * How an endpoint is made and freed: it gets a block from its pool and private memory for the connection, and is
 * entered into the table of descriptors. This file makes no system calls, except to ask for a socket's identity.
 */
#include "connection/endpoint.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/fork_lock.h"
#include "base/memory.h"
#include "config/snapshot.h"
#include "connection/counting.h"
#include "connection/endpoint_internal.h"
#include "connection/keyexchange.h"

/*
 * Makes an endpoint that has just been taken as new. Another thread may be looking at it still, to find the next
 * one (endpoint_next()): it must see the same index at all times, and no byte that is half written.
 */
static void clear_endpoint(struct endpoint *endpoint, uint32_t index)
{
    const size_t from = offsetof(struct endpoint, segment);
    if (endpoint->index != index) /* it has never been used */
        endpoint->index = index;
    atomic_store(&endpoint->background, BACKGROUND_NONE);
    atomic_store(&endpoint->filter, FILTER_NONE);
    atomic_store(&endpoint->connection, NULL);
    atomic_store(&endpoint->descriptors, 0);
    atomic_store(&endpoint->fd, 0);
    memset((uint8_t *)endpoint + from, 0, sizeof *endpoint - from);
}

/*
 * Takes a free endpoint with private memory for its connection, under `rule` of the newest state. Returns 0,
 * -EMFILE, -ENOMEM or -ESTALE.
 */
static int take_endpoint(int fd, const struct policy_rule *rule, struct endpoint **taken)
{
    if (fd >= FD_TABLE_SIZE)
        return -EMFILE;
    struct snapshot *snapshot = snapshot_acquire_for(rule);
    if (snapshot == NULL)
        return -ESTALE;
    int32_t index = memory_take(&endpoint_pool);
    int32_t block = memory_take(&endpoint_connection_pool);
    if (index < 0 || block < 0) {
        if (index >= 0)
            memory_give(&endpoint_pool, index);
        if (block >= 0)
            memory_give(&endpoint_connection_pool, block);
        snapshot_release(snapshot);
        return -ENOMEM;
    }
    struct endpoint *endpoint = memory_at(&endpoint_pool, index);
    clear_endpoint(endpoint, (uint32_t)index);
    endpoint->block = block;
    endpoint->binding.snapshot = snapshot;
    endpoint->binding.rule = rule != NULL ? (uint16_t)(rule - snapshot->policy->rules) : 0;
    atomic_store(&endpoint->generation, fd_next_generation());
    *taken = endpoint;
    return 0;
}

static void give_endpoint(struct endpoint *endpoint)
{
    snapshot_release(endpoint->binding.snapshot);
    endpoint->binding.snapshot = NULL;
    memory_give(&endpoint_connection_pool, endpoint->block);
    memory_give(&endpoint_pool, (int32_t)endpoint->index);
}

static void rebuild_pools(void)
{
    memory_begin_rebuild(&endpoint_pool);
    memory_begin_rebuild(&endpoint_connection_pool);
    for (const struct endpoint *endpoint = NULL; (endpoint = endpoint_next(endpoint)) != NULL;) {
        memory_keep(&endpoint_pool, (int32_t)endpoint->index);
        memory_keep(&endpoint_connection_pool, endpoint->block);
    }
    memory_end_rebuild(&endpoint_pool);
    memory_end_rebuild(&endpoint_connection_pool);
}

void endpoint_after_fork(bool is_idle)
{
    int count = 0, filtered = 0;
    snapshot_begin_recount();
    for (struct endpoint *endpoint = NULL; (endpoint = endpoint_next(endpoint)) != NULL;) {
        count++;
        filtered += atomic_load(&endpoint->filter) != FILTER_NONE;
        atomic_store(&endpoint->refcount, 0);
        atomic_store(&endpoint->background, BACKGROUND_NONE);
        snapshot_recount(endpoint->binding.snapshot);
    }
    snapshot_end_recount(is_idle);
    atomic_store(&endpoint_count, count);
    atomic_fetch_add(&planes_filtering, filtered - atomic_exchange(&endpoint_filtering, filtered));
    if (is_idle)
        rebuild_pools();
}

/*
 * Enters the endpoint into the table, where other threads find it from then on. `is_new`: the kernel has just given
 * out the number, so whatever the table had for it is out of date. Otherwise another thread may have registered the
 * number already: then the result is false. *before: the word that the table had.
 */
static bool enter_into_table(struct endpoint *endpoint, struct connection *connection, int fd, bool cloexec,
                             bool is_new, uint64_t *before)
{
    const uint64_t word = endpoint_word(endpoint, cloexec);
    atomic_store(&endpoint->descriptors, 1);
    atomic_store(&endpoint->fd, fd);
    if (is_new)
        endpoint_note_socket(endpoint);
    atomic_store(&endpoint->connection, connection);
    if (is_new)
        fd_dropped(fd, fd_table_put(fd, word));
    else if (!fd_table_take(fd, word, before))
        return false;
    else
        fd_dropped(fd, *before);
    atomic_fetch_add(&endpoint_count, 1);
    return true;
}

/* endpoint_open() and endpoint_register(): the connection is in private memory. */
static int open_private(int fd, const struct policy_rule *rule, bool initiator, bool nonblocking, bool cloexec,
                        bool is_new, struct endpoint **opened, struct connection **locked, uint64_t *before)
{
    struct endpoint *endpoint;
    process_block_forks();
    const int error = take_endpoint(fd, rule, &endpoint);
    if (error != 0) {
        process_unblock_forks();
        return error;
    }
    struct connection *connection = memory_at(&endpoint_connection_pool, endpoint->block);
    (void)lock_take(&connection->lock);
    lock_start_again(&connection->lock);
    connection_init(connection, &endpoint->binding, initiator, nonblocking);
    if (!enter_into_table(endpoint, connection, fd, cloexec, is_new, before)) {
        atomic_store(&endpoint->connection, NULL);
        connection_clear(connection);
        lock_release(&connection->lock);
        give_endpoint(endpoint);
        process_unblock_forks();
        return -EALREADY;
    }
    *opened = endpoint;
    *locked = connection;
    process_unblock_forks();
    return 0;
}

int endpoint_open(int fd, const struct policy_rule *rule, bool initiator, bool nonblocking, bool cloexec,
                  struct endpoint **opened, struct connection **locked)
{
    return open_private(fd, rule, initiator, nonblocking, cloexec, true, opened, locked, NULL);
}

int endpoint_register(int fd, const struct policy_rule *rule, bool initiator, bool nonblocking, bool cloexec,
                      struct endpoint **opened, struct connection **locked, uint64_t *note)
{
    return open_private(fd, rule, initiator, nonblocking, cloexec, false, opened, locked, note);
}

int endpoint_open_at(int fd, const struct policy_rule *rule, struct segment *segment, struct connection *slot,
                     bool cloexec, struct endpoint **opened, struct connection **locked)
{
    struct endpoint *endpoint;
    const int error = take_endpoint(fd, rule, &endpoint);
    if (error != 0)
        return error;
    keyexchange_prepare();
    endpoint->segment = segment;
    (void)enter_into_table(endpoint, slot, fd, cloexec, true, NULL);
    *opened = endpoint;
    if (endpoint_enter_at(endpoint, locked))
        return 0;
    const uint32_t generation = fd_next_generation(); /* this is a signal handler, and the call has the lock */
    (void)endpoint_remove(endpoint, fd, generation);
    fd_vacate(fd, generation);
    atomic_store(&endpoint->connection, NULL);
    atomic_fetch_sub(&endpoint_count, 1);
    give_endpoint(endpoint);
    return -EAGAIN;
}

void endpoint_free(struct endpoint *endpoint, struct connection *connection)
{
    /* A thread that has lost the lock may still write there, so the memory is not used again. That is very rare. */
    const bool is_in_use =
        lock_has_late_owner(connection->slot != NULL ? &connection->slot->lock : &connection->lock);
    endpoint_set_filter(endpoint, FILTER_NONE);
    ENDPOINT_RAISE(freed, endpoint);
    atomic_store(&endpoint->connection, NULL);
    atomic_fetch_sub(&endpoint_count, 1);
    counting_end(connection);
    if (endpoint->segment == NULL)
        connection_clear(connection);
    endpoint_leave(connection);
    if (endpoint_is_unreferenced(endpoint))
        ENDPOINT_RAISE(memory_unused, endpoint);
    if (!is_in_use)
        give_endpoint(endpoint);
}
