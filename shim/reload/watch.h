/*
 * The thread that reads a process's policy again: when `pfswrap reload` asks for it, and with `reload = auto`
 * within a second of a change. It begins with the first connection that the process makes or uses, and in each
 * child of a fork with that child's first one. So programs that have none have no thread, and children that only
 * execute another program have none. All signals are blocked in it.
 */
#ifndef PFSWRAP_RELOAD_WATCH_H
#define PFSWRAP_RELOAD_WATCH_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/filter.h"
#include "base/fork.h"
#include "policy/policy.h"

/* Before main(): makes the page for requests, unless `reload = off`. */
void watch_start(const struct policy *policy);

/*
 * A call is about to make a connection or a context: makes the thread if it is not there, and if the files may have
 * changed since this process's state was read, waits a moment for it. Keeps errno. One load if the thread is there,
 * or there is to be none.
 */
extern atomic_bool watch_is_due;
void watch_begin(bool waits);
static inline void watch_check(void)
{
    if (__builtin_expect(atomic_load_explicit(&watch_is_due, memory_order_relaxed), false))
        watch_begin(true);
}

/*
 * The same for a call that moves bytes on a sealed connection, which the process may have inherited: if the peer is
 * removed, the connection must end here, too. The call does not wait, since the connection has its keys.
 */
static inline void watch_check_inherited(void)
{
    if (__builtin_expect(atomic_load_explicit(&watch_is_due, memory_order_relaxed), false))
        watch_begin(false);
}

/*
 * Around the installation of a system call filter: the thread ends before it, since a filter may be for all threads
 * (SECCOMP_FILTER_FLAG_TSYNC), and starts again afterwards. If the filter forbids what it does, it does not start
 * again, and an event says so. `behind`: what is allowed behind the filter; `is_harmless`: filter_is_harmless().
 */
void watch_before_filter(const struct filter_set *behind, bool is_harmless);
void watch_after_filter(void);

/* For shim/order.c. */
extern const struct process_observer watch_process_observer;

#endif
