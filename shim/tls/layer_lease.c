/*
 * The shared count. A compare and exchange for each use; nothing waits.
 */
#include "tls/layer_lease.h"

#include <stddef.h>
#include <sys/mman.h>

enum { SHARED_BYTES = 4096 };

bool layer_lease_make(struct layer_lease *lease)
{
    void *page = mmap(NULL, SHARED_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return false;
    *lease = (struct layer_lease){.shared = page};
    return true;
}

void layer_lease_free(struct layer_lease *lease)
{
    if (lease->shared != NULL)
        (void)munmap((void *)lease->shared, SHARED_BYTES);
    lease->shared = NULL;
}

bool layer_lease_enter(struct layer_lease *lease)
{
    uint64_t expected = lease->mine;
    if (lease->entered || !atomic_compare_exchange_strong(lease->shared, &expected, lease->mine + 1))
        return false;
    lease->mine++;
    lease->entered = true;
    return true;
}

void layer_lease_leave(struct layer_lease *lease)
{
    lease->entered = false;
}
