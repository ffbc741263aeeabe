/*
 * The shared counter takes one compare-and-exchange for each use. Nothing waits.
 */
#include "tls/fork_guard.h"

#include <stddef.h>
#include <sys/mman.h>

#include "base/page.h"

bool fork_guard_make(struct fork_guard *guard)
{
    void *page = mmap(NULL, PAGE_SMALLEST, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return false;
    *guard = (struct fork_guard){.shared = page};
    return true;
}

void fork_guard_free(struct fork_guard *guard)
{
    if (guard->shared != NULL)
        (void)munmap((void *)guard->shared, PAGE_SMALLEST);
    guard->shared = NULL;
}

bool fork_guard_enter(struct fork_guard *guard)
{
    uint64_t expected = guard->mine;
    if (guard->entered || !atomic_compare_exchange_strong(guard->shared, &expected, guard->mine + 1))
        return false;
    guard->mine++;
    guard->entered = true;
    return true;
}

void fork_guard_leave(struct fork_guard *guard)
{
    guard->entered = false;
}
