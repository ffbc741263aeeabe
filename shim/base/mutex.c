/*
 * The word names the process of the owner, and not its thread. If the word has another generation, this memory is a
 * copy, and the owner is a thread of the process that was copied.
 */
#include "base/mutex.h"

#include <linux/futex.h>
#include <stddef.h>
#include <time.h>

#include "base/process.h"
#include "base/raw_syscall.h"
#include "base/relax.h"

#define WAITED 1U /* a thread sleeps until the word changes, and must be woken */

enum { SPINS = 100, SLICE_MS = 10 };

static uint32_t word_of_process(void)
{
    process_check();
    return __atomic_load_n(process_generation, __ATOMIC_RELAXED) << 1;
}

/* Locks it if it is not locked in this process. `flags`: WAITED, or 0. */
static bool take(struct mutex *mutex, uint32_t self, uint32_t flags)
{
    uint32_t seen = atomic_load_explicit(&mutex->word, memory_order_relaxed);
    return (seen & ~WAITED) != self &&
           atomic_compare_exchange_strong_explicit(&mutex->word, &seen, self | flags, memory_order_acquire,
                                                   memory_order_relaxed);
}

bool mutex_try(struct mutex *mutex)
{
    return take(mutex, word_of_process(), 0);
}

/* Waits a little for another thread. */
static void wait_for(struct mutex *mutex, uint32_t self, int round)
{
    const struct timespec slice = {.tv_nsec = SLICE_MS * 1000000L};
    uint32_t seen = self;
    if (round < SPINS || process_sandboxed) {
        relax();
        return;
    }
    if (atomic_compare_exchange_strong(&mutex->word, &seen, self | WAITED) || seen == (self | WAITED))
        (void)raw_syscall(SYS_futex, &mutex->word, FUTEX_WAIT_PRIVATE, self | WAITED, &slice, NULL, 0);
}

void mutex_lock(struct mutex *mutex)
{
    const uint32_t self = word_of_process();
    for (int round = 0; !take(mutex, self, round < SPINS ? 0 : WAITED); round++) /* others may sleep as well */
        wait_for(mutex, self, round);
}

void mutex_unlock(struct mutex *mutex)
{
    const uint32_t before = atomic_exchange_explicit(&mutex->word, 0, memory_order_release);
    if ((before & WAITED) != 0 && !process_sandboxed)
        (void)raw_syscall(SYS_futex, &mutex->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}
