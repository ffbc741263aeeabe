/*
 * An array of places. Each has the generation and the index of an endpoint, so a place that is out of date names no
 * connection that exists. There is no lock: connections are closed in signal handlers, too.
 */
#include "connection/unproved.h"

#include <sys/resource.h>

#include "base/fork_lock.h"
#include "base/large.h"
#include "base/process.h"
#include "base/raw_syscall.h"
#include "base/signals.h"
#include "connection/release_internal.h"

struct place {
    _Atomic uint64_t name;  /* generation << 32 | index + 1; 0: free */
    _Atomic uint32_t order; /* counts up: the lowest is the oldest */
};

LARGE static struct place places[UNPROVED_MAX];
static _Atomic uint32_t next_order;
static atomic_int count;
atomic_int unproved_threshold = INT_MAX;

static uint64_t name_of(const struct endpoint *endpoint)
{
    return (uint64_t)atomic_load(&endpoint->generation) << 32 | (endpoint->index + 1);
}

/* Frees the place if it still has this name. */
static bool vacate(struct place *place, uint64_t name)
{
    if (!atomic_compare_exchange_strong(&place->name, &name, 0))
        return false;
    if (atomic_fetch_sub(&count, 1) <= UNPROVED_MIN + 1)
        atomic_store(&unproved_threshold, INT_MAX);
    return true;
}

/* Takes the oldest name off the array. 0: there is none. */
static uint64_t take_oldest(void)
{
    for (;;) {
        const uint32_t now = atomic_load(&next_order);
        struct place *oldest = NULL;
        uint64_t name = 0;
        uint32_t age = 0;
        for (int i = 0; i < UNPROVED_MAX; i++) {
            const uint64_t other = atomic_load(&places[i].name);
            const uint32_t other_age = now - atomic_load(&places[i].order);
            if (other != 0 && (oldest == NULL || other_age > age)) {
                oldest = &places[i];
                name = other;
                age = other_age;
            }
        }
        if (oldest == NULL || vacate(oldest, name))
            return name;
    }
}

/* Ends the connection of that name, if its peer still has not proved its identity. Returns whether it did so. */
static bool drop(uint64_t name)
{
    struct endpoint *endpoint = endpoint_at((uint32_t)name - 1);
    struct connection *connection;
    if (endpoint == NULL || !endpoint_enter_again(endpoint, (uint32_t)(name >> 32), &connection))
        return false;
    if (atomic_load(&endpoint->descriptors) == 0 && endpoint->kept == 0 && handshake_is_under_way(connection)) {
        release_drop(endpoint, connection);
        return true;
    }
    endpoint_leave(connection);
    return false;
}

bool unproved_drop(void)
{
    uint64_t name = 0;
    bool dropped = false;
    if (atomic_load(&count) == 0 || process_is_vfork_child())
        return false;
    signals_pin();
    process_block_forks();
    while (!dropped && (name = take_oldest()) != 0)
        dropped = drop(name);
    process_unblock_forks();
    signals_unpin();
    return dropped;
}

/* How many of them may be kept if `fd` is the lowest free number, and the limit of descriptors. */
static int allowed(int fd, int *limit)
{
    struct rlimit files = {.rlim_cur = 0};
    (void)raw_syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &files);
    *limit = files.rlim_cur < INT_MAX ? (int)files.rlim_cur : INT_MAX;
    const int quarter = (*limit - fd) / 4;
    return quarter < UNPROVED_MIN ? UNPROVED_MIN : quarter < UNPROVED_MAX ? quarter : UNPROVED_MAX;
}

void unproved_make_room(int fd)
{
    int limit;
    const int most = allowed(fd, &limit);
    while (atomic_load(&count) > most && unproved_drop())
        continue;
    const int kept = atomic_load(&count);
    atomic_store(&unproved_threshold, kept > UNPROVED_MIN ? limit - 4 * kept + 1 : INT_MAX);
}

/* Takes a free place. False: there is none. */
static bool take_place(uint64_t name)
{
    for (int i = 0; i < UNPROVED_MAX; i++) {
        uint64_t none = 0;
        if (atomic_load(&places[i].name) != 0 || !atomic_compare_exchange_strong(&places[i].name, &none, name))
            continue;
        atomic_store(&places[i].order, atomic_fetch_add(&next_order, 1));
        atomic_fetch_add(&count, 1);
        return true;
    }
    return false;
}

void unproved_add(const struct endpoint *endpoint)
{
    while (!take_place(name_of(endpoint)) && unproved_drop())
        continue;
}

void unproved_remove(const struct endpoint *endpoint)
{
    const uint64_t name = name_of(endpoint);
    for (int i = 0; i < UNPROVED_MAX && atomic_load(&count) > 0; i++)
        if (atomic_load(&places[i].name) == name && vacate(&places[i], name))
            return;
}

static _Atomic uint64_t reported_ms; /* when the log got the last line; 0: never */
static atomic_uint unreported;       /* what was dropped since */

void unproved_report(const struct connection *connection)
{
    enum { INTERVAL_MS = 1000 };
    const uint64_t now = clock_ms();
    uint64_t last = atomic_load(&reported_ms);
    if ((last == 0 || now - last >= INTERVAL_MS) && atomic_compare_exchange_strong(&reported_ms, &last, now))
        connection_report_dropped(connection, atomic_exchange(&unreported, 0));
    else
        atomic_fetch_add(&unreported, 1);
}

void unproved_report_rest(void)
{
    const unsigned others = atomic_exchange(&unreported, 0);
    if (others > 0)
        connection_report_dropped(NULL, others);
}

void unproved_forget(void)
{
    for (int i = 0; i < UNPROVED_MAX; i++)
        atomic_store(&places[i].name, 0);
    atomic_store(&count, 0);
    atomic_store(&unproved_threshold, INT_MAX);
    atomic_store(&unreported, 0);
}
