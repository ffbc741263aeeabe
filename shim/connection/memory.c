/*
 * Free pieces are a stack of indices; its head carries a counter, so that a piece taken and given back in between
 * is noticed. Nothing is ever unmapped: an index stays valid memory for threads that look at it late.
 */
#include "connection/memory.h"

#include <errno.h>
#include <sys/mman.h>

enum { CHANGES_SHIFT = 32 };

static uint32_t *link_of(struct memory_pool *pool, uint32_t index)
{
    return atomic_load_explicit(&pool->links[index / pool->per_chunk], memory_order_acquire) +
           index % pool->per_chunk;
}

static void push(struct memory_pool *pool, uint32_t index)
{
    uint64_t head = atomic_load(&pool->free);
    uint64_t next;
    do {
        __atomic_store_n(link_of(pool, index), (uint32_t)head, __ATOMIC_RELAXED);
        next = ((head >> CHANGES_SHIFT) + 1) << CHANGES_SHIFT | (index + 1);
    } while (!atomic_compare_exchange_weak(&pool->free, &head, next));
}

static void *map(size_t bytes, int flags)
{
    void *mapping = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return mapping == MAP_FAILED ? NULL : mapping;
}

static bool grow(struct memory_pool *pool)
{
    uint8_t *pieces = map(pool->per_chunk * pool->piece, MAP_PRIVATE);
    uint32_t *links = map(pool->per_chunk * sizeof *links, MAP_PRIVATE);
    if (pieces == NULL || links == NULL)
        return false;
    if (pool->secret && (madvise(pieces, pool->per_chunk * pool->piece, MADV_WIPEONFORK) != 0 ||
                         madvise(pieces, pool->per_chunk * pool->piece, MADV_DONTDUMP) != 0))
        return false;
    uint32_t chunk = atomic_fetch_add(&pool->chunk_count, 1);
    if (chunk >= MEMORY_CHUNKS) {
        atomic_fetch_sub(&pool->chunk_count, 1);
        return false;
    }
    atomic_store_explicit(&pool->links[chunk], links, memory_order_release);
    atomic_store_explicit(&pool->chunks[chunk], pieces, memory_order_release);
    for (uint32_t i = pool->per_chunk; i > 0; i--)
        push(pool, chunk * pool->per_chunk + i - 1);
    return true;
}

int32_t memory_take(struct memory_pool *pool)
{
    int error = errno;
    uint64_t head = atomic_load(&pool->free);
    for (;;) {
        if ((uint32_t)head == 0) {
            bool grown = grow(pool);
            errno = error;
            if (!grown)
                return -1;
            head = atomic_load(&pool->free);
            continue;
        }
        uint32_t index = (uint32_t)head - 1;
        uint32_t after = __atomic_load_n(link_of(pool, index), __ATOMIC_RELAXED);
        uint64_t next = ((head >> CHANGES_SHIFT) + 1) << CHANGES_SHIFT | after;
        if (atomic_compare_exchange_weak(&pool->free, &head, next))
            return (int32_t)index;
    }
}

void memory_give(struct memory_pool *pool, int32_t index)
{
    push(pool, (uint32_t)index);
}

uint32_t memory_count(struct memory_pool *pool)
{
    uint32_t chunks = atomic_load(&pool->chunk_count);
    return (chunks < MEMORY_CHUNKS ? chunks : MEMORY_CHUNKS) * pool->per_chunk;
}

void *memory_share(size_t bytes)
{
    int error = errno;
    void *mapping = map(bytes, MAP_SHARED);
    if (mapping != NULL)
        (void)madvise(mapping, bytes, MADV_DONTDUMP);
    errno = error;
    return mapping;
}

void memory_unshare(void *mapping, size_t bytes)
{
    int error = errno;
    (void)mmap(mapping, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
               0);
    errno = error;
}
