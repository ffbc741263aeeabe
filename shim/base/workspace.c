/*
 * Workspaces are blocks of a pool. Each begins with its index, and says whether it is in use: a child of a fork
 * keeps those in use, since the thread that forked may be in the middle of one (a signal handler may fork).
 */
#include "base/workspace.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"

struct block {
    int32_t index;
    atomic_bool in_use;
    alignas(64) uint8_t bytes[WORKSPACE_BYTES];
};

static struct memory_pool blocks = {.block = sizeof(struct block), .per_chunk = 8};

void *workspace_take(void)
{
    const int32_t index = memory_take(&blocks);
    if (index < 0)
        return NULL;
    struct block *block = memory_at(&blocks, index);
    block->index = index;
    atomic_store(&block->in_use, true);
    return block->bytes;
}

void workspace_give(void *workspace)
{
    if (workspace == NULL)
        return;
    struct block *block = (void *)((uint8_t *)workspace - offsetof(struct block, bytes));
    atomic_store(&block->in_use, false);
    memory_give(&blocks, block->index);
}

static void after_fork_in_child(enum process_fork kind)
{
    (void)kind;
    memory_begin_rebuild(&blocks);
    for (uint32_t i = 0; i < memory_count(&blocks); i++) {
        const struct block *block = memory_at_if(&blocks, i);
        if (block != NULL && atomic_load(&block->in_use))
            memory_keep(&blocks, (int32_t)i);
    }
    memory_end_rebuild(&blocks);
}

const struct process_observer workspace_process_observer = {.after_fork_in_child = after_fork_in_child};
