/*
 * Where connections and their bytes live: private pages that no fork copies and no core dump shows, handed out in
 * equal pieces without a lock, so that signal handlers may take them, too; and mappings that a fork shares. Knows
 * no connection.
 */
#ifndef PFSWRAP_BASE_MEMORY_H
#define PFSWRAP_BASE_MEMORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MEMORY_CHUNKS = 16384 };

/* Pieces of one size, by index. Statically initialised with the three sizes; the rest is zero. */
struct memory_pool {
    size_t piece;          /* bytes of a piece, a multiple of 64 */
    uint32_t per_chunk;    /* pieces mapped at once */
    bool secret;           /* wiped in children of a fork, and left out of core dumps */
    _Atomic uint64_t free; /* index + 1 of the first free piece, and how often it has changed above that */
    _Atomic uint32_t chunk_count;
    _Atomic(uint8_t *) chunks[MEMORY_CHUNKS];
    _Atomic(uint32_t *) links[MEMORY_CHUNKS]; /* index + 1 of the next free piece */
};

/* A free piece, with what its last user left in it (zeros at first). -1: no memory. Keeps errno. */
int32_t memory_take(struct memory_pool *pool);
void memory_give(struct memory_pool *pool, int32_t index);

/*
 * In a child of a fork, whose one thread uses no piece now: the parent's threads may have taken and given pieces
 * while the fork copied the pool a page at a time, so that the copied list of free pieces can be anything. Between
 * the first and the last call memory_keep() names the pieces that are taken here; all others are free then.
 */
void memory_begin_rebuild(struct memory_pool *pool);
void memory_keep(struct memory_pool *pool, int32_t index);
void memory_end_rebuild(struct memory_pool *pool);

static inline void *memory_at(struct memory_pool *pool, int32_t index)
{
    uint32_t chunk = (uint32_t)index / pool->per_chunk;
    return atomic_load_explicit(&pool->chunks[chunk], memory_order_acquire) +
           (size_t)((uint32_t)index % pool->per_chunk) * pool->piece;
}

/* How many pieces there are, taken or free: every index is below. */
uint32_t memory_count(struct memory_pool *pool);

/*
 * `bytes` that children of a fork share with this process, left out of core dumps. NULL: no memory. A mapping that
 * is given back stays readable, as zeros: a thread that is about to find out may still look there.
 */
void *memory_share(size_t bytes);

/*
 * The same as a file without a name (memfd_create(2)), which other programs can map, too: *fd is its descriptor, at
 * the lowest free number, with close-on-exec. Its size cannot change, and nobody can open it by its descriptor's
 * name. NULL: no memory, no descriptor, or a limit on file sizes, which would kill.
 */
void *memory_share_file(size_t bytes, int *fd);

/* A part of such a file of another process. `at` is a multiple of a page. NULL: it is none, or has no such part. */
void *memory_map_file(int fd, size_t at, size_t bytes);
void memory_unshare(void *mapping, size_t bytes);

#endif
