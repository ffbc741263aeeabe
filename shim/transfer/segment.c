/*
 * A segment is freed when the last connection of this process in it is closed. Other processes have their own
 * mappings of the same memory. Of another process's segment, only the pages around one slot are mapped, since a
 * fork of a busy server makes large segments.
 */
#include "transfer/segment.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "base/process.h"
#include "base/raw_file.h"
#include "fd/own.h"

enum {
    SEGMENT_BLOCK_BYTES = 128,
    MAPPING_STEP = 65536, /* a multiple of every page size */
};
_Static_assert(sizeof(struct segment) <= SEGMENT_BLOCK_BYTES, "a segment fits its block of memory");

MEMORY_TABLE(segments);
static struct memory_pool segments = {.table = &segments_table, .block = SEGMENT_BLOCK_BYTES, .per_chunk = 64};

static struct segment *take_segment(void)
{
    const int32_t index = memory_take(&segments);
    if (index < 0)
        return NULL;
    struct segment *segment = memory_at(&segments, index);
    *segment = (struct segment){.index = index, .fd = -1};
    return segment;
}

/* Makes a hidden duplicate of the file's descriptor. The caller closes `fd`. */
static void keep_file(struct segment *segment, int fd)
{
    struct stat status = {0};
    const int saved = errno;
    const int high = raw_fstat(fd, &status) == 0 ? fd_reserve_duplicate(fd, OWN_FIRST) : -1;
    if (high >= 0) {
        segment->device = status.st_dev;
        segment->inode = status.st_ino;
        atomic_store(&segment->fd, high);
    }
    errno = saved;
}

struct segment *segment_make(uint32_t count)
{
    struct segment *segment = take_segment();
    int fd = -1;
    if (segment == NULL)
        return NULL;
    segment->bytes = (size_t)count * CONNECTION_SLOT_BYTES;
    if (!process_sandboxed && !process_is_vfork_child())
        segment->base = memory_share_file(segment->bytes, &fd);
    if (segment->base == NULL)
        segment->base = memory_share(segment->bytes);
    if (segment->base == NULL) {
        memory_give(&segments, segment->index);
        return NULL;
    }
    if (fd >= 0) {
        keep_file(segment, fd);
        (void)raw_syscall(SYS_close, fd);
    }
    return segment;
}

struct segment *segment_join(int fd, size_t at)
{
    struct segment *segment = at % _Alignof(struct connection) == 0 ? take_segment() : NULL;
    if (segment == NULL)
        return NULL;
    segment->offset = at / MAPPING_STEP * MAPPING_STEP;
    segment->bytes = at % MAPPING_STEP + CONNECTION_SLOT_BYTES;
    segment->base = memory_map_file(fd, segment->offset, segment->bytes);
    if (segment->base == NULL) {
        memory_give(&segments, segment->index);
        return NULL;
    }
    keep_file(segment, fd);
    return segment;
}

struct connection *segment_slot(const struct segment *segment, uint32_t slot_index)
{
    return segment_slot_at(segment, (size_t)slot_index * CONNECTION_SLOT_BYTES);
}

struct connection *segment_slot_at(const struct segment *segment, size_t at)
{
    return (void *)(segment->base + (at - segment->offset));
}

size_t segment_offset_of(const struct segment *segment, const struct connection *slot)
{
    return (size_t)((const uint8_t *)slot - segment->base) + segment->offset;
}

int segment_descriptor(const struct segment *segment)
{
    struct stat status = {0};
    const int fd = atomic_load(&segment->fd);
    const bool is_there = fd >= 0 && !process_sandboxed && raw_fstat(fd, &status) == 0 &&
                          status.st_dev == segment->device && status.st_ino == segment->inode;
    return is_there ? fd : -1;
}

void segment_make_way(int fd)
{
    for (uint32_t i = 0; i < memory_count(&segments); i++) {
        if (atomic_load(&segments.table->chunks[i / segments.per_chunk]) == NULL)
            continue;
        struct segment *segment = memory_at(&segments, (int32_t)i);
        if (segment->base == NULL || atomic_load(&segment->fd) != fd)
            continue;
        const int moved = fd_reserve_duplicate(fd, fd + 1);
        int expected = fd;
        const bool is_moved = atomic_compare_exchange_strong(&segment->fd, &expected, moved);
        if (is_moved || moved >= 0) /* otherwise another thread has dropped the segment, and closes `fd` */
            fd_unreserve(is_moved ? fd : moved, true);
        return;
    }
}

void segment_hold(struct segment *segment)
{
    atomic_fetch_add(&segment->live, 1);
}

bool segment_try_hold(struct segment *segment)
{
    unsigned live = atomic_load(&segment->live);
    while (live > 0)
        if (atomic_compare_exchange_weak(&segment->live, &live, live + 1))
            return true;
    return false;
}

bool segment_leave_unfreed(struct segment *segment)
{
    return atomic_fetch_sub(&segment->live, 1) == 1;
}

void segment_leave(struct segment *segment)
{
    if (segment_leave_unfreed(segment))
        segment_drop(segment);
}

void segment_drop(struct segment *segment)
{
    const bool is_there = segment_descriptor(segment) >= 0;
    const int fd = atomic_exchange(&segment->fd, -1);
    if (fd >= 0 && !process_sandboxed)
        fd_unreserve(fd, is_there);
    if (!process_sandboxed)
        memory_unshare(segment->base, segment->bytes);
    memory_give(&segments, segment->index);
}

void segment_after_fork(void)
{
    memory_begin_rebuild(&segments);
    for (const struct endpoint *endpoint = NULL; (endpoint = endpoint_next(endpoint)) != NULL;)
        if (endpoint->segment != NULL)
            memory_keep(&segments, endpoint->segment->index);
    memory_end_rebuild(&segments);
}
