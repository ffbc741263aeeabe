/*
 * Records in memory of their own, found by descriptor number through the table of descriptors (fd/table.h). No
 * function here blocks or calls malloc(3), since they run in signal handlers. In children of vfork() nothing
 * changes.
 */
#include "inspect/record.h"

#include <stddef.h>
#include <string.h>

#include "base/clock.h"
#include "base/fork.h"
#include "base/fork_lock.h"
#include "base/memory.h"
#include "base/process.h"
#include "base/raw_syscall.h"
#include "config/init.h"
#include "fd/change.h"
#include "inspect/inspect.h"

MEMORY_TABLE(records);
static struct memory_pool records = {.table = &records_table, .block = RECORD_BYTES, .per_chunk = 64};
static atomic_int inspected; /* how many numbers have records */

bool record_start(void)
{
    return process_start() == 0;
}

struct record *record_at(uint32_t entry)
{
    return memory_at(&records, (int32_t)entry - 1);
}

/*
 * The address of this variable identifies the thread as a lock's owner. A lock is held for a few microseconds; on a
 * busy machine, longer. After ORPHANED_MS its owner has left by siglongjmp(3), or has died, and the lock is taken
 * over. A signal handler that interrupted the owner itself cannot have the lock: then its call is not inspected.
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
        const uint64_t now_ms = clock_ms();
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

static bool is_there(uint32_t index)
{
    return atomic_load(&records.table->chunks[index / records.per_chunk]) != NULL;
}

/*
 * Whether this thread has a record locked: a signal handler forks inside its call. Another thread may wait for the
 * record in a section.
 */
static bool is_busy(void)
{
    bool busy = false;
    for (uint32_t i = 0; i < memory_count(&records) && !busy; i++)
        busy = is_there(i) && atomic_load_explicit(&record_at(i + 1)->owner, memory_order_relaxed) == &self;
    return busy;
}

static __thread bool takes_record __attribute__((tls_model("initial-exec")));      /* it is inside record_new() */
static __thread bool forks_inside_call __attribute__((tls_model("initial-exec"))); /* in a signal handler */

static void before_fork(enum process_fork kind)
{
    (void)kind;
    forks_inside_call = fork_lock_is_blocked_here() || takes_record;
}

/* The numbers in the table say which records are in use, and how often. All others are free. */
static void rebuild_pool(void)
{
    int count = 0;
    for (uint32_t i = 0; i < memory_count(&records); i++)
        if (is_there(i))
            record_at(i + 1)->descriptors = 0;
    for (int fd = fd_next_known(0); fd >= 0; fd = fd_next_known((unsigned)fd + 1)) {
        const uint32_t entry = plane_record(&inspect_plane, fd_word(fd));
        if (entry == 0)
            continue;
        record_at(entry)->descriptors++;
        count++;
    }
    atomic_store(&inspected, count);
    memory_begin_rebuild(&records);
    for (uint32_t i = 0; i < memory_count(&records); i++)
        if (is_there(i) && (record_at(i + 1)->descriptors > 0 || atomic_load(&record_at(i + 1)->owner) == &self))
            memory_keep(&records, (int32_t)i);
    memory_end_rebuild(&records);
}

/*
 * The child does not have the parent's other threads. So it unlocks what they had locked: records in use, and also
 * free ones, which they were about to give back or had just taken. Records that they had taken from the pool are
 * free.
 */
static void after_fork_in_child(enum process_fork kind)
{
    for (uint32_t i = 0; i < memory_count(&records); i++) {
        const void *owner = is_there(i) ? atomic_load(&record_at(i + 1)->owner) : NULL;
        if (owner != NULL && owner != &self)
            atomic_store(&record_at(i + 1)->owner, NULL);
    }
    if (kind != PROCESS_FORK_UNSEEN && !forks_inside_call)
        rebuild_pool();
}

const struct process_observer inspect_process_observer = {
    .is_busy = is_busy, .before_fork = before_fork, .after_fork_in_child = after_fork_in_child};

struct record *record_enter(int fd, uint32_t *entry)
{
    process_check();
    *entry = plane_record(&inspect_plane, fd_word(fd));
    atomic_thread_fence(memory_order_acquire);
    if (*entry == 0)
        return NULL;
    struct record *record = record_at(*entry);
    if (!record_lock(record))
        return NULL;
    if (plane_record(&inspect_plane, fd_word(fd)) == *entry && record->descriptors > 0)
        return record;
    record_unlock(record);
    return NULL;
}

/* The record has one number less. Called locked; unlocked on return, and freed after the last number. */
static void record_release(struct record *record, uint32_t entry)
{
    atomic_fetch_sub(&inspected, 1);
    const bool is_last = --record->descriptors == 0;
    record_unlock(record);
    if (is_last)
        memory_give(&records, (int32_t)entry - 1);
}

/* Gives the number this record. False: it is not foreign, or has another record. Locked. */
static bool record_add(struct record *record, uint32_t entry, int fd)
{
    record->descriptors++;
    atomic_fetch_add(&inspected, 1);
    if (plane_add_record(&inspect_plane, fd, entry))
        return true;
    record->descriptors--;
    atomic_fetch_sub(&inspected, 1);
    return false;
}

void record_forget(struct record *record, uint32_t entry)
{
    for (int fd = fd_next_known(0); fd >= 0 && record->descriptors > 0; fd = fd_next_known((unsigned)fd + 1))
        if (plane_remove_record(&inspect_plane, fd, entry)) {
            atomic_fetch_sub(&inspected, 1);
            record->descriptors--;
        }
    const bool is_free = record->descriptors == 0; /* not yet if dup2() is just replacing one of its numbers */
    record_unlock(record);
    if (is_free)
        memory_give(&records, (int32_t)entry - 1);
}

int record_find(uint64_t cookie)
{
    for (int fd = fd_next_known(0); fd >= 0 && atomic_load(&inspected) > 0; fd = fd_next_known((unsigned)fd + 1)) {
        const uint32_t entry = plane_record(&inspect_plane, fd_word(fd));
        if (entry != 0 && record_at(entry)->cookie == cookie)
            return fd;
    }
    return -1;
}

static struct record *make(int fd, uint64_t cookie)
{
    int32_t index = memory_take(&records);
    if (index < 0)
        return NULL;
    struct record *record = memory_at(&records, index);
    /* A thread that comes late for the connection before holds the lock for a moment, and releases it then. */
    if (!record_lock(record)) {
        memory_give(&records, index);
        return NULL;
    }
    const size_t kept = offsetof(struct record, descriptors);
    memset((uint8_t *)record + kept, 0, sizeof *record - kept);
    record->cookie = cookie;
    wire_init(&record->wire);
    if (record_add(record, (uint32_t)index + 1, fd))
        return record;
    record_unlock(record);
    memory_give(&records, index);
    return NULL;
}

struct record *record_new(int fd, uint64_t cookie)
{
    takes_record = true;
    struct record *record = make(fd, cookie);
    takes_record = false;
    return record;
}

/*
 * The number has changed its kind, and no longer has its record. If this is a signal handler that interrupted a
 * call on the same record, the record is not freed, since that call still uses it.
 */
void inspect_dropped(int fd, uint64_t word)
{
    const uint32_t entry = plane_record(&inspect_plane, word);
    (void)fd;
    if (entry == 0)
        return;
    struct record *record = record_at(entry);
    if (record_lock(record))
        record_release(record, entry);
}

void inspect_end(int fd)
{
    uint32_t entry;
    if (process_is_vfork_child())
        return;
    process_block_forks();
    struct record *record = record_enter(fd, &entry);
    if (record != NULL && plane_remove_record(&inspect_plane, fd, entry))
        record_release(record, entry);
    else if (record != NULL)
        record_unlock(record);
    process_unblock_forks();
}

void inspect_copied(int fd, int copy)
{
    uint32_t entry;
    if (fd == copy || process_is_vfork_child())
        return;
    process_block_forks();
    struct record *record = record_enter(fd, &entry);
    if (record != NULL) {
        (void)record_add(record, entry, copy);
        record_unlock(record);
    }
    process_unblock_forks();
}

uint64_t inspect_share(int fd)
{
    uint32_t entry;
    struct record *record = process_is_vfork_child() ? NULL : record_enter(fd, &entry);
    if (record == NULL)
        return 0;
    record->descriptors++;
    atomic_fetch_add(&inspected, 1);
    record_unlock(record);
    return plane_record_word(&inspect_plane, entry);
}

void inspect_before_sandbox(void)
{
    for (int fd = fd_next_known(0); fd >= 0 && atomic_load(&inspected) > 0; fd = fd_next_known((unsigned)fd + 1)) {
        uint32_t entry;
        struct record *record = record_enter(fd, &entry);
        if (record == NULL)
            continue;
        bool is_let_through =
            wire_is_plain(&record->wire) && !wire_is_tls(&record->wire) &&
            (record->plaintext == POLICY_PLAINTEXT_LOG || record->plaintext == POLICY_PLAINTEXT_ALLOW);
        if (is_let_through)
            record_forget(record, entry);
        else
            record_unlock(record);
    }
}
