/*
 * The records of inspected connections, by descriptor. No call here blocks or allocates from malloc: they run in
 * signal handlers, and in children of vfork(), which change nothing.
 */
#include <netinet/in.h>
#include <string.h>

#include "connection/connection.h"
#include "base/fork.h"
#include "base/memory.h"
#include "base/process.h"
#include "config/init.h"
#include "base/raw_syscall.h"
#include "inspect/record.h"
#include "inspect/inspect.h"

_Atomic uint32_t inspect_table[INSPECT_FDS];

static struct memory_pool records = {.piece = RECORD_BYTES, .per_chunk = 64};
static atomic_int inspected;    /* numbers in the table */
static atomic_int highest = -1; /* no number above has ever been in it */

void table_start(void)
{
    if (process_start() != 0)
        pfswrap_die(
            "cannot prepare to watch connections: the kernel refused memory that a fork wipes (Linux 4.14)");
}

struct record *record_at(uint32_t entry)
{
    return memory_at(&records, (int32_t)entry - 1);
}

/*
 * The lock is held for a few microseconds; on a machine that is busy its owner may have to wait for a processor.
 * One that is still taken after that belongs to a thread that left by siglongjmp(), or is gone. One that the frame
 * below this signal handler holds cannot be taken: then this call is not seen.
 */
static __thread char self __attribute__((tls_model("initial-exec")));

static bool record_lock(struct record *record)
{
    enum { SPINS = 500, ORPHANED_MS = 1000 };
    uint64_t until_ms = 0;
    const void *holder = NULL;
    for (int i = 0;; i++) {
        const void *owner = NULL;
        if (atomic_compare_exchange_strong(&record->owner, &owner, &self))
            return true;
        if (owner == &self)
            return false;
        if (i < SPINS)
            continue;
        const uint64_t now_ms = connection_now_ms();
        if (owner != holder) {
            holder = owner;
            until_ms = now_ms + ORPHANED_MS;
        }
        if (now_ms >= until_ms && atomic_compare_exchange_strong(&record->owner, &owner, &self))
            return true;
        if (!process_sandboxed)
            (void)raw_syscall(SYS_sched_yield);
    }
}

void record_unlock(struct record *record)
{
    atomic_store(&record->owner, NULL);
}

/* The parent's threads are gone, and with them what they had locked. */
static void after_fork_in_child(enum process_fork kind)
{
    (void)kind;
    for (int fd = 0; fd <= atomic_load(&highest) && atomic_load(&inspected) > 0; fd++) {
        const uint32_t entry = atomic_load(&inspect_table[fd]);
        if (entry != 0 && atomic_load(&record_at(entry)->owner) != &self)
            atomic_store(&record_at(entry)->owner, NULL);
    }
}

const struct process_observer inspect_process_observer = {.after_fork_in_child = after_fork_in_child};

/* The record behind `fd`, locked; NULL: there is none (any more), or it is not to be had. */
struct record *record_enter(int fd, uint32_t *entry)
{
    process_check();
    *entry = atomic_load_explicit(&inspect_table[fd], memory_order_acquire);
    if (*entry == 0)
        return NULL;
    struct record *record = record_at(*entry);
    if (!record_lock(record))
        return NULL;
    if (atomic_load(&inspect_table[fd]) == *entry && record->descriptors > 0)
        return record;
    record_unlock(record);
    return NULL;
}

/* Enters a number; its place is not taken. */
static void table_put(int fd, uint32_t entry)
{
    int seen = atomic_load(&highest);
    while (seen < fd && !atomic_compare_exchange_weak(&highest, &seen, fd))
        ;
    atomic_fetch_add(&inspected, 1);
    atomic_store_explicit(&inspect_table[fd], entry, memory_order_release);
}

/* Takes every number of the record out of the table and frees it. Locked; the lock is gone afterwards. */
void record_forget(struct record *record, uint32_t entry, int fd)
{
    if (atomic_load(&inspect_table[fd]) == entry) {
        atomic_store(&inspect_table[fd], 0);
        atomic_fetch_sub(&inspected, 1);
        record->descriptors--;
    }
    for (int i = 0; i <= atomic_load(&highest) && record->descriptors > 0; i++)
        if (atomic_load_explicit(&inspect_table[i], memory_order_relaxed) == entry) {
            atomic_store(&inspect_table[i], 0);
            atomic_fetch_sub(&inspected, 1);
            record->descriptors--;
        }
    record->descriptors = 0;
    record_unlock(record);
    memory_give(&records, (int32_t)entry - 1);
}

bool socket_is_tcp(int fd)
{
    int protocol = 0;
    socklen_t length = sizeof protocol;
    return raw_syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &length) == 0 &&
           (protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP);
}

int table_find(uint64_t cookie)
{
    for (int fd = 0; fd <= atomic_load(&highest) && atomic_load(&inspected) > 0; fd++) {
        const uint32_t entry = atomic_load_explicit(&inspect_table[fd], memory_order_acquire);
        if (entry != 0 && record_at(entry)->cookie == cookie)
            return fd;
    }
    return -1;
}

struct record *record_new(int fd, uint64_t cookie)
{
    int32_t index = memory_take(&records);
    if (index < 0)
        return NULL;
    struct record *record = memory_at(&records, index);
    memset(record, 0, sizeof *record);
    record->owner = &self;
    record->descriptors = 1;
    record->cookie = cookie;
    wire_init(&record->wire);
    table_put(fd, (uint32_t)index + 1);
    return record;
}

void inspect_end(int fd)
{
    uint32_t entry;
    if (process_is_vfork_child())
        return;
    struct record *record = record_enter(fd, &entry);
    if (record == NULL)
        return;
    if (record->descriptors == 1) {
        record_forget(record, entry, fd);
        return;
    }
    atomic_store(&inspect_table[fd], 0);
    atomic_fetch_sub(&inspected, 1);
    record->descriptors--;
    record_unlock(record);
}

void inspect_end_range(unsigned first, unsigned last)
{
    if (atomic_load_explicit(&inspected, memory_order_relaxed) == 0)
        return;
    unsigned end = (unsigned)(atomic_load(&highest) + 1);
    for (unsigned fd = first; fd <= last && fd < end; fd++)
        if (inspect_is_recorded((int)fd))
            inspect_end((int)fd);
}

void inspect_copied(int fd, int copy)
{
    uint32_t entry;
    if (fd == copy || (unsigned)copy >= INSPECT_FDS || process_is_vfork_child())
        return;
    struct record *record = record_enter(fd, &entry);
    if (record == NULL)
        return;
    record->descriptors++;
    table_put(copy, entry);
    record_unlock(record);
}

void inspect_before_sandbox(void)
{
    for (int fd = 0; fd <= atomic_load(&highest) && atomic_load(&inspected) > 0; fd++) {
        uint32_t entry;
        struct record *record = inspect_is_recorded(fd) ? record_enter(fd, &entry) : NULL;
        if (record == NULL)
            continue;
        bool is_let_through =
            wire_is_plain(&record->wire) && !wire_is_tls(&record->wire) &&
            (record->plaintext == POLICY_PLAINTEXT_LOG || record->plaintext == POLICY_PLAINTEXT_ALLOW);
        if (is_let_through)
            record_forget(record, entry, fd);
        else
            record_unlock(record);
    }
}
