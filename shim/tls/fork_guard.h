/*
 * Whether this process may still use a connection's keys. After a fork, two processes have the same keys and the
 * same nonce counters, and two messages under the same key and nonce are not protected. Both processes share a
 * counter: each use increments it, and a process whose private copy is behind may no longer use the keys. So the
 * first process that uses the connection keeps it. This needs no notification of the fork, so it covers raw
 * clone(2) as well.
 */
#ifndef PFSWRAP_TLS_FORK_GUARD_H
#define PFSWRAP_TLS_FORK_GUARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Each guard has a shared page of its own, so a child cannot change the counters of its parent's later connections.
 */
struct fork_guard {
    _Atomic uint64_t *shared;
    uint64_t mine; /* what the shared counter must be */
    bool entered;  /* a use is in progress, has never returned, or was in progress at the fork */
};

/* Returns false if there is no memory. */
bool fork_guard_make(struct fork_guard *guard);
void fork_guard_free(struct fork_guard *guard);

/* Before and after each use. fork_guard_enter() returns false if this process must not use the keys any more. */
bool fork_guard_enter(struct fork_guard *guard);
void fork_guard_leave(struct fork_guard *guard);

#endif
