/*
 * References without a lock. The memory of a snapshot's record is never unmapped, so a thread may count itself in
 * one that is being replaced; it counts only where the count is not 0, and a count of 0 never rises again for the
 * same state. See snapshot.h.
 */
#include "config/snapshot.h"

#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/filter.h"
#include "base/memory.h"
#include "base/page.h"
#include "base/raw_syscall.h"
#include "config/publish.h"

enum { BLOCK_BYTES = 128 };
_Static_assert(sizeof(struct snapshot) <= BLOCK_BYTES, "a snapshot fits its block of memory");

MEMORY_TABLE(pool);
static struct memory_pool pool = {.table = &pool_table, .block = BLOCK_BYTES, .per_chunk = 64};
static struct snapshot at_start = {.index = -1};
_Atomic(struct snapshot *) snapshot_newest;
_Atomic(const struct policy *) snapshot_policy;
_Atomic uint32_t snapshot_generation;

/* The different policies, the first one is that of the start. */
static const struct policy *policies[SNAPSHOT_POLICIES_MAX];
static size_t policy_count;

void snapshot_prepare(const struct policy *policy, const struct keys *keys)
{
    at_start.policy = policy;
    at_start.keys = keys;
    at_start.generation = 1;
    policies[0] = policy;
    policy_count = 1;
    publish_policy(policy, keys, at_start.numbers);
}

void snapshot_start(void)
{
    atomic_store(&at_start.references, 1);
    atomic_store(&snapshot_newest, &at_start);
    atomic_store(&snapshot_policy, at_start.policy);
    atomic_store(&snapshot_generation, at_start.generation);
}

/* One more reference, unless it is free. */
static bool count_up(struct snapshot *snapshot)
{
    uint32_t seen = atomic_load_explicit(&snapshot->references, memory_order_relaxed);
    while (seen != 0)
        if (atomic_compare_exchange_weak(&snapshot->references, &seen, seen + 1))
            return true;
    return false;
}

struct snapshot *snapshot_acquire(void)
{
    for (;;) {
        struct snapshot *snapshot = atomic_load_explicit(&snapshot_newest, memory_order_acquire);
        if (count_up(snapshot)) /* if it was replaced and freed meanwhile, it is a newer one in the same block */
            return snapshot;
    }
}

struct snapshot *snapshot_acquire_for(const struct policy_rule *rule)
{
    struct snapshot *snapshot = snapshot_acquire();
    const struct policy_rule *rules = snapshot->policy->rules;
    if (rule == NULL || (rule >= rules && rule < rules + snapshot->policy->rule_count))
        return snapshot;
    snapshot_release(snapshot);
    return NULL;
}

/* Behind a filter that forbids these calls nothing is freed; there, nothing new is read either. */
static bool may_unmap(void)
{
    return filter_allows(SYS_munmap) && filter_allows(SYS_mprotect) && filter_allows(SYS_munlock) &&
           filter_allows(SYS_madvise);
}

static void free_snapshot(struct snapshot *snapshot)
{
    const struct keys *keys = snapshot->keys;
    if (keys != NULL && !may_unmap())
        return;
    snapshot->keys = NULL;
    keys_free(keys);
    if (snapshot->index >= 0)
        memory_give(&pool, snapshot->index);
}

void snapshot_release(struct snapshot *snapshot)
{
    if (atomic_fetch_sub(&snapshot->references, 1) == 1)
        free_snapshot(snapshot);
}

void snapshot_hold(struct snapshot *snapshot)
{
    atomic_fetch_add(&snapshot->lasting, 1);
}

void snapshot_unhold(struct snapshot *snapshot)
{
    atomic_fetch_sub(&snapshot->lasting, 1);
}

static bool are_prepared(const struct policy *policy)
{
    for (const struct snapshot_observer *const *observer = snapshot_observers; *observer != NULL; observer++)
        if (!(*observer)->prepare(policy))
            return false;
    return true;
}

uint32_t snapshot_publish(const struct policy *policy, const struct keys *keys)
{
    const int32_t index = memory_take(&pool);
    if (index < 0)
        return 0;
    if (!are_prepared(policy)) {
        memory_give(&pool, index);
        return 0;
    }
    struct snapshot *before = atomic_load(&snapshot_newest), *snapshot = memory_at(&pool, index);
    const uint32_t generation = before->generation + 1;
    snapshot->index = index;
    snapshot->policy = policy;
    snapshot->keys = keys;
    snapshot->generation = generation;
    publish_policy(policy, keys, snapshot->numbers);
    atomic_store(&snapshot->lasting, 0);
    atomic_store(&snapshot->replaced_ms, 0);
    atomic_store(&snapshot->references, 1);
    atomic_store(&snapshot_newest, snapshot);
    atomic_store(&snapshot_policy, policy);
    atomic_store(&snapshot_generation, generation);
    atomic_store(&before->replaced_ms, clock_ms());
    snapshot_release(before);
    return generation;
}

struct policy *snapshot_new_policy(void)
{
    void *pages = mmap(NULL, PAGE_ROUND_UP(sizeof(struct policy)), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        return NULL;
    return pages;
}

void snapshot_free_policy(struct policy *policy)
{
    if (policy != NULL)
        (void)munmap(policy, PAGE_ROUND_UP(sizeof *policy));
}

const struct policy *snapshot_find_policy(const struct policy *policy)
{
    for (size_t i = policy_count; i-- > 0;)
        /* Both were zero before they were filled, padding included. NOLINTNEXTLINE(*-memory-comparison,cert-*) */
        if (memcmp(policies[i], policy, sizeof *policy) == 0)
            return policies[i];
    return NULL;
}

bool snapshot_keep_policy(struct policy *policy)
{
    if (policy_count == SNAPSHOT_POLICIES_MAX)
        return false;
    (void)mprotect(policy, PAGE_ROUND_UP(sizeof *policy), PROT_READ);
    policies[policy_count++] = policy;
    return true;
}

/* The record with this index, the last one being that of the start; NULL: it is free, or another thread's. */
static struct snapshot *record_at(uint32_t index)
{
    struct snapshot *snapshot = index == memory_count(&pool) ? &at_start : memory_at_if(&pool, index);
    return snapshot != NULL && atomic_load(&snapshot->references) > 0 ? snapshot : NULL;
}

void snapshot_begin_recount(void)
{
    for (uint32_t i = 0; i <= memory_count(&pool); i++) {
        struct snapshot *snapshot = record_at(i);
        if (snapshot != NULL)
            snapshot->counted = atomic_load(&snapshot->lasting);
    }
    if (atomic_load(&snapshot_newest) != NULL)
        atomic_load(&snapshot_newest)->counted++;
}

void snapshot_recount(struct snapshot *snapshot)
{
    if (snapshot != NULL)
        snapshot->counted++;
}

/* A call that this thread is in the middle of may have a reference, or may be about to give one back. */
static uint32_t counted_with_call(const struct snapshot *snapshot, bool is_idle)
{
    const uint32_t before = atomic_load(&snapshot->references);
    if (is_idle)
        return snapshot->counted;
    return (snapshot->counted > before ? snapshot->counted : before) + 1;
}

void snapshot_end_recount(bool is_idle)
{
    for (uint32_t i = 0; i <= memory_count(&pool); i++) {
        struct snapshot *snapshot = record_at(i);
        if (snapshot == NULL)
            continue;
        const uint32_t counted = counted_with_call(snapshot, is_idle);
        atomic_store(&snapshot->references, counted);
        if (counted == 0)
            free_snapshot(snapshot);
    }
}
