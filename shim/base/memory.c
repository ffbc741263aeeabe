/*
 * Free blocks are a stack of indices. Its head has a counter, so a thread notices if another one has taken and
 * given back a block in between. Nothing is ever unmapped, so a late read of a block that was given back is
 * harmless. Makes system calls only.
 */
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/filter.h"
#include "base/raw_file.h"

enum {
    CHANGES_SHIFT = 32,
    FILE_SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL,
    FILE_NOEXEC = 0x0008, /* MFD_NOEXEC_SEAL */
};

#define KEPT UINT32_MAX /* the link of a block that memory_keep() has named */

static uint32_t *link_of(struct memory_pool *pool, uint32_t index)
{
    return atomic_load_explicit(&pool->table->links[index / pool->per_chunk], memory_order_acquire) +
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
    uint8_t *blocks = map(pool->per_chunk * pool->block, MAP_PRIVATE);
    uint32_t *links = map(pool->per_chunk * sizeof *links, MAP_PRIVATE);
    if (blocks == NULL || links == NULL)
        return false;
    if (pool->secret && (madvise(blocks, pool->per_chunk * pool->block, MADV_WIPEONFORK) != 0 ||
                         madvise(blocks, pool->per_chunk * pool->block, MADV_DONTDUMP) != 0))
        return false;
    uint32_t chunk = atomic_fetch_add(&pool->chunk_count, 1);
    if (chunk >= MEMORY_CHUNKS) {
        atomic_fetch_sub(&pool->chunk_count, 1);
        return false;
    }
    atomic_store_explicit(&pool->table->links[chunk], links, memory_order_release);
    atomic_store_explicit(&pool->table->chunks[chunk], blocks, memory_order_release);
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

/* Whether a thread of the parent was just adding the block's chunk. This process cannot use such a chunk. */
static bool is_missing(struct memory_pool *pool, uint32_t index)
{
    const uint32_t chunk = index / pool->per_chunk;
    return atomic_load(&pool->table->chunks[chunk]) == NULL || atomic_load(&pool->table->links[chunk]) == NULL;
}

void memory_begin_rebuild(struct memory_pool *pool)
{
    atomic_store(&pool->free, 0);
    for (uint32_t i = 0; i < memory_count(pool); i++)
        if (!is_missing(pool, i))
            *link_of(pool, i) = 0;
}

void memory_keep(struct memory_pool *pool, int32_t index)
{
    *link_of(pool, (uint32_t)index) = KEPT;
}

void memory_end_rebuild(struct memory_pool *pool)
{
    for (uint32_t i = memory_count(pool); i > 0; i--)
        if (!is_missing(pool, i - 1) && *link_of(pool, i - 1) != KEPT)
            push(pool, i - 1);
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

/* Whether the limit on file sizes allows this size. A larger file would end the process (SIGXFSZ, setrlimit(2)). */
static bool size_is_allowed(size_t bytes)
{
    struct rlimit limit = {0};
    return filter_allows(SYS_prlimit64) && raw_syscall(SYS_prlimit64, 0, RLIMIT_FSIZE, NULL, &limit) == 0 &&
           bytes <= limit.rlim_cur;
}

/* Returns the descriptor, or -1. */
static int make_file(size_t bytes)
{
    if (!filter_allows(SYS_memfd_create) || !size_is_allowed(bytes))
        return -1;
    long fd = raw_syscall(SYS_memfd_create, "pfswrap", MFD_CLOEXEC | MFD_ALLOW_SEALING | FILE_NOEXEC);
    if (fd == -EINVAL) /* before Linux 6.3 */
        fd = raw_syscall(SYS_memfd_create, "pfswrap", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -1;
    if (raw_ftruncate((int)fd, bytes) == 0 && raw_syscall(SYS_fchmod, fd, 0) == 0 &&
        raw_syscall(RAW_FCNTL, fd, F_ADD_SEALS, FILE_SEALS) == 0)
        return (int)fd;
    (void)raw_syscall(SYS_close, fd);
    return -1;
}

static void *map_file(int fd, size_t at, size_t bytes)
{
    void *mapping = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, (off_t)at);
    if (mapping == MAP_FAILED)
        return NULL;
    (void)madvise(mapping, bytes, MADV_DONTDUMP);
    return mapping;
}

void *memory_share_file(size_t bytes, int *fd)
{
    const int error = errno;
    *fd = make_file(bytes);
    void *mapping = *fd >= 0 ? map_file(*fd, 0, bytes) : NULL;
    if (mapping == NULL && *fd >= 0)
        (void)raw_syscall(SYS_close, *fd);
    errno = error;
    return mapping;
}

void *memory_map_file(int fd, size_t at, size_t bytes)
{
    const int error = errno;
    struct stat status = {0};
    void *mapping = NULL;
    /* Only memory files have seals. A file that could shrink might end this process (SIGBUS, mmap(2)). */
    const long seals = raw_syscall(RAW_FCNTL, fd, F_GET_SEALS, 0);
    if (seals >= 0 && (seals & FILE_SEALS) == FILE_SEALS && (seals & F_SEAL_WRITE) == 0 &&
        raw_fstat(fd, &status) == 0 && at <= (size_t)status.st_size && bytes <= (size_t)status.st_size - at)
        mapping = map_file(fd, at, bytes);
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
