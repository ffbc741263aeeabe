/*
 * The endpoints behind the table of descriptors. Endpoints are never unmapped and connections are checked again
 * under their lock, so a thread that comes late finds that out instead of a stranger's memory.
 */
#include "connection/endpoint.h"
#include "connection/endpoint_table.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include "connection/memory.h"
#include "connection/process.h"
#include "connection/readiness.h"
#include "connection/share.h"
#include "connection/signals.h"
#include "connection/interest.h"
#include "real/kernel.h"

atomic_int endpoint_count, endpoint_attention;

enum {
    ENDPOINT_PIECE_BYTES = 128,
    CLOSING_PATIENCE_MS = 100, /* between a connection's end here and in the kernel there is one system call */
};
_Static_assert(sizeof(struct endpoint) <= ENDPOINT_PIECE_BYTES, "an endpoint fits its piece of memory");

static struct memory_pool endpoints = {.piece = ENDPOINT_PIECE_BYTES, .per_chunk = 256};
static struct memory_pool connections = {.piece = CONNECTION_PIECE_BYTES, .per_chunk = 64, .secret = true};

struct endpoint *endpoint_of(int fd)
{
    if ((unsigned)fd >= ENDPOINT_FDS)
        return NULL;
    uint32_t index = atomic_load_explicit(&endpoint_table[fd], memory_order_acquire) & ENDPOINT_INDEX;
    return index == 0 ? NULL : memory_at(&endpoints, (int32_t)(index - 1));
}

uint32_t endpoint_limit(void)
{
    return memory_count(&endpoints);
}

struct endpoint *endpoint_at(uint32_t index)
{
    if (atomic_load(&endpoints.chunks[index / endpoints.per_chunk]) == NULL)
        return NULL;
    struct endpoint *endpoint = memory_at(&endpoints, (int32_t)index);
    return atomic_load(&endpoint->connection) != NULL ? endpoint : NULL;
}

/* Another process, or another jump, left the connection in the middle of something. */
static void condemn(struct connection *connection, int fd)
{
    connection_fail(connection, fd, ECONNRESET, "a call on it never came back");
}

static void pause_ms(void)
{
    struct timespec pause = {.tv_nsec = 1000000};
    (void)KERNEL_5(SYS_ppoll, NULL, 0, &pause, NULL, 0);
}

static _Atomic uint32_t executing; /* the thread that is about to exec; 0: none */

void endpoint_begin_exec(void)
{
    uint32_t nobody = 0;
    if (!atomic_compare_exchange_strong(&executing, &nobody, process_thread().id))
        return;
    for (uint32_t i = 0; i < endpoint_limit(); i++) {
        struct endpoint *endpoint = endpoint_at(i);
        struct connection *connection;
        if (endpoint != NULL && endpoint_enter_at(endpoint, &connection))
            endpoint_leave(connection);
    }
}

void endpoint_end_exec(void)
{
    atomic_store(&executing, 0);
}

static struct connection *lock_visited(struct endpoint *endpoint, enum lock_result *result)
{
    for (;;) {
        const uint32_t other = atomic_load_explicit(&executing, memory_order_relaxed);
        if (__builtin_expect(other != 0, false) && other != process_thread().id) {
            pause_ms();
            continue;
        }
        struct connection *here = atomic_load(&endpoint->connection);
        if (here == NULL)
            return NULL;
        *result = lock_take(&here->lock);
        if (*result == LOCK_OWN || atomic_load(&endpoint->connection) == here)
            return here;
        lock_release(&here->lock);
    }
}

/* Locks the endpoint's connection, wherever it is kept by now. NULL: it is free. */
static struct connection *lock_of(struct endpoint *endpoint, enum lock_result *result)
{
    atomic_fetch_add(&endpoint->visitors, 1);
    struct connection *locked = lock_visited(endpoint, result);
    atomic_fetch_sub(&endpoint->visitors, 1);
    return locked;
}

/*
 * A thread that has waited for the lock of a connection which is no longer here takes it for a moment. If the
 * memory went from under it then, other processes would find the lock taken for ever. False: one is still there.
 */
static bool has_no_visitors(const struct endpoint *endpoint)
{
    enum { PATIENCE_MS = 10 };
    for (int i = 0; i < PATIENCE_MS && !process_sandboxed && atomic_load(&endpoint->visitors) > 0; i++)
        pause_ms();
    return atomic_load(&endpoint->visitors) <= 0;
}

/*
 * What is locked, where calls work on it. A child of a fork that nothing announced finds nothing but zeros, and
 * must not go on as if the connection had not been sealed.
 */
static struct connection *fetch(struct endpoint *endpoint, struct connection *locked, enum lock_result result)
{
    struct connection *connection = locked;
    if (endpoint->region != NULL) {
        connection = memory_at(&connections, endpoint->piece);
        connection_fetch(connection, locked);
    } else if (locked->phase == CONNECTION_NONE) {
        locked->rx_index = locked->tx_index = CONNECTION_NO_BUFFER; /* zero is the number of somebody else's */
        connection_lose(locked);
    }
    if (result == LOCK_TAKEN_FROM_DEAD)
        condemn(connection, atomic_load(&endpoint->fd));
    return connection;
}

void endpoint_leave(struct connection *connection)
{
    struct connection *home = connection->home;
    if (home != NULL)
        connection_store(connection);
    lock_release(home != NULL ? &home->lock : &connection->lock);
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

/* Another process has found that its peer does not seal, where the rule allows that. */
static bool is_plain(const struct connection *connection)
{
    return connection->phase == CONNECTION_NONE && connection_rule(connection)->seal == POLICY_SEAL_PREFER;
}

enum endpoint_result endpoint_enter(int fd, struct endpoint **endpoint, struct connection **connection)
{
    if (process_is_unknown())
        share_after_fork_child();
    for (int waited_ms = 0;;) {
        const uint32_t value = atomic_load_explicit(&endpoint_table[fd], memory_order_relaxed);
        const bool closing = (value & ENDPOINT_CLOSING) != 0;
        if ((value & ENDPOINT_HIDDEN) != 0 || (closing && waited_ms == CLOSING_PATIENCE_MS)) {
            errno = EBADF;
            return ENDPOINT_ERROR;
        }
        if (closing) {
            pause_ms();
            waited_ms++;
            continue;
        }
        enum lock_result result;
        *endpoint = endpoint_of(fd);
        struct connection *locked = *endpoint != NULL ? lock_of(*endpoint, &result) : NULL;
        if (locked == NULL)
            return ENDPOINT_NONE;
        if (result == LOCK_OWN) {
            errno = atomic_load(&locked->nonblocking) ? EAGAIN : EDEADLK;
            return ENDPOINT_ERROR;
        }
        if (endpoint_of(fd) != *endpoint) {
            lock_release(&locked->lock);
            continue;
        }
        *connection = fetch(*endpoint, locked, result);
        if (!is_plain(*connection))
            return ENDPOINT_ENTERED;
        endpoint_abandon(*endpoint, *connection);
        return ENDPOINT_NONE;
    }
}

static uint32_t table_value(const struct endpoint *endpoint, bool cloexec)
{
    return (endpoint->index + 1) | (cloexec ? ENDPOINT_CLOEXEC : 0);
}

/* A free endpoint with a piece of private memory. NULL with errno. */
static struct endpoint *take_endpoint(int fd)
{
    if (fd >= ENDPOINT_FDS) {
        errno = EMFILE;
        return NULL;
    }
    int32_t index = memory_take(&endpoints);
    int32_t piece = memory_take(&connections);
    if (index < 0 || piece < 0) {
        if (index >= 0)
            memory_give(&endpoints, index);
        if (piece >= 0)
            memory_give(&connections, piece);
        errno = ENOMEM;
        return NULL;
    }
    struct endpoint *endpoint = memory_at(&endpoints, index);
    memset(endpoint, 0, offsetof(struct endpoint, visitors));
    endpoint->piece = piece;
    endpoint->index = (uint32_t)index;
    return endpoint;
}

/* From here on it is in the table, and other threads find it. */
static void enter_into_table(struct endpoint *endpoint, struct connection *connection, int fd, bool cloexec)
{
    atomic_store(&endpoint->descriptors, 1);
    atomic_store(&endpoint->fd, fd);
    atomic_store(&endpoint->connection, connection);
    atomic_fetch_add(&endpoint_count, 1);
    endpoint_table_put(fd, table_value(endpoint, cloexec));
}

struct connection *endpoint_open(int fd, uint16_t rule, bool initiator, bool nonblocking, bool cloexec,
                                 struct endpoint **opened)
{
    struct endpoint *endpoint = take_endpoint(fd);
    if (endpoint == NULL)
        return NULL;
    struct connection *connection = memory_at(&connections, endpoint->piece);
    (void)lock_take(&connection->lock);
    connection_init(connection, rule, initiator, nonblocking);
    enter_into_table(endpoint, connection, fd, cloexec);
    *opened = endpoint;
    return connection;
}

struct connection *endpoint_open_at(int fd, struct region *region, struct connection *home, bool cloexec,
                                    struct endpoint **opened)
{
    struct endpoint *endpoint = take_endpoint(fd);
    struct connection *connection;
    if (endpoint == NULL)
        return NULL;
    endpoint->region = region;
    enter_into_table(endpoint, home, fd, cloexec);
    *opened = endpoint;
    if (endpoint_enter_at(endpoint, &connection))
        return connection;
    (void)endpoint_remove(endpoint, fd); /* a handler has come in between */
    endpoint_vacate(fd);
    atomic_store(&endpoint->connection, NULL);
    atomic_fetch_sub(&endpoint_count, 1);
    memory_give(&connections, endpoint->piece);
    memory_give(&endpoints, (int32_t)endpoint->index);
    errno = EAGAIN;
    return NULL;
}

void endpoint_add(struct endpoint *endpoint, int copy, bool cloexec)
{
    atomic_fetch_add(&endpoint->descriptors, 1);
    endpoint_table_put(copy, table_value(endpoint, cloexec));
}

int endpoint_remove(struct endpoint *endpoint, int fd)
{
    endpoint_table_put(fd, ENDPOINT_CLOSING);
    int left = atomic_fetch_sub(&endpoint->descriptors, 1) - 1;
    if (left > 0 && atomic_load(&endpoint->fd) == fd)
        atomic_store(&endpoint->fd, endpoint_number(endpoint, 0));
    return left;
}

void endpoint_retire(struct endpoint *endpoint)
{
    for (int fd = endpoint_number(endpoint, 0); fd >= 0; fd = endpoint_number(endpoint, fd + 1))
        endpoint_table_put(fd, ENDPOINT_HIDDEN);
    atomic_store(&endpoint->descriptors, 0);
}

static void set_attention(struct endpoint *endpoint, unsigned attention)
{
    const unsigned before = atomic_exchange(&endpoint->attention, (uint8_t)attention);
    if ((before != ATTENTION_NONE) != (attention != ATTENTION_NONE))
        atomic_fetch_add(&endpoint_attention, attention != ATTENTION_NONE ? 1 : -1);
}

void endpoint_free(struct endpoint *endpoint, struct connection *connection)
{
    set_attention(endpoint, ATTENTION_NONE);
    interest_forget(endpoint);
    atomic_store(&endpoint->connection, NULL);
    atomic_fetch_sub(&endpoint_count, 1);
    if (endpoint->region == NULL)
        connection_clear(connection);
    endpoint_leave(connection);
    if (has_no_visitors(endpoint))
        share_leave(endpoint);
    memory_give(&connections, endpoint->piece);
    memory_give(&endpoints, (int32_t)endpoint->index);
}

void endpoint_abandon(struct endpoint *endpoint, struct connection *connection)
{
    interest_restore(endpoint);
    for (int fd = -1; atomic_load(&endpoint->descriptors) > 0 && (fd = endpoint_number(endpoint, fd + 1)) >= 0;) {
        if (!endpoint_cloexec(fd))
            (void)KERNEL_3(SYS_fcntl, fd, F_SETFD, 0);
        (void)endpoint_remove(endpoint, fd);
        endpoint_vacate(fd);
    }
    endpoint_free(endpoint, connection);
}

void endpoint_hide(struct endpoint *endpoint, int fd)
{
    atomic_store(&endpoint->fd, fd);
    endpoint_table_put(fd, table_value(endpoint, true) | ENDPOINT_HIDDEN);
    set_attention(endpoint, ATTENTION_NONE);
}

static unsigned attention_for(const struct endpoint *endpoint, const struct connection *connection)
{
    if (atomic_load(&endpoint->descriptors) == 0)
        return ATTENTION_NONE; /* nobody waits for it but the background */
    if (handshake_is_under_way(connection))
        return ATTENTION_HANDSHAKE;
    if (connection->phase == CONNECTION_OPEN)
        return ATTENTION_OPEN;
    return ATTENTION_NONE;
}

void endpoint_settle(int fd, const struct connection *connection)
{
    struct endpoint *endpoint = endpoint_of(fd);
    if (endpoint == NULL)
        return;
    const unsigned attention = attention_for(endpoint, connection);
    const bool is_over =
        atomic_load(&endpoint->attention) == ATTENTION_HANDSHAKE && attention != ATTENTION_HANDSHAKE;
    set_attention(endpoint, attention);
    interest_settle(endpoint, connection, is_over);
    if (attention == ATTENTION_HANDSHAKE) {
        readiness_schedule(connection);
        readiness_note(endpoint);
    }
}
