/*
 * The state that a reload replaces: a policy, and the keys that belong to it. A snapshot never changes. One atomic
 * pointer says which is the newest, so each reference has the whole state of one moment. Connections
 * keep their snapshot; one that nobody refers to any more is freed, and its secrets are wiped.
 *
 * Policies are not freed: pfswrap_policy() needs no reference. Equal ones are kept once, and a process takes at
 * most SNAPSHOT_POLICIES_MAX different ones. They have no secrets.
 *
 * No function here locks, allocates with malloc(3) or calls an interposed function, except for snapshot_publish().
 */
#ifndef PFSWRAP_CONFIG_SNAPSHOT_H
#define PFSWRAP_CONFIG_SNAPSHOT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <pfswrap/seal.h>

#include "config/keys.h"
#include "policy/policy.h"

enum { SNAPSHOT_POLICIES_MAX = 256 };

struct snapshot {
    _Atomic uint32_t references;  /* 0: free */
    _Atomic uint32_t lasting;     /* how many of them a fork copies with the rest of the memory (snapshot_hold()) */
    uint32_t counted;             /* in a child of a fork: references that were found */
    int32_t index;                /* in its pool */
    uint32_t generation;          /* 1: the state of the start */
    _Atomic uint64_t replaced_ms; /* clock_ms() at which a newer one was in force; 0: it is the newest */
    const struct policy *policy;
    const struct keys *keys;           /* NULL if no rule sealed at the start */
    uint8_t numbers[POLICY_RULES_MAX]; /* of the rules in the counters (config/publish.h) */
};

/* The newest one, without a reference: only for comparisons. */
extern _Atomic(struct snapshot *) snapshot_newest;

/*
 * What other modules do with a new policy, before it becomes the newest one. False: no memory; nothing is replaced.
 * shim/order.c fills the array, which ends with NULL.
 */
struct snapshot_observer {
    bool (*prepare)(const struct policy *policy);
};
extern const struct snapshot_observer *const snapshot_observers[];

/* The policy of the newest one; NULL before snapshot_start(). */
extern _Atomic(const struct policy *) snapshot_policy;

/* The generation of the newest one, for comparisons that need no reference. */
extern _Atomic uint32_t snapshot_generation;

static inline bool snapshot_is_newest(const struct snapshot *snapshot)
{
    return __builtin_expect(atomic_load_explicit(&snapshot_newest, memory_order_relaxed) == snapshot, true);
}

/* The state of the start, which others see in the counters from now on; and it is in force. Called once each. */
void snapshot_prepare(const struct policy *policy, const struct keys *keys);
void snapshot_start(void);

/* The newest one, with a reference for the caller. */
struct snapshot *snapshot_acquire(void);

/*
 * The same, if `rule` is one of its policy's. NULL: a newer policy is in force, and the caller has to look for the
 * rule again. A `rule` of NULL is every policy's.
 */
struct snapshot *snapshot_acquire_for(const struct policy_rule *rule);

/* Gives a reference back. */
void snapshot_release(struct snapshot *snapshot);

/* A reference of snapshot_acquire() becomes one in memory that a fork copies, and back. */
void snapshot_hold(struct snapshot *snapshot);
void snapshot_unhold(struct snapshot *snapshot);

/* The number that the rule with this index has in the counters. */
static inline uint16_t snapshot_number(const struct snapshot *snapshot, size_t rule)
{
    return snapshot->numbers[rule];
}

/* The settings of the channels under the rule with this index. */
static inline const struct pfswrap_seal_config *snapshot_config(const struct snapshot *snapshot, size_t rule)
{
    return keys_config_in(snapshot->keys, rule);
}

/*
 * Makes `policy` and `keys` the newest state. Both belong to the snapshot from then on. Called by one thread.
 * Returns its generation; 0: no memory.
 */
uint32_t snapshot_publish(const struct policy *policy, const struct keys *keys);

/*
 * Memory for a policy; NULL: none is left. The policy that equals it and was in force before; NULL: there is none.
 * And keep makes it read-only, and keeps it. False: there are too many. Called by one thread.
 */
struct policy *snapshot_new_policy(void);
void snapshot_free_policy(struct policy *policy);
const struct policy *snapshot_find_policy(const struct policy *policy);
bool snapshot_keep_policy(struct policy *policy);

/*
 * In a child of a fork, which has the references of the parent's threads as well: begin, one call for each
 * endpoint, end. Snapshots without a reference are freed. `is_idle`: no call of this thread is under way.
 */
void snapshot_begin_recount(void);
void snapshot_recount(struct snapshot *snapshot);
void snapshot_end_recount(bool is_idle);

#endif
