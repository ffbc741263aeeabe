/*
 * The records of inspected connections, by descriptor. No call here blocks or allocates from malloc: they run in
 * signal handlers, and in children of vfork(), which change nothing.
 */
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "connection/connection.h"
#include "base/memory.h"
#include "base/process.h"
#include "config/init.h"
#include "base/raw_syscall.h"
#include "inspect/record.h"
#include "inspect/inspect.h"

_Atomic uint32_t inspect_table[INSPECT_FDS];

static struct memory_pool records = {.block = RECORD_BYTES, .per_chunk = 64};
static atomic_int inspected;    /* numbers in the table */
static atomic_int highest = -1; /* no number above has ever been in it */

/* A page that fork() wipes and vfork() shares: the process it belongs to (MADV_WIPEONFORK, madvise(2)). */
static _Atomic pid_t *owner_page;

static void process_take(void)
{
    atomic_store(owner_page, (pid_t)raw_syscall(SYS_getpid));
}

bool inspect_is_vfork_child(void)
{
    if (process_sandboxed)
        return false;
    pid_t self = (pid_t)raw_syscall(SYS_getpid), owner = atomic_load(owner_page);
    if (owner == 0)
        process_take(); /* a fork that no handler of pthread_atfork(3) saw */
    return owner != 0 && owner != self;
}

void table_start(void)
{
    enum { PAGE = 4096 };
    void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED || madvise(page, PAGE, MADV_WIPEONFORK) != 0 ||
        pthread_atfork(NULL, NULL, process_take) != 0)
        pfswrap_die(
            "cannot prepare to watch connections: the kernel refused memory that a fork wipes (Linux 4.14)");
    if (!pfswrap_seals() && process_start() != 0) /* the notes of the table of descriptors ask who this is */
        pfswrap_die(
            "cannot prepare to watch connections: the kernel refused memory that a fork wipes (Linux 4.14)");
    owner_page = page;
    process_take();
}

struct record *record_at(uint32_t entry)
{
    return memory_at(&records, (int32_t)entry - 1);
}

/*
 * The lock is held for a few microseconds; on a machine that is busy its owner may have to wait for a processor.
 * One that is still taken after that belongs to a thread that a fork has left behind. One that the frame below this
 * signal handler holds is not to be had: then this call is not seen.
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

/* The record behind `fd`, locked; NULL: there is none (any more), or it is not to be had. */
struct record *record_enter(int fd, uint32_t *entry)
{
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
    if (inspect_is_vfork_child())
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
    if (fd == copy || (unsigned)copy >= INSPECT_FDS || inspect_is_vfork_child())
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
