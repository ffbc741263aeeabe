/*
 * The lock is one word: how many threads are in a section, whether a fork has the lock or waits for it, and an
 * epoch. A thread that has waited too long begins a new epoch, in which no thread is in a section. Sections and
 * forks of an old epoch no longer change the count.
 */
#include "base/fork_lock.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/filter.h"
#include "base/process.h"
#include "base/raw_syscall.h"
#include "base/relax.h"

#define SECTIONS 0x000fffffU /* how many threads are in a section */
#define FORKING 0x00100000U  /* a fork has the lock, or waits for the sections to end */
#define WAITED 0x00200000U   /* a thread sleeps until the word changes, and must be woken */
#define EPOCH_ONE 0x00400000U
#define EPOCH (~(EPOCH_ONE - 1))

enum {
    SPINS = 100,
    SLICE_MS = 10,
    SANDBOX_SPINS = 1000000, /* in a sandbox, which may end the process for any system call (seccomp(2)) */
    GRACE_ROUNDS = 10,
};

static _Atomic uint32_t word;
static atomic_int waiting_sections; /* threads that wait for a fork to end */

static __thread struct {
    unsigned depth; /* of nested sections */
    uint32_t epoch; /* of the outermost section, or of the fork */
    bool forks;     /* this thread has the lock for a fork */
} mine __attribute__((tls_model("initial-exec")));

/* Waits a little for the word to change from `seen`. Returns at most how many milliseconds this took. */
static int wait_while(uint32_t seen, int round)
{
    const struct timespec slice = {.tv_nsec = SLICE_MS * 1000000L};
    if (round < SPINS) {
        relax();
        return 0;
    }
    if (!filter_allows(SYS_futex)) {
        for (int i = 0; i < SANDBOX_SPINS && atomic_load_explicit(&word, memory_order_relaxed) == seen; i++)
            relax();
        return SLICE_MS;
    }
    const uint32_t marked = seen | WAITED;
    if (seen != marked && !atomic_compare_exchange_strong(&word, &seen, marked))
        return 0;
    return raw_syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, marked, &slice, NULL, 0) == -ETIMEDOUT ? SLICE_MS : 0;
}

static void wake_all(uint32_t before)
{
    if ((before & WAITED) != 0 && filter_allows(SYS_futex))
        (void)raw_syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

/* The word of the next epoch: the sections, or the fork, that this thread has waited for no longer count. */
static uint32_t next_epoch(uint32_t seen, uint32_t flags)
{
    return ((seen & EPOCH) + EPOCH_ONE) | flags;
}

/* --- sections --- */

static uint32_t join(void)
{
    uint32_t seen = atomic_load_explicit(&word, memory_order_relaxed);
    int waited_ms = 0;
    bool waits = false;
    for (int round = 0;; round++) {
        if ((seen & FORKING) == 0 && atomic_compare_exchange_weak(&word, &seen, seen + 1))
            break;
        if ((seen & FORKING) == 0)
            continue;
        if (!waits)
            atomic_fetch_add(&waiting_sections, 1);
        waits = true;
        if (waited_ms >= FORK_LOCK_FORK_MS && atomic_compare_exchange_strong(&word, &seen, next_epoch(seen, 0)))
            wake_all(seen);
        else
            waited_ms += wait_while(seen, round);
        seen = atomic_load(&word);
    }
    if (waits)
        atomic_fetch_sub(&waiting_sections, 1);
    return seen & EPOCH;
}

static void leave(uint32_t epoch)
{
    uint32_t seen = atomic_load_explicit(&word, memory_order_relaxed);
    while ((seen & EPOCH) == epoch && (seen & SECTIONS) > 0)
        if (atomic_compare_exchange_weak(&word, &seen, seen - 1)) {
            if ((seen & SECTIONS) == 1 && (seen & FORKING) != 0)
                wake_all(seen);
            return;
        }
}

/* A section that this thread left by siglongjmp(3) does not count once another thread has given up on it. */
bool fork_lock_is_blocked_here(void)
{
    return mine.depth > 0 && !mine.forks &&
           (atomic_load_explicit(&word, memory_order_relaxed) & EPOCH) == mine.epoch;
}

bool fork_lock_is_held_here(void)
{
    return mine.forks;
}

void process_block_forks(void)
{
    process_check();
    if (mine.forks) /* what the fork itself does */
        return;
    if (fork_lock_is_blocked_here()) {
        mine.depth++;
        return;
    }
    mine.epoch = join();
    mine.depth = 1;
}

void process_unblock_forks(void)
{
    if (!mine.forks && mine.depth > 0 && --mine.depth == 0)
        leave(mine.epoch);
}

/* --- forks --- */

/*
 * Sections that have waited for the last fork come before the next one. Otherwise threads that only fork would keep
 * them out. They have been woken, and have two milliseconds.
 */
static bool lets_sections_pass(int *grace)
{
    const struct timespec pause = {.tv_nsec = 200000};
    if (process_sandboxed || atomic_load(&waiting_sections) == 0 || *grace >= 2 * GRACE_ROUNDS)
        return false;
    if ((*grace)++ < GRACE_ROUNDS)
        (void)raw_syscall(SYS_sched_yield);
    else
        (void)raw_syscall(SYS_ppoll, NULL, 0, &pause, NULL, 0);
    return true;
}

static void hold(uint32_t seen)
{
    mine.forks = true;
    mine.depth = 0;
    mine.epoch = seen & EPOCH;
}

static bool try_to_acquire(void)
{
    uint32_t seen = atomic_load(&word);
    while ((seen & (FORKING | SECTIONS)) == 0)
        if (atomic_compare_exchange_weak(&word, &seen, seen | FORKING)) {
            hold(seen);
            return true;
        }
    return false;
}

bool fork_lock_acquire(bool waits)
{
    int waited_ms = 0, grace = 0;
    if (mine.forks || fork_lock_is_blocked_here())
        return false;
    if (!waits)
        return try_to_acquire();
    uint32_t seen = atomic_load(&word);
    for (int round = 0;; round++) {
        if ((seen & FORKING) == 0 && !lets_sections_pass(&grace) &&
            atomic_compare_exchange_strong(&word, &seen, seen | FORKING))
            break;
        if ((seen & FORKING) != 0 && waited_ms >= FORK_LOCK_FORK_MS &&
            atomic_compare_exchange_strong(&word, &seen, next_epoch(seen, 0)))
            wake_all(seen);
        else if ((seen & FORKING) != 0)
            waited_ms += wait_while(seen, round);
        seen = atomic_load(&word);
    }
    hold(seen);
    waited_ms = 0;
    for (int round = 0; ((seen = atomic_load(&word)) & SECTIONS) > 0 && (seen & EPOCH) == mine.epoch; round++)
        if (waited_ms < FORK_LOCK_SECTION_MS)
            waited_ms += wait_while(seen, round);
        else if (atomic_compare_exchange_strong(&word, &seen, next_epoch(seen, FORKING | (seen & WAITED))))
            mine.epoch = (seen & EPOCH) + EPOCH_ONE;
    return true;
}

void fork_lock_release(void)
{
    uint32_t seen = atomic_load(&word);
    if (!mine.forks)
        return;
    mine.forks = false;
    while ((seen & EPOCH) == mine.epoch && (seen & FORKING) != 0)
        if (atomic_compare_exchange_weak(&word, &seen, seen & ~(FORKING | WAITED))) {
            wake_all(seen);
            return;
        }
}

void fork_lock_reset(void)
{
    mine.forks = false;
    mine.depth = 0;
    atomic_store(&waiting_sections, 0);
    atomic_store(&word, 0);
}
