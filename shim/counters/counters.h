/*
 * Counters that other processes may read (layout.h). They are in this process's own memory: they cost no file, no
 * descriptor and no system call, and they vanish with the process. A fork begins anew with zeros. A child of
 * vfork() runs on its parent's memory and does not count. No function here blocks, allocates from libc's heap or
 * changes errno.
 */
#ifndef PFSWRAP_COUNTERS_COUNTERS_H
#define PFSWRAP_COUNTERS_COUNTERS_H

#include <stdbool.h>

#include "base/fork.h"
#include "counters/layout.h"

extern struct counters_block counters __attribute__((visibility("hidden")));

/* Begins: this process is `program`. Later calls change nothing. */
void counters_start(const char *program);

/*
 * Around a change of counters.about: what is written in between is read whole, or not at all. One thread at a time.
 */
struct counters_about *counters_begin_change(void);
void counters_end_change(void);

/* This process is a child without observers (a relay): it counts from zero. */
void counters_become_child(void);

/*
 * Adds `count` to the cell with these texts; longer ones are cut. Many threads may call it at once, and a signal
 * handler may interrupt it.
 */
void counters_add(enum counters_kind kind, const char *a, const char *b, uint64_t count);

/* An event could not be written to the log, or could. */
void counters_note_log(bool failed);

/*
 * An entry for a connection that is open; NULL: there is no memory for one. The caller fills it between
 * begin and end, and is the only one that writes to it.
 */
struct counters_connection *counters_take(void);
void counters_begin_entry(struct counters_connection *entry);
void counters_end_entry(struct counters_connection *entry);
void counters_give(struct counters_connection *entry);

/* Where this thread counts the bytes of a rule. `rule`: less than COUNTERS_RULES. */
static inline struct counters_flow *counters_flow(uint16_t rule)
{
    /* Stacks of threads are far apart, so the address of a frame tells threads apart well enough. */
    const uint32_t place = (uint32_t)((uintptr_t)__builtin_frame_address(0) >> 16) * UINT32_C(0x9e3779b1);
    return &counters.counts.flows[rule % COUNTERS_RULES][place >> 29];
}
_Static_assert(COUNTERS_SHARDS == 1 << (32 - 29), "three bits choose a shard");

static inline void counters_increase(_Atomic uint64_t *counter, uint64_t by)
{
    atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

static inline void counters_set(_Atomic uint64_t *counter, uint64_t value)
{
    atomic_store_explicit(counter, value, memory_order_relaxed);
}

/* For shim/order.c. */
extern const struct process_observer counters_process_observer;

#endif
