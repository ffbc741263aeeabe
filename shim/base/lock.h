/*
 * The lock of a connection: it may lie in memory shared by several processes, its owner may die, leave by
 * siglongjmp() or be interrupted by a handler that wants it, too. Robust mutexes survive none of raw clones and
 * jumps, hence this one: a futex(2) and the identity of its owner. Knows no connection.
 */
#ifndef PFSWRAP_BASE_LOCK_H
#define PFSWRAP_BASE_LOCK_H

#include <stdatomic.h>
#include <stdint.h>

struct lock {
    _Atomic uint32_t word;  /* 0: free; else the owner's thread id, and LOCK_WAITERS */
    _Atomic uint32_t space; /* of the owner's id: process.h */
};

enum lock_result {
    LOCK_TAKEN,
    LOCK_TAKEN_FROM_DEAD, /* its owner is gone, or did not come back in LOCK_PATIENCE_MS: what it guards is in doubt
                           */
    LOCK_OWN,             /* this thread holds it: in a frame below, or one that a jump has left */
};

/* How long an owner may take that is alive, and one of whom that cannot be known. */
enum { LOCK_PATIENCE_MS = 10000, LOCK_PATIENCE_UNKNOWN_MS = 1000 };

/* No critical section blocks, so waiting is short; waits without being a cancellation point. Keeps errno. */
enum lock_result lock_take(struct lock *lock);

void lock_release(struct lock *lock);

#endif
