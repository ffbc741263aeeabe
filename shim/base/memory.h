/*
 * Memory for connections and their bytes. Pools have private pages, which can be made secret: a fork wipes them,
 * and core dumps leave them out. Their blocks have equal sizes and are taken without a lock, so signal handlers may
 * take them, too. Shared mappings are for connections that several processes have.
 */
#ifndef PFSWRAP_BASE_MEMORY_H
#define PFSWRAP_BASE_MEMORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/large.h"

enum { MEMORY_CHUNKS = 16384 };

/* Where the chunks of a pool are. Apart from the pool, so that it is no part of the file, but zero pages. */
struct memory_table {
    _Atomic(uint8_t *) chunks[MEMORY_CHUNKS];
    _Atomic(uint32_t *) links[MEMORY_CHUNKS]; /* index + 1 of the next free block */
};

/* Blocks of one size, by index. Initialised statically: `table`, `block`, `per_chunk` and `secret`; the rest is
 * zero. */
struct memory_pool {
    struct memory_table *table;
    size_t block;          /* bytes of a block, a multiple of 64 */
    uint32_t per_chunk;    /* blocks mapped at once */
    bool secret;           /* wiped in children of a fork, and left out of core dumps */
    _Atomic uint64_t free; /* low half: index + 1 of the first free block; high half: counts changes */
    _Atomic uint32_t chunk_count;
};

/* Defines NAME_table, for a pool that is called NAME. */
#define MEMORY_TABLE(name) LARGE static struct memory_table name##_table

/* Takes a free block. It has what its last user left in it; zeros at first. -1: no memory. Keeps errno. */
int32_t memory_take(struct memory_pool *pool);
void memory_give(struct memory_pool *pool, int32_t index);

/*
 * Rebuilds the list of free blocks in a child of a fork. The fork copies the pool one page after the other, while
 * the parent's threads take blocks and give them back, so the copied list may be inconsistent. Between begin and
 * end, memory_keep() names the blocks that are in use; all others become free. No call of the child's only thread
 * may be using a block that is not named.
 */
void memory_begin_rebuild(struct memory_pool *pool);
void memory_keep(struct memory_pool *pool, int32_t index);
void memory_end_rebuild(struct memory_pool *pool);

static inline void *memory_at(struct memory_pool *pool, int32_t index)
{
    uint32_t chunk = (uint32_t)index / pool->per_chunk;
    return atomic_load_explicit(&pool->table->chunks[chunk], memory_order_acquire) +
           (size_t)((uint32_t)index % pool->per_chunk) * pool->block;
}

/* The same for any index below memory_count(). NULL: a thread of the parent was just adding the block's chunk. */
static inline void *memory_at_if(struct memory_pool *pool, uint32_t index)
{
    return atomic_load(&pool->table->chunks[index / pool->per_chunk]) != NULL ? memory_at(pool, (int32_t)index)
                                                                              : NULL;
}

/* How many blocks there are, taken or free. Every index is below this. */
uint32_t memory_count(struct memory_pool *pool);

/*
 * Maps `bytes` that children of a fork share with this process, and that core dumps leave out. NULL: no memory.
 * After memory_unshare() the mapping stays readable, as zeros, since another thread may still read it.
 */
void *memory_share(size_t bytes);

/*
 * The same as a file without a name (memfd_create(2)), which other programs can map, too. *fd is its descriptor, at
 * the lowest free number, with close-on-exec. Its size cannot change, and it cannot be opened through /proc. NULL:
 * no memory, no descriptor, or the limit on file sizes is too low.
 */
void *memory_share_file(size_t bytes, int *fd);

/*
 * Maps a part of another process's file of this kind. `at` is a multiple of the page size. NULL: it is not such a
 * file, or has no such part.
 */
void *memory_map_file(int fd, size_t at, size_t bytes);
void memory_unshare(void *mapping, size_t bytes);

#endif
