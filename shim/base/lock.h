/*
 * The lock of a connection. It may be in memory that several processes share. Its owner may die, may leave by
 * siglongjmp(3), or may be interrupted by a signal handler that needs the same lock. A robust mutex of pthreads(7)
 * does not work in children of raw clone(2) calls, nor after such a jump. So this lock is a futex(2) and the
 * identity of its owner.
 */
#ifndef PFSWRAP_BASE_LOCK_H
#define PFSWRAP_BASE_LOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct lock {
    _Atomic uint32_t word;  /* 0: free; else the owner's thread id, and LOCK_WAITERS */
    _Atomic uint32_t space; /* the namespace of the owner's thread id (base/process.h) */
    _Atomic uint32_t taken; /* 1: it was taken over from an owner that may live */
    _Atomic uint32_t late;  /* that owner's thread id, if it is alive, until it releases the lock */
};

enum lock_result {
    LOCK_TAKEN,
    LOCK_TAKEN_FROM_DEAD, /* its owner is dead, or the timeout is over: the data behind it may be inconsistent */
    LOCK_OWN,             /* this thread holds it: in a calling frame, or in one that a jump has left */
};

/* The timeout for an owner that is alive, and for one in another pid namespace, which may be dead. */
enum { LOCK_TIMEOUT_MS = 10000, LOCK_TIMEOUT_UNKNOWN_MS = 1000 };

/* No critical section blocks, so the wait is short. Not a cancellation point. Keeps errno. */
enum lock_result lock_take(struct lock *lock);

/* The same without waiting. False: it is not free. */
bool lock_try(struct lock *lock);

/* Does nothing else than clear `late` if this thread is the late owner: the lock belongs to another one by now. */
void lock_release(struct lock *lock);

/* Whether this thread holds the lock. */
bool lock_is_held_here(const struct lock *lock);

/*
 * An owner from which the lock was taken over may go on, and write to the data. So that data is not valid again,
 * and its memory must not be used for anything else as long as lock_has_late_owner().
 */
bool lock_has_late_owner(struct lock *lock);
static inline bool lock_was_taken_over(const struct lock *lock)
{
    return __builtin_expect(atomic_load_explicit(&lock->taken, memory_order_acquire) != 0, false);
}

/* The data is new. The caller holds the lock. */
void lock_start_again(struct lock *lock);

#endif
