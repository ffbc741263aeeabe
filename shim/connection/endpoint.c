/*
 * How a call finds an endpoint and locks its connection. Another thread may free the endpoint at the same time. So
 * endpoints are never unmapped, and a caller checks under the lock that the endpoint still has the connection and
 * the number still has the endpoint. This file changes no numbers; endpoint_open.c and endpoint_numbers.c do.
 */
#include "connection/endpoint.h"

#include <errno.h>
#include <time.h>

#include "base/memory.h"
#include "base/process.h"
#include "base/raw_syscall.h"
#include "base/signals.h"
#include "base/trace.h"
#include "connection/counting.h"
#include "connection/endpoint_internal.h"
#include "connection/keyexchange.h"

atomic_int endpoint_count;
atomic_int endpoint_filtering;

enum { ENDPOINT_BLOCK_BYTES = 192 };
_Static_assert(sizeof(struct endpoint) <= ENDPOINT_BLOCK_BYTES, "an endpoint fits its block of memory");

MEMORY_TABLE(endpoint_pool);
struct memory_pool endpoint_pool = {.table = &endpoint_pool_table, .block = ENDPOINT_BLOCK_BYTES, .per_chunk = 256};
MEMORY_TABLE(endpoint_connection_pool);
struct memory_pool endpoint_connection_pool = {
    .table = &endpoint_connection_pool_table, .block = CONNECTION_BLOCK_BYTES, .per_chunk = 64, .secret = true};

struct endpoint *endpoint_of_word(uint64_t word)
{
    const uint32_t index = word & FD_WORD_INDEX;
    return index == 0 || (word & (FD_WORD_CLOSING | FD_WORD_FOREIGN)) != 0
               ? NULL
               : memory_at(&endpoint_pool, (int32_t)(index - 1));
}

struct endpoint *endpoint_of(int fd)
{
    if ((unsigned)fd >= FD_TABLE_SIZE)
        return NULL;
    return endpoint_of_word(atomic_load_explicit(&fd_table[fd], memory_order_acquire));
}

struct endpoint *endpoint_at(uint32_t index)
{
    if (atomic_load(&endpoint_pool.table->chunks[index / endpoint_pool.per_chunk]) == NULL)
        return NULL;
    struct endpoint *endpoint = memory_at(&endpoint_pool, (int32_t)index);
    return atomic_load(&endpoint->connection) != NULL ? endpoint : NULL;
}

struct endpoint *endpoint_next(const struct endpoint *previous)
{
    struct endpoint *endpoint = NULL;
    for (uint32_t i = previous != NULL ? previous->index + 1 : 0;
         endpoint == NULL && i < memory_count(&endpoint_pool); i++)
        endpoint = endpoint_at(i);
    return endpoint;
}

struct endpoint *endpoint_enter_next(const struct endpoint *previous, struct connection **connection)
{
    struct endpoint *endpoint = endpoint_next(previous);
    while (endpoint != NULL && !endpoint_enter_at(endpoint, connection))
        endpoint = endpoint_next(endpoint);
    return endpoint;
}

int endpoint_number(const struct endpoint *endpoint, int from)
{
    for (int fd = fd_next((unsigned)from); fd >= 0; fd = fd_next((unsigned)fd + 1))
        if (endpoint_of(fd) == endpoint)
            return fd;
    return -1;
}

/* A thread died with the lock, or left its call by siglongjmp(3): the connection's state cannot be known. */
static void poison(struct connection *connection, int fd)
{
    /*
     * The thread may still live, and only be slow. It goes on with its buffers and gives them back itself: given
     * back twice, they would be two connections' at once. In a shared slot the buffers are this process's own
     * copies.
     */
    if (connection->slot == NULL) {
        connection->rx_plain = (struct span){0};
        connection->rx_index = connection->tx_index = CONNECTION_NO_BUFFER;
        keyexchange_forget(connection);
    }
    connection_fail(connection, fd, ECONNRESET, "a call on it never came back");
}

/*
 * The lock was taken over from a thread that may have gone on since. Whatever it has written, the connection stays
 * failed. Its socket is shut down, so the thread cannot send anything either.
 */
static void fail_again(struct connection *connection)
{
    channel_poison(&connection->channel);
    connection->phase = CONNECTION_FAILED;
    connection->error = ECONNRESET;
    connection->rx_plain = connection->rx_cipher = connection->tx = connection->prehandshake = (struct span){0};
    connection->finishing = false;
    connection->wants = 0;
    if (connection->slot == NULL) { /* as in poison() */
        connection->rx_index = connection->tx_index = CONNECTION_NO_BUFFER;
        keyexchange_forget(connection);
    } else {
        connection_trim(connection);
    }
}

static void pause_ms(void)
{
    struct timespec pause = {.tv_nsec = 1000000};
    (void)raw_syscall(SYS_ppoll, NULL, 0, &pause, NULL, 0);
}

static _Atomic uint32_t executing; /* the id of the thread that is about to exec; 0: none */

void endpoint_begin_exec(void)
{
    uint32_t none = 0;
    if (!atomic_compare_exchange_strong(&executing, &none, process_thread().id))
        return;
    struct connection *connection;
    for (struct endpoint *endpoint = NULL; (endpoint = endpoint_enter_next(endpoint, &connection)) != NULL;)
        endpoint_leave(connection);
}

void endpoint_end_exec(void)
{
    atomic_store(&executing, 0);
}

/* Whether another thread is about to exec. */
static inline bool other_executes(void)
{
    const uint32_t other = atomic_load_explicit(&executing, memory_order_relaxed);
    return __builtin_expect(other != 0, false) && other != process_thread().id;
}

/*
 * As lock_of(). The caller has counted itself in endpoint->refcount, so the connection's memory stays mapped. The
 * second look, with the lock, is the one that counts: endpoint_begin_exec() has taken and released the lock.
 */
static struct connection *lock_referenced(struct endpoint *endpoint, enum lock_result *result)
{
    for (;;) {
        if (other_executes()) {
            pause_ms();
            continue;
        }
        struct connection *connection = atomic_load(&endpoint->connection);
        if (connection == NULL)
            return NULL;
        *result = lock_take(&connection->lock);
        if (*result == LOCK_OWN)
            return connection;
        if (atomic_load(&endpoint->connection) == connection && !(*result == LOCK_TAKEN && other_executes()))
            return connection;
        lock_release(&connection->lock);
    }
}

/*
 * Locks the endpoint's connection, in private memory or in its slot, and returns it. NULL: the endpoint is free.
 * With LOCK_OWN, this thread had the lock before.
 */
static struct connection *lock_of(struct endpoint *endpoint, enum lock_result *result)
{
    atomic_fetch_add(&endpoint->refcount, 1);
    struct connection *locked = lock_referenced(endpoint, result);
    atomic_fetch_sub(&endpoint->refcount, 1);
    return locked;
}

/*
 * A thread that was waiting for the lock of a connection that has left this process takes the lock for a moment. If
 * the shared memory were unmapped meanwhile, the lock would stay taken for other processes. False: a thread is
 * still there.
 */
bool endpoint_is_unreferenced(const struct endpoint *endpoint)
{
    enum { REFERENCES_TIMEOUT_MS = 10 };
    for (int i = 0; i < REFERENCES_TIMEOUT_MS && !process_sandboxed && atomic_load(&endpoint->refcount) > 0; i++)
        pause_ms();
    return atomic_load(&endpoint->refcount) <= 0;
}

/* Another process may have opened or ended a connection that several have. */
static void follow(struct connection *connection, const struct endpoint *endpoint)
{
    if (connection->phase == CONNECTION_OPEN)
        counting_begin(connection, endpoint);
    else
        counting_end(connection);
}

/*
 * Returns the locked connection in private memory. In a child of a fork that the shim did not see, the memory is
 * wiped. Such a connection fails; it must not pass for one that was never sealed.
 */
static struct connection *fetch(struct endpoint *endpoint, struct connection *locked, enum lock_result result)
{
    struct connection *connection = locked;
    if (endpoint->segment != NULL) {
        connection = memory_at(&endpoint_connection_pool, endpoint->block);
        connection_fetch(connection, locked, &endpoint->binding);
    } else if (locked->phase == CONNECTION_NONE) {
        locked->rx_index = locked->tx_index = CONNECTION_NO_BUFFER; /* 0 would be another connection's buffer */
        locked->binding = &endpoint->binding;
        connection_lose(locked);
        locked->wiped = true;
    }
    if (result == LOCK_TAKEN_FROM_DEAD)
        poison(connection, atomic_load(&endpoint->fd));
    if (lock_was_taken_over(&locked->lock))
        fail_again(connection);
    if (endpoint->segment != NULL)
        follow(connection, endpoint);
    return connection;
}

void endpoint_leave(struct connection *connection)
{
    struct connection *slot = connection->slot;
    if (slot != NULL && (!lock_was_taken_over(&slot->lock) || lock_is_held_here(&slot->lock)))
        connection_store(connection);
    lock_release(slot != NULL ? &slot->lock : &connection->lock);
    signals_release();
}

bool endpoint_enter_at(struct endpoint *endpoint, struct connection **connection)
{
    enum lock_result result;
    struct connection *locked = lock_of(endpoint, &result);
    if (locked == NULL || result == LOCK_OWN)
        return false;
    *connection = fetch(endpoint, locked, result);
    return true;
}

/* As lock_of(), without waiting. NULL: it is free, or it is locked. */
static struct connection *try_lock_of(struct endpoint *endpoint)
{
    struct connection *locked = NULL;
    atomic_fetch_add(&endpoint->refcount, 1); /* the memory stays mapped, see endpoint_is_unreferenced() */
    struct connection *connection = atomic_load(&endpoint->connection);
    if (connection != NULL && lock_try(&connection->lock)) {
        if (atomic_load(&endpoint->connection) == connection)
            locked = connection;
        else
            lock_release(&connection->lock);
    }
    atomic_fetch_sub(&endpoint->refcount, 1);
    return locked;
}

bool endpoint_try_at(struct endpoint *endpoint, struct connection **connection)
{
    struct connection *locked = try_lock_of(endpoint);
    if (locked == NULL)
        return false;
    *connection = fetch(endpoint, locked, LOCK_TAKEN);
    return true;
}

bool endpoint_is_locked_here(const struct endpoint *endpoint)
{
    const struct connection *connection = atomic_load(&endpoint->connection);
    return connection != NULL && lock_is_held_here(&connection->lock);
}

struct connection *endpoint_private(const struct endpoint *endpoint)
{
    return memory_at(&endpoint_connection_pool, endpoint->block);
}

/* Whether another process has found that the peer does not seal, and the rule allows that. */
static bool is_plain(const struct connection *connection)
{
    return connection->phase == CONNECTION_NONE && connection_rule(connection)->seal == POLICY_SEAL_PREFER;
}

bool endpoint_enter_again(struct endpoint *endpoint, uint32_t generation, struct connection **connection)
{
    if (!endpoint_enter_at(endpoint, connection))
        return false;
    if (atomic_load(&endpoint->generation) == generation)
        return true;
    endpoint_leave(*connection);
    return false;
}

/* Whether the table still has the word for `fd` that it had before the lock was taken. */
static bool is_unchanged(int fd, uint64_t word)
{
    return fd_word_identity(atomic_load(&fd_table[fd])) == fd_word_identity(word);
}

/*
 * Locks the connection to which `word` leads. The table had the word for `fd`. False: the word has changed, or the
 * endpoint has been freed and the word is about to change. The caller reads the word again.
 */
static bool lock_by_word(int fd, uint64_t word, struct endpoint **endpoint, struct connection **locked,
                         enum lock_result *result)
{
    *endpoint = endpoint_of_word(word);
    *locked = *endpoint != NULL ? lock_of(*endpoint, result) : NULL;
    if (*locked == NULL)
        return false;
    if (is_unchanged(fd, word))
        return true;
    if (*result != LOCK_OWN)
        lock_release(&(*locked)->lock);
    return false;
}

int endpoint_enter(int fd, struct endpoint **endpoint, struct connection **connection)
{
    enum { ATTEMPTS_MAX = 100000 }; /* more than ever needed: no number keeps the word of a free endpoint */
    process_check();
    for (int attempt = 0; fd_is_known(fd); attempt++) {
        enum lock_result result;
        struct connection *locked;
        const uint64_t word = fd_settled_word(fd);
        if (word == 0 || (word & FD_WORD_FOREIGN) != 0)
            break;
        if ((word & (FD_WORD_HIDDEN | FD_WORD_CLOSING)) != 0 || attempt == ATTEMPTS_MAX)
            return -EBADF;
        if (!lock_by_word(fd, word, endpoint, &locked, &result))
            continue;
        if (result == LOCK_OWN)
            return atomic_load(&locked->nonblocking) ? -EAGAIN : -EDEADLK;
        *connection = fetch(*endpoint, locked, result);
        if (!is_plain(*connection))
            return ENDPOINT_ENTERED;
        endpoint_abandon(*endpoint, *connection);
    }
    return ENDPOINT_NONE;
}

/* A fork may come between the two steps: in the child, planes_filtering is never too small. */
void endpoint_set_filter(struct endpoint *endpoint, unsigned filter)
{
    const unsigned before = atomic_exchange(&endpoint->filter, (uint8_t)filter);
    if (before == FILTER_NONE && filter != FILTER_NONE) {
        atomic_fetch_add(&planes_filtering, 1);
        atomic_fetch_add(&endpoint_filtering, 1);
    } else if (before != FILTER_NONE && filter == FILTER_NONE) {
        atomic_fetch_sub(&endpoint_filtering, 1);
        atomic_fetch_sub(&planes_filtering, 1);
    }
}

static unsigned filter_for(const struct endpoint *endpoint, const struct connection *connection)
{
    if (atomic_load(&endpoint->descriptors) == 0)
        return FILTER_NONE; /* only the background thread waits for it */
    if (handshake_is_under_way(connection))
        return FILTER_HANDSHAKE;
    if (connection->phase == CONNECTION_OPEN)
        return FILTER_OPEN;
    return FILTER_NONE;
}

void endpoint_update(int fd, const struct connection *connection)
{
    struct endpoint *endpoint = endpoint_of(fd);
    if (endpoint == NULL)
        return;
    const unsigned filter = filter_for(endpoint, connection);
    const bool completed = atomic_load(&endpoint->filter) == FILTER_HANDSHAKE && filter != FILTER_HANDSHAKE;
    endpoint_set_filter(endpoint, filter);
    TRACE(HANDSHAKE, connection_phase_name(connection), fd, "generation", atomic_load(&endpoint->generation));
    ENDPOINT_RAISE(changed, endpoint, connection, completed);
}
