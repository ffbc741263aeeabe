/*
 * Without contention both calls are one atomic operation. A system call filter sees a futex(2) only if threads or
 * processes really compete.
 */
#include "base/lock.h"

#include <linux/futex.h>
#include <stdbool.h>
#include <time.h>

#include "base/filter.h"
#include "base/process.h"
#include "base/raw_syscall.h"
#include "base/relax.h"

#define LOCK_WAITERS 0x80000000U

enum { SPINS = 100, SLICE_MS = 50, SANDBOX_SPINS = 1000000 };

static bool take_free(struct lock *lock, struct process_thread self, uint32_t waiters)
{
    uint32_t expected = 0;
    if (!atomic_compare_exchange_strong_explicit(&lock->word, &expected, self.id | waiters, memory_order_acquire,
                                                 memory_order_relaxed))
        return false;
    lock->space = self.space;
    return true;
}

/* Waits SLICE_MS at most, until the word changes. Not FUTEX_PRIVATE: other processes may have mapped it. */
static void wait_while(struct lock *lock, uint32_t word)
{
    struct timespec slice = {.tv_nsec = SLICE_MS * 1000000L};
    if (!filter_allows(SYS_futex)) { /* the filter may end the process for it (vsftpd's does) */
        for (int i = 0; i < SANDBOX_SPINS && atomic_load_explicit(&lock->word, memory_order_relaxed) == word; i++)
            relax();
        return;
    }
    (void)raw_syscall(SYS_futex, &lock->word, FUTEX_WAIT, word, &slice, NULL, 0);
}

/* How long to wait for an owner. */
static int timeout_ms_for(enum process_life life)
{
    switch (life) {
    case PROCESS_ALIVE:
        return LOCK_TIMEOUT_MS;
    case PROCESS_UNKNOWN:
        return LOCK_TIMEOUT_UNKNOWN_MS;
    case PROCESS_DEAD:
        break;
    }
    return 0;
}

static enum lock_result take_contended(struct lock *lock, struct process_thread self)
{
    uint32_t seen = 0;
    int waited_ms = 0;
    for (int i = 0; i < SPINS; i++) {
        if (take_free(lock, self, 0))
            return LOCK_TAKEN;
        relax();
    }
    for (;;) {
        if (take_free(lock, self, LOCK_WAITERS))
            return LOCK_TAKEN;
        uint32_t word = atomic_load(&lock->word);
        if (word == 0)
            continue;
        uint32_t marked = word | LOCK_WAITERS;
        if (word != marked && !atomic_compare_exchange_strong(&lock->word, &word, marked))
            continue;
        wait_while(lock, marked);
        uint32_t now = atomic_load(&lock->word);
        if (now != marked || now != seen) { /* the lock has changed hands, so its owner is alive */
            seen = now;
            waited_ms = 0;
            continue;
        }
        waited_ms += SLICE_MS;
        struct process_thread owner = {.id = now & ~LOCK_WAITERS, .space = lock->space};
        const enum process_life life = process_thread_life(owner);
        if (waited_ms < timeout_ms_for(life))
            continue;
        if (atomic_compare_exchange_strong(&lock->word, &now, self.id | LOCK_WAITERS)) {
            lock->space = self.space;
            if (life == PROCESS_ALIVE)
                atomic_store(&lock->late, owner.id);
            if (life != PROCESS_DEAD)
                atomic_store(&lock->taken, 1);
            return LOCK_TAKEN_FROM_DEAD;
        }
    }
}

bool lock_is_held_here(const struct lock *lock)
{
    const struct process_thread self = process_thread();
    return (atomic_load_explicit(&lock->word, memory_order_relaxed) & ~LOCK_WAITERS) == self.id &&
           lock->space == self.space;
}

enum lock_result lock_take(struct lock *lock)
{
    struct process_thread self = process_thread();
    if (__builtin_expect(take_free(lock, self, 0), true))
        return LOCK_TAKEN;
    if (lock_is_held_here(lock))
        return LOCK_OWN;
    return take_contended(lock, self);
}

bool lock_try(struct lock *lock)
{
    return take_free(lock, process_thread(), 0);
}

bool lock_has_late_owner(struct lock *lock)
{
    const struct process_thread late = {.id = atomic_load(&lock->late), .space = process_thread().space};
    return late.id != 0 && process_thread_life(late) != PROCESS_DEAD;
}

void lock_start_again(struct lock *lock)
{
    atomic_store(&lock->taken, 0);
    atomic_store(&lock->late, 0);
}

void lock_release(struct lock *lock)
{
    if (__builtin_expect(lock_was_taken_over(lock) && !lock_is_held_here(lock), false)) {
        uint32_t self = process_thread().id;
        (void)atomic_compare_exchange_strong(&lock->late, &self, 0);
        return;
    }
    if ((atomic_exchange_explicit(&lock->word, 0, memory_order_release) & LOCK_WAITERS) && filter_allows(SYS_futex))
        (void)raw_syscall(SYS_futex, &lock->word, FUTEX_WAKE, 1, NULL, NULL, 0);
}
