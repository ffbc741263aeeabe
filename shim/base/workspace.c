/*
 * Workspaces are blocks of two pools, one for each size. Each begins with its index, and says whether it is in use:
 * a child of a fork keeps those in use, since the thread that forked may be in the middle of one (a signal handler
 * may fork).
 */
#include "base/workspace.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"

struct block {
    struct memory_pool *pool;
    int32_t index;
    atomic_bool in_use;
    alignas(64) uint8_t bytes[];
};

MEMORY_TABLE(blocks);
static struct memory_pool blocks = {
    .table = &blocks_table, .block = sizeof(struct block) + WORKSPACE_BYTES, .per_chunk = 8};
MEMORY_TABLE(large_blocks);
static struct memory_pool large_blocks = {
    .table = &large_blocks_table, .block = sizeof(struct block) + WORKSPACE_LARGE_BYTES, .per_chunk = 4};

static void *take(struct memory_pool *pool)
{
    const int32_t index = memory_take(pool);
    if (index < 0)
        return NULL;
    struct block *block = memory_at(pool, index);
    block->pool = pool;
    block->index = index;
    atomic_store(&block->in_use, true);
    return block->bytes;
}

void *workspace_take(void)
{
    return take(&blocks);
}

void *workspace_take_large(void)
{
    return take(&large_blocks);
}

void workspace_give(void *workspace)
{
    if (workspace == NULL)
        return;
    struct block *block = (void *)((uint8_t *)workspace - offsetof(struct block, bytes));
    atomic_store(&block->in_use, false);
    memory_give(block->pool, block->index);
}

static void rebuild(struct memory_pool *pool)
{
    memory_begin_rebuild(pool);
    for (uint32_t i = 0; i < memory_count(pool); i++) {
        const struct block *block = memory_at_if(pool, i);
        if (block != NULL && atomic_load(&block->in_use))
            memory_keep(pool, (int32_t)i);
    }
    memory_end_rebuild(pool);
}

static void after_fork_in_child(enum process_fork kind)
{
    (void)kind;
    rebuild(&blocks);
    rebuild(&large_blocks);
}

const struct process_observer workspace_process_observer = {.after_fork_in_child = after_fork_in_child};
