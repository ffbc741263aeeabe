/*
 * The counts are in memory that a process shares with its children of fork(), so that a server whose children each
 * cause one line does not write all of them. The memory has numbers only, and a child that writes wrong ones
 * changes nothing but the counts. It is made before the first fork, or when something is first counted.
 */
#include "connection/report_counted.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

#include "audit/audit.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/process.h"
#include "base/raw_syscall.h"
#include "config/init.h"

struct counts {
    _Atomic uint64_t pending; /* the sum of all counts */
    struct {
        _Atomic uint64_t written_ms; /* clock_ms() at the last line, plus 1; 0: there was none */
        _Atomic uint64_t count;      /* since then */
    } entries[COUNTED_KINDS][POLICY_RULES_MAX];
};

uint32_t counted_interval_ms = 60000;

static _Atomic(struct counts *) counts;

/* The process that has made this one by a fork, and the last process that was about to fork. */
static _Atomic pid_t parent, forking;

/* NULL: there is no memory, or it must not be mapped now. */
static struct counts *get(void)
{
    struct counts *existing = atomic_load(&counts);
    if (existing != NULL || process_sandboxed)
        return existing;
    struct counts *made = memory_share(sizeof *made);
    if (made == NULL || atomic_compare_exchange_strong(&counts, &existing, made))
        return made;
    memory_unshare(made, sizeof *made);
    return existing;
}

void counted_before_fork(void)
{
    (void)get();
    forking = process_id();
}

void counted_after_fork_in_child(void)
{
    parent = forking;
}

/* Writes the line with the count, if anything was counted. */
static void write_count(struct counts *shared, unsigned kind, unsigned rule)
{
    const uint64_t count = atomic_exchange(&shared->entries[kind][rule].count, 0);
    if (count == 0)
        return;
    atomic_fetch_sub(&shared->pending, count);
    const struct policy *policy = pfswrap_policy();
    const bool has_rule = kind == COUNTED_LEFT && rule < policy->rule_count;
    const struct audit_field fields[] = {
        AUDIT_S("rule", has_rule ? policy->rules[rule].name : NULL),
        AUDIT_S("layer", "socket"),
        AUDIT_S("reason",
                kind == COUNTED_LEFT ? connection_left_reason : connection_lost_reasons[kind - COUNTED_LOST]),
        AUDIT_N("count", (long long)count),
    };
    audit_event(kind == COUNTED_LEFT ? "left" : "refused", fields, sizeof fields / sizeof fields[0]);
}

/* Whether the last line is old enough. Only one of several threads and processes gets true. */
static bool take_turn(struct counts *shared, unsigned kind, unsigned rule)
{
    const uint64_t now_ms = clock_ms() + 1;
    uint64_t written_ms = atomic_load(&shared->entries[kind][rule].written_ms);
    return (written_ms == 0 || now_ms - written_ms >= counted_interval_ms) &&
           atomic_compare_exchange_strong(&shared->entries[kind][rule].written_ms, &written_ms, now_ms);
}

bool counted_must_write(enum counted kind, uint16_t rule)
{
    struct counts *shared = rule < POLICY_RULES_MAX ? get() : NULL;
    if (shared == NULL)
        return true;
    if (take_turn(shared, kind, rule)) {
        write_count(shared, kind, rule);
        return true;
    }
    atomic_fetch_add(&shared->pending, 1);
    atomic_fetch_add(&shared->entries[kind][rule].count, 1);
    return false;
}

static void write_all(bool only_due)
{
    struct counts *shared = atomic_load(&counts);
    for (unsigned kind = 0; kind < COUNTED_KINDS; kind++)
        for (unsigned rule = 0; rule < POLICY_RULES_MAX; rule++)
            if (atomic_load_explicit(&shared->entries[kind][rule].count, memory_order_relaxed) > 0 &&
                (!only_due || take_turn(shared, kind, rule)))
                write_count(shared, kind, rule);
}

static bool is_pending(void)
{
    const struct counts *shared = atomic_load(&counts);
    return shared != NULL && atomic_load_explicit(&shared->pending, memory_order_relaxed) > 0;
}

void counted_write_due(void)
{
    if (__builtin_expect(is_pending(), false) && !process_is_vfork_child())
        write_all(true);
}

/* A parent that has ended has been replaced by another one (getppid(2)). */
static bool has_parent(void)
{
    return parent != 0 && (process_sandboxed || (pid_t)raw_syscall(SYS_getppid) == parent);
}

void counted_write_all(void)
{
    const int saved = errno;
    if (is_pending() && !process_is_vfork_child() && !has_parent())
        write_all(false);
    errno = saved;
}
