/*
 * The table of what is counted: in memory that a fork wipes, so a child counts from zero, and its parent writes
 * what it has counted itself. A thread that does not get the lock at once does not wait: its event is written. The
 * same happens in a signal handler that interrupts a change of the table, and for good after a handler that has
 * left one by siglongjmp(3). See summary.h.
 */
#include "audit/summary.h"

#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/mutex.h"
#include "base/process.h"
#include "base/raw_syscall.h"
#include "base/relax.h"
#include "base/workspace.h"

enum {
    ENTRIES = 256,         /* kinds of events with their peers */
    ENTRIES_GENERAL = 128, /* and, if these do not suffice, without them */
    SLOTS = 1024,
    SPINS = 2000,    /* rounds for another thread's change, which takes less than a microsecond */
    WAITS_MAX = 100, /* milliseconds, at the end of the process */
};

struct entry {
    uint32_t hash;
    uint32_t written; /* lines in this interval */
    bool is_general;
    struct summary_count counted;
};

struct table {
    struct mutex mutex;
    uint32_t used, general; /* entries; and those among them that are general */
    uint16_t slots[SLOTS];  /* by hash: position of the entry + 1; 0: free */
    struct entry entries[ENTRIES + ENTRIES_GENERAL];
};

MEMORY_TABLE(memory);
static struct memory_pool memory = {
    .table = &memory_table, .block = (sizeof(struct table) + 63) / 64 * 64, .per_chunk = 1, .secret = true};
static struct table *table; /* NULL: nothing is counted */
static bool leaves_out, sums_handshakes;
static uint32_t repeats; /* lines of a kind in an interval; 0: all */
static uint32_t interval_ms;
static _Atomic uint64_t next_ms; /* when the interval is over, as clock_coarse_ms(); 0: it has not begun */

static __thread bool is_inside __attribute__((tls_model("initial-exec")));

void summary_start(const struct policy *policy)
{
    leaves_out = policy->log_handshakes == POLICY_LOG_HANDSHAKES_OFF;
    sums_handshakes = policy->log_handshakes == POLICY_LOG_HANDSHAKES_SUMMARY;
    repeats = policy->log_repeats;
    interval_ms = policy->log_interval_ms;
    if (!sums_handshakes && repeats == 0)
        return;
    const int32_t index = memory_take(&memory);
    table = index >= 0 ? memory_at(&memory, index) : NULL;
}

bool summary_is_on(void)
{
    return leaves_out || table != NULL;
}

bool summary_leaves_out(void)
{
    return leaves_out;
}

static bool lock(unsigned waits_ms)
{
    const struct timespec slice = {.tv_nsec = 1000000};
    if (is_inside)
        return false;
    is_inside = true;
    for (unsigned round = 0; round < SPINS + waits_ms; round++) {
        if (mutex_try(&table->mutex))
            return true;
        if (round < SPINS || process_sandboxed)
            relax();
        else
            (void)raw_syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &slice, NULL);
    }
    is_inside = false;
    return false;
}

static void unlock(void)
{
    mutex_unlock(&table->mutex);
    is_inside = false;
}

/* How many lines of this kind are written in an interval; UINT32_MAX: all of them. */
static uint32_t limit_of(const char *event)
{
    static const char *const repeated[] = {"refused",   "would-refuse", "failed", "unprotected", "plain",
                                           "plaintext", "unjudged",     "weak",   "override",    "would-override"};
    if (strcmp(event, "handshake") == 0 || strcmp(event, "observed") == 0)
        return sums_handshakes ? 1 : UINT32_MAX;
    for (size_t i = 0; repeats > 0 && i < sizeof repeated / sizeof repeated[0]; i++)
        if (strcmp(repeated[i], event) == 0)
            return repeats;
    return UINT32_MAX;
}

/* The slot of a key, or the free one where it belongs. There are more slots than entries. */
static uint16_t *slot_of(const struct summary_key *key, uint32_t hash)
{
    size_t at = hash % SLOTS;
    for (; table->slots[at] != 0; at = (at + 1) % SLOTS) {
        const struct entry *const entry = &table->entries[table->slots[at] - 1];
        if (entry->hash == hash && entry->counted.key.length == key->length &&
            memcmp(entry->counted.key.bytes, key->bytes, key->length) == 0)
            break;
    }
    return &table->slots[at];
}

/* The entry of a key, which is made if there is room for it. NULL: there is none. */
static struct entry *entry_of(const struct summary_key *key, uint32_t hash, bool is_general)
{
    uint16_t *const slot = slot_of(key, hash);
    if (*slot != 0)
        return &table->entries[*slot - 1];
    if (is_general ? table->general == ENTRIES_GENERAL : table->used - table->general == ENTRIES)
        return NULL;
    struct entry *const entry = &table->entries[table->used++];
    table->general += is_general ? 1 : 0;
    *slot = (uint16_t)table->used;
    entry->hash = hash;
    entry->written = 0;
    entry->is_general = is_general;
    entry->counted.count = 0;
    entry->counted.key.length = key->length;
    memcpy(entry->counted.key.bytes, key->bytes, key->length);
    return entry;
}

/* Counts the event; false: it must be written. */
static bool count_in(struct entry *entry, uint32_t limit, int64_t now_ns)
{
    if (entry->written < limit) {
        entry->written++;
        return false;
    }
    if (entry->counted.count++ == 0)
        entry->counted.since_ns = now_ns;
    entry->counted.last_ns = now_ns;
    return true;
}

enum summary_answer summary_add(const char *event, const struct audit_field *fields, size_t count, int64_t now_ns)
{
    if (leaves_out && (strcmp(event, "handshake") == 0 || strcmp(event, "observed") == 0))
        return SUMMARY_OFF;
    const uint32_t limit = table != NULL ? limit_of(event) : UINT32_MAX;
    struct summary_key *const key = limit != UINT32_MAX ? workspace_take() : NULL;
    bool is_counted = false;
    for (int is_general = 0; key != NULL && is_general <= 1; is_general++) {
        if (!summary_key_make(key, event, fields, count, is_general == 1))
            continue;
        const uint32_t hash = summary_key_hash(key);
        if (!lock(0))
            break;
        struct entry *const entry = entry_of(key, hash, is_general == 1);
        is_counted = entry != NULL && count_in(entry, limit, now_ns);
        unlock();
        if (entry != NULL)
            break;
    }
    workspace_give(key);
    return is_counted ? SUMMARY_COUNTED : SUMMARY_WRITE;
}

bool summary_is_due(void)
{
    uint64_t next = atomic_load_explicit(&next_ms, memory_order_relaxed);
    const uint64_t now = table != NULL ? clock_coarse_ms() : 0;
    if (now < next || table == NULL)
        return false;
    return atomic_compare_exchange_strong(&next_ms, &next, now + interval_ms) && next != 0;
}

bool summary_take(struct summary_count *taken, bool is_last)
{
    bool has_one = false;
    if (table == NULL)
        return false;
    const bool is_locked = lock(is_last ? WAITS_MAX : 0);
    if (!is_locked && !is_last)
        return false;
    for (uint32_t i = 0; i < table->used && !has_one; i++) {
        struct summary_count *const counted = &table->entries[i].counted;
        has_one = counted->count > 0;
        if (!has_one)
            continue;
        taken->count = counted->count;
        taken->since_ns = counted->since_ns;
        taken->last_ns = counted->last_ns;
        taken->key.length = counted->key.length;
        memcpy(taken->key.bytes, counted->key.bytes, counted->key.length);
        counted->count = 0;
    }
    if (is_locked)
        unlock();
    return has_one;
}

void summary_begin_interval(void)
{
    if (table == NULL || !lock(0))
        return;
    const uint32_t before = table->used;
    memset(table->slots, 0, sizeof table->slots);
    table->used = table->general = 0;
    for (uint32_t i = 0; i < before; i++) {
        if (table->entries[i].counted.count == 0)
            continue;
        struct entry *const kept = &table->entries[table->used];
        if (table->used != i)
            *kept = table->entries[i];
        table->general += kept->is_general ? 1 : 0;
        *slot_of(&kept->counted.key, kept->hash) = (uint16_t)++table->used;
    }
    unlock();
}
