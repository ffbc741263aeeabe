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
#include <sys/stat.h>
#include <time.h>

#include "base/fork_lock.h"
#include "base/memory.h"
#include "base/process.h"
#include "readiness/readiness.h"
#include "transfer/share.h"
#include "base/signals.h"
#include "readiness/registration.h"
#include "base/socket_cookie.h"
#include "base/raw_syscall.h"

atomic_int endpoint_count, endpoint_filtered;

enum { ENDPOINT_PIECE_BYTES = 192 };
_Static_assert(sizeof(struct endpoint) <= ENDPOINT_PIECE_BYTES, "an endpoint fits its piece of memory");

static struct memory_pool endpoints = {.piece = ENDPOINT_PIECE_BYTES, .per_chunk = 256};
static struct memory_pool connections = {.piece = CONNECTION_BLOCK_BYTES, .per_chunk = 64, .secret = true};

static struct endpoint *endpoint_in(uint64_t word)
{
    const uint32_t index = word & ENDPOINT_INDEX;
    return index == 0 || (word & (ENDPOINT_CLOSING | ENDPOINT_FOREIGN)) != 0
               ? NULL
               : memory_at(&endpoints, (int32_t)(index - 1));
}

struct endpoint *endpoint_of(int fd)
{
    if ((unsigned)fd >= ENDPOINT_FDS)
        return NULL;
    return endpoint_in(atomic_load_explicit(&endpoint_table[fd], memory_order_acquire));
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
    (void)raw_syscall(SYS_ppoll, NULL, 0, &pause, NULL, 0);
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
    atomic_fetch_add(&endpoint->refcount, 1);
    struct connection *locked = lock_visited(endpoint, result);
    atomic_fetch_sub(&endpoint->refcount, 1);
    return locked;
}

/*
 * A thread that has waited for the lock of a connection which is no longer here takes it for a moment. If the
 * memory went from under it then, other processes would find the lock taken for ever. False: one is still there.
 */
static bool is_unreferenced(const struct endpoint *endpoint)
{
    enum { PATIENCE_MS = 10 };
    for (int i = 0; i < PATIENCE_MS && !process_sandboxed && atomic_load(&endpoint->refcount) > 0; i++)
        pause_ms();
    return atomic_load(&endpoint->refcount) <= 0;
}

/*
 * What is locked, where calls work on it. A child of a fork that nothing announced finds nothing but zeros, and
 * must not go on as if the connection had not been sealed.
 */
static struct connection *fetch(struct endpoint *endpoint, struct connection *locked, enum lock_result result)
{
    struct connection *connection = locked;
    if (endpoint->segment != NULL) {
        connection = memory_at(&connections, endpoint->piece);
        connection_fetch(connection, locked);
    } else if (locked->phase == CONNECTION_NONE) {
        locked->rx_index = locked->tx_index = CONNECTION_NO_BUFFER; /* zero is the number of somebody else's */
        connection_lose(locked);
        locked->wiped = true;
    }
    if (result == LOCK_TAKEN_FROM_DEAD)
        condemn(connection, atomic_load(&endpoint->fd));
    return connection;
}

void endpoint_leave(struct connection *connection)
{
    struct connection *slot = connection->slot;
    if (slot != NULL)
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

/* Another process has found that its peer does not seal, where the rule allows that. */
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

/* The table still says of `fd` what it did before the lock was taken. */
static bool is_unchanged(int fd, uint64_t word)
{
    return endpoint_table_identity(atomic_load(&endpoint_table[fd])) == endpoint_table_identity(word);
}

/*
 * Locks the connection that `word`, which the table has for `fd`, says. False: it does not have it any more, or is
 * just about to: look again.
 */
static bool lock_by_word(int fd, uint64_t word, struct endpoint **endpoint, struct connection **locked,
                         enum lock_result *result)
{
    *endpoint = endpoint_in(word);
    *locked = *endpoint != NULL ? lock_of(*endpoint, result) : NULL;
    if (*locked == NULL)
        return false;
    if (is_unchanged(fd, word))
        return true;
    if (*result != LOCK_OWN)
        lock_release(&(*locked)->lock);
    return false;
}

enum endpoint_result endpoint_enter(int fd, struct endpoint **endpoint, struct connection **connection)
{
    enum { LOOKS_MOST = 100000 }; /* no number keeps a free endpoint: each look is at a newer word */
    process_check();
    for (int looks = 0; endpoint_is_known(fd); looks++) {
        enum lock_result result;
        struct connection *locked;
        const uint64_t word = endpoint_settled_word(fd);
        if (word == 0 || (word & ENDPOINT_FOREIGN) != 0)
            break;
        if ((word & (ENDPOINT_HIDDEN | ENDPOINT_CLOSING)) != 0 || looks == LOOKS_MOST) {
            errno = EBADF;
            return ENDPOINT_ERROR;
        }
        if (!lock_by_word(fd, word, endpoint, &locked, &result))
            continue;
        if (result == LOCK_OWN) {
            errno = atomic_load(&locked->nonblocking) ? EAGAIN : EDEADLK;
            return ENDPOINT_ERROR;
        }
        *connection = fetch(*endpoint, locked, result);
        if (!is_plain(*connection))
            return ENDPOINT_ENTERED;
        endpoint_abandon(*endpoint, *connection);
    }
    return ENDPOINT_NONE;
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
    const size_t kept = offsetof(struct endpoint, connection);
    memset((uint8_t *)endpoint + kept, 0, sizeof *endpoint - kept);
    endpoint->piece = piece;
    endpoint->index = (uint32_t)index;
    atomic_store(&endpoint->generation, endpoint_next_generation());
    return endpoint;
}

static void give_endpoint(struct endpoint *endpoint)
{
    memory_give(&connections, endpoint->piece);
    memory_give(&endpoints, (int32_t)endpoint->index);
}

static void rebuild_pools(void)
{
    memory_begin_rebuild(&endpoints);
    memory_begin_rebuild(&connections);
    for (uint32_t i = 0; i < endpoint_limit(); i++) {
        const struct endpoint *endpoint = endpoint_at(i);
        if (endpoint == NULL)
            continue;
        memory_keep(&endpoints, (int32_t)i);
        memory_keep(&connections, endpoint->piece);
    }
    memory_end_rebuild(&endpoints);
    memory_end_rebuild(&connections);
}

void endpoint_after_fork(bool is_idle)
{
    int count = 0, filtered = 0;
    for (uint32_t i = 0; i < endpoint_limit(); i++) {
        struct endpoint *endpoint = endpoint_at(i);
        if (endpoint == NULL)
            continue;
        count++;
        filtered += atomic_load(&endpoint->attention) != FILTER_NONE;
        atomic_store(&endpoint->refcount, 0);
        atomic_store(&endpoint->background, BACKGROUND_NONE);
    }
    atomic_store(&endpoint_count, count);
    atomic_store(&endpoint_filtered, filtered);
    if (is_idle)
        rebuild_pools();
}

/*
 * The kernel has given out a number that stands for another connection here: it was closed where we did not see it
 * (a system call of the program's own). That connection has one number less.
 */
static void forget_number(uint64_t word, int fd)
{
    struct endpoint *endpoint =
        (word & (ENDPOINT_CLOSING | ENDPOINT_HIDDEN | ENDPOINT_FOREIGN)) == 0 ? endpoint_in(word) : NULL;
    if (endpoint == NULL || atomic_load(&endpoint->generation) != endpoint_note_id(word))
        return;
    if (atomic_fetch_sub(&endpoint->descriptors, 1) > 1)
        atomic_store(&endpoint->fd, endpoint_number(endpoint, 0));
    else if (atomic_load(&endpoint->fd) == fd)
        atomic_store(&endpoint->fd, -1);
}

/*
 * What tells a socket from all others: the kernel's number for it, or where it does not have one (before
 * Linux 4.12) its inode's. 0: it is no socket, or not open.
 */
static uint64_t identity(int fd)
{
    const uint64_t by_inode = UINT64_C(1) << 63;
    struct stat status = {0};
    const uint64_t cookie = socket_cookie(fd, SO_COOKIE);
    if (cookie != 0)
        return cookie;
    return raw_syscall(SYS_fstat, fd, &status) == 0 && S_ISSOCK(status.st_mode) ? by_inode | status.st_ino : 0;
}

uint32_t endpoint_socket_id(int fd)
{
    const uint32_t id = process_sandboxed ? endpoint_note_id(endpoint_note_of(fd)) : (uint32_t)identity(fd);
    return id != 0 ? id : endpoint_next_generation();
}

void endpoint_note_socket(struct endpoint *endpoint)
{
    endpoint->cookie = process_sandboxed ? 0 : identity(atomic_load(&endpoint->fd));
}

/*
 * From here on it is in the table, and other threads find it. `is_given`: by the kernel, just now, so that whatever
 * the table says is over. Else false is possible: another thread has registered the number.
 */
static bool enter_into_table(struct endpoint *endpoint, struct connection *connection, int fd, bool cloexec,
                             bool is_given, uint64_t *before)
{
    const uint64_t word = endpoint_table_word(endpoint, cloexec);
    atomic_store(&endpoint->descriptors, 1);
    atomic_store(&endpoint->fd, fd);
    endpoint_note_socket(endpoint);
    atomic_store(&endpoint->connection, connection);
    if (is_given)
        forget_number(endpoint_table_put(fd, word), fd);
    else if (!endpoint_table_take(fd, word, before))
        return false;
    atomic_fetch_add(&endpoint_count, 1);
    return true;
}

static struct connection *open_private(int fd, uint16_t rule, bool initiator, bool nonblocking, bool cloexec,
                                       bool is_given, struct endpoint **opened, uint64_t *before)
{
    process_block_forks();
    struct endpoint *endpoint = take_endpoint(fd);
    if (endpoint == NULL) {
        process_unblock_forks();
        return NULL;
    }
    struct connection *connection = memory_at(&connections, endpoint->piece);
    (void)lock_take(&connection->lock);
    connection_init(connection, rule, initiator, nonblocking);
    if (!enter_into_table(endpoint, connection, fd, cloexec, is_given, before)) {
        atomic_store(&endpoint->connection, NULL);
        connection_clear(connection);
        lock_release(&connection->lock);
        give_endpoint(endpoint);
        process_unblock_forks();
        errno = EALREADY;
        return NULL;
    }
    *opened = endpoint;
    process_unblock_forks();
    return connection;
}

struct connection *endpoint_open(int fd, uint16_t rule, bool initiator, bool nonblocking, bool cloexec,
                                 struct endpoint **opened)
{
    return open_private(fd, rule, initiator, nonblocking, cloexec, true, opened, NULL);
}

struct connection *endpoint_register(int fd, uint16_t rule, bool initiator, bool nonblocking, bool cloexec,
                                     struct endpoint **opened, uint64_t *note)
{
    return open_private(fd, rule, initiator, nonblocking, cloexec, false, opened, note);
}

struct connection *endpoint_open_at(int fd, struct segment *segment, struct connection *slot, bool cloexec,
                                    struct endpoint **opened)
{
    struct endpoint *endpoint = take_endpoint(fd);
    struct connection *connection;
    if (endpoint == NULL)
        return NULL;
    endpoint->segment = segment;
    (void)enter_into_table(endpoint, slot, fd, cloexec, true, NULL);
    *opened = endpoint;
    if (endpoint_enter_at(endpoint, &connection))
        return connection;
    const uint32_t generation = endpoint_next_generation(); /* a handler has come in between */
    (void)endpoint_remove(endpoint, fd, generation);
    endpoint_vacate(fd, generation);
    atomic_store(&endpoint->connection, NULL);
    atomic_fetch_sub(&endpoint_count, 1);
    give_endpoint(endpoint);
    errno = EAGAIN;
    return NULL;
}

void endpoint_add(struct endpoint *endpoint, int copy, bool cloexec)
{
    atomic_fetch_add(&endpoint->descriptors, 1);
    forget_number(endpoint_table_put(copy, endpoint_table_word(endpoint, cloexec)), copy);
}

bool endpoint_has_socket(const struct endpoint *endpoint, int fd)
{
    return process_sandboxed || (endpoint->cookie != 0 && identity(fd) == endpoint->cookie);
}

bool endpoint_add_noted(struct endpoint *endpoint, int copy, uint64_t word)
{
    if (!endpoint_has_socket(endpoint, copy) ||
        !endpoint_table_exchange(copy, word, endpoint_table_word(endpoint, true)))
        return false; /* or it is being closed, or replaced */
    atomic_fetch_add(&endpoint->descriptors, 1);
    const long flags = raw_syscall(SYS_fcntl, copy, F_GETFD, 0);
    (void)raw_syscall(SYS_fcntl, copy, F_SETFD, FD_CLOEXEC);
    (void)endpoint_set_cloexec(copy, flags < 0 || (flags & FD_CLOEXEC) != 0);
    return true;
}

int endpoint_remove(struct endpoint *endpoint, int fd, uint32_t generation)
{
    (void)endpoint_table_exchange(fd, endpoint_table_word(endpoint, false), endpoint_table_closing(generation));
    int left = atomic_fetch_sub(&endpoint->descriptors, 1) - 1;
    if (left > 0 && atomic_load(&endpoint->fd) == fd)
        atomic_store(&endpoint->fd, endpoint_number(endpoint, 0));
    return left;
}

void endpoint_retire(struct endpoint *endpoint)
{
    for (int fd = endpoint_number(endpoint, 0); fd >= 0; fd = endpoint_number(endpoint, fd + 1))
        (void)endpoint_table_put(fd, ENDPOINT_HIDDEN);
    atomic_store(&endpoint->descriptors, 0);
}

static void set_filter(struct endpoint *endpoint, unsigned attention)
{
    const unsigned before = atomic_exchange(&endpoint->attention, (uint8_t)attention);
    if ((before != FILTER_NONE) != (attention != FILTER_NONE))
        atomic_fetch_add(&endpoint_filtered, attention != FILTER_NONE ? 1 : -1);
}

void endpoint_free(struct endpoint *endpoint, struct connection *connection)
{
    set_filter(endpoint, FILTER_NONE);
    registration_forget(endpoint);
    atomic_store(&endpoint->connection, NULL);
    atomic_fetch_sub(&endpoint_count, 1);
    if (endpoint->segment == NULL)
        connection_clear(connection);
    endpoint_leave(connection);
    if (is_unreferenced(endpoint))
        share_leave(endpoint);
    give_endpoint(endpoint);
}

/* The kernel says so. What it does not say is no. */
static bool is_unconnected(int fd)
{
    struct sockaddr_in6 peer;
    socklen_t length = sizeof peer;
    return raw_syscall(SYS_getpeername, fd, &peer, &length) == -ENOTCONN;
}

void endpoint_abandon(struct endpoint *endpoint, struct connection *connection)
{
    const uint32_t generation = endpoint_next_generation();
    const int last = atomic_load(&endpoint->fd);
    if (connection_rule(connection)->seal == POLICY_SEAL_REQUIRE) {
        if (connection_is_dialled(connection) || !is_unconnected(last)) {
            connection_fail(connection, last, ECONNRESET, "it cannot be sealed, and must not be plain");
            endpoint_leave(connection);
            return;
        }
        if (connection->phase == CONNECTION_NONE)
            connection->phase = CONNECTION_CONNECTING; /* to another process, whose descriptor may be another */
        (void)share_release(connection);
    }
    /* The socket may be connected again, and its numbers have to be found then. */
    const bool is_noted = atomic_load(&endpoint->descriptors) > 1 || endpoint->streamed;
    const uint64_t word =
        endpoint_note_word(is_noted ? endpoint_socket_id(last) : 0, endpoint->streamed ? ENDPOINT_STREAM : 0);
    signals_pin();
    registration_restore(endpoint);
    for (int fd = -1; atomic_load(&endpoint->descriptors) > 0 && (fd = endpoint_number(endpoint, fd + 1)) >= 0;) {
        if (!endpoint_cloexec(fd))
            (void)raw_syscall(SYS_fcntl, fd, F_SETFD, 0);
        (void)endpoint_remove(endpoint, fd, generation);
        endpoint_vacate_as(fd, generation, word);
    }
    endpoint_free(endpoint, connection);
    signals_unpin();
}

int endpoint_drop_strangers(struct endpoint *endpoint)
{
    const uint32_t generation = endpoint_next_generation();
    int left = atomic_load(&endpoint->descriptors);
    if (endpoint->kept > 0)
        return left;
    for (int fd = endpoint_number(endpoint, 0); fd >= 0 && left > 0; fd = endpoint_number(endpoint, fd + 1))
        if (!endpoint_has_socket(endpoint, fd)) {
            left = endpoint_remove(endpoint, fd, generation);
            endpoint_vacate(fd, generation);
        }
    return left;
}

void endpoint_hide(struct endpoint *endpoint, int hidden)
{
    const uint64_t word = endpoint_table_word(endpoint, true) | ENDPOINT_HIDDEN;
    atomic_store(&endpoint->fd, hidden);
    if (endpoint_table_put(hidden, word) == ENDPOINT_HIDDEN)
        atomic_fetch_sub(&endpoint_reserved, 1);
    set_filter(endpoint, FILTER_NONE);
}

static unsigned filter_for(const struct endpoint *endpoint, const struct connection *connection)
{
    if (atomic_load(&endpoint->descriptors) == 0)
        return FILTER_NONE; /* nobody waits for it but the background */
    if (handshake_is_under_way(connection))
        return FILTER_HANDSHAKE;
    if (connection->phase == CONNECTION_OPEN)
        return FILTER_OPEN;
    return FILTER_NONE;
}

void endpoint_settle(int fd, const struct connection *connection)
{
    struct endpoint *endpoint = endpoint_of(fd);
    if (endpoint == NULL)
        return;
    const unsigned attention = filter_for(endpoint, connection);
    const bool is_over = atomic_load(&endpoint->attention) == FILTER_HANDSHAKE && attention != FILTER_HANDSHAKE;
    set_filter(endpoint, attention);
    registration_settle(endpoint, connection, is_over);
    if (attention == FILTER_HANDSHAKE) {
        readiness_schedule(connection);
        readiness_note(endpoint);
    }
}
