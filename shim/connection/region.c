/*
 * A region goes when the last connection in it is closed here; the other processes have mappings of their own of
 * the same memory. What comes from another process is mapped by the pages around one place, since a fork of a busy
 * server makes large regions.
 */
#include "connection/region.h"

#include <errno.h>
#include <sys/stat.h>

#include "connection/memory.h"
#include "connection/process.h"
#include "real/descriptor.h"
#include "real/kernel.h"

enum {
    PIECE_BYTES = CONNECTION_PIECE_BYTES + 2 * CONNECTION_BUFFER_BYTES,
    REGION_PIECE_BYTES = 64,
    MAPPING_STEP = 65536, /* a multiple of every page size */
};
_Static_assert(sizeof(struct region) <= REGION_PIECE_BYTES, "a region fits its piece of memory");

static struct memory_pool regions = {.piece = REGION_PIECE_BYTES, .per_chunk = 64};

static struct region *take_region(void)
{
    const int32_t index = memory_take(&regions);
    if (index < 0)
        return NULL;
    struct region *region = memory_at(&regions, index);
    *region = (struct region){.index = index, .fd = -1};
    return region;
}

/* Puts the file's descriptor, which is closed, where no program reaches it. */
static void keep_file(struct region *region, int fd)
{
    struct stat status = {0};
    const int saved = errno;
    const int high =
        KERNEL_2(SYS_fstat, fd, &status) == 0 ? endpoint_reserve_duplicate(fd, DESCRIPTOR_OWN_FIRST) : -1;
    if (high >= 0) {
        region->device = status.st_dev;
        region->inode = status.st_ino;
        atomic_store(&region->fd, high);
    }
    errno = saved;
}

struct region *region_make(uint32_t count)
{
    struct region *region = take_region();
    int fd = -1;
    if (region == NULL)
        return NULL;
    region->bytes = (size_t)count * PIECE_BYTES;
    if (!process_sandboxed && !process_is_vfork_child())
        region->base = memory_share_file(region->bytes, &fd);
    if (region->base == NULL)
        region->base = memory_share(region->bytes);
    if (region->base == NULL) {
        memory_give(&regions, region->index);
        return NULL;
    }
    if (fd >= 0) {
        keep_file(region, fd);
        (void)KERNEL_1(SYS_close, fd);
    }
    return region;
}

struct region *region_join(int fd, size_t at)
{
    struct region *region = at % _Alignof(struct connection) == 0 ? take_region() : NULL;
    if (region == NULL)
        return NULL;
    region->offset = at / MAPPING_STEP * MAPPING_STEP;
    region->bytes = at % MAPPING_STEP + PIECE_BYTES;
    region->base = memory_map_file(fd, region->offset, region->bytes);
    if (region->base == NULL) {
        memory_give(&regions, region->index);
        return NULL;
    }
    keep_file(region, fd);
    return region;
}

struct connection *region_place(const struct region *region, uint32_t number)
{
    return region_home(region, (size_t)number * PIECE_BYTES);
}

struct connection *region_home(const struct region *region, size_t at)
{
    return (void *)(region->base + (at - region->offset));
}

size_t region_at(const struct region *region, const struct connection *home)
{
    return (size_t)((const uint8_t *)home - region->base) + region->offset;
}

int region_descriptor(const struct region *region)
{
    struct stat status = {0};
    const int fd = atomic_load(&region->fd);
    const bool is_there = fd >= 0 && !process_sandboxed && KERNEL_2(SYS_fstat, fd, &status) == 0 &&
                          status.st_dev == region->device && status.st_ino == region->inode;
    return is_there ? fd : -1;
}

void region_make_way(int fd)
{
    for (uint32_t i = 0; i < memory_count(&regions); i++) {
        if (atomic_load(&regions.chunks[i / regions.per_chunk]) == NULL)
            continue;
        struct region *region = memory_at(&regions, (int32_t)i);
        if (region->base == NULL || atomic_load(&region->fd) != fd)
            continue;
        const int moved = endpoint_reserve_duplicate(fd, fd + 1);
        int expected = fd;
        const bool is_moved = atomic_compare_exchange_strong(&region->fd, &expected, moved);
        if (is_moved || moved >= 0) /* another thread has dropped the region in between, and sees to `fd` */
            endpoint_unreserve(is_moved ? fd : moved, true);
        return;
    }
}

void region_hold(struct region *region)
{
    atomic_fetch_add(&region->live, 1);
}

void region_leave(struct region *region)
{
    if (atomic_fetch_sub(&region->live, 1) == 1)
        region_drop(region);
}

void region_drop(struct region *region)
{
    const bool is_there = region_descriptor(region) >= 0;
    const int fd = atomic_exchange(&region->fd, -1);
    if (fd >= 0 && !process_sandboxed)
        endpoint_unreserve(fd, is_there);
    if (!process_sandboxed)
        memory_unshare(region->base, region->bytes);
    memory_give(&regions, region->index);
}
