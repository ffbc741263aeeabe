/*
 * The list of open connections: arrays of 64 entries, which are mapped when they are needed and never unmapped, and
 * a bit for each entry. Taken without a lock, so signal handlers may. A fork wipes the entries and the bits.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/process.h"
#include "counters/counters.h"

enum { CHUNK_BYTES = COUNTERS_PER_CHUNK * sizeof(struct counters_connection) };

/* The memory of a chunk; NULL: there is none, or it must not be mapped now. */
static struct counters_connection *chunk_at(uint32_t chunk)
{
    _Atomic uint64_t *place = &counters.about.chunks[chunk];
    uint64_t address = atomic_load_explicit(place, memory_order_acquire);
    if (address != 0)
        return (struct counters_connection *)(uintptr_t)address;
    if (process_sandboxed)
        return NULL;
    const int saved = errno;
    void *made =
        mmap(NULL, CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (made != MAP_FAILED) {
        (void)madvise(made, CHUNK_BYTES, MADV_WIPEONFORK);
        if (!atomic_compare_exchange_strong(place, &address, (uint64_t)(uintptr_t)made)) {
            (void)munmap(made, CHUNK_BYTES);
            made = (void *)(uintptr_t)address;
        }
    }
    errno = saved;
    return made == MAP_FAILED ? NULL : made;
}

/* Sets a free bit of the chunk and returns its number, or -1. */
static int claim(uint32_t chunk)
{
    _Atomic uint64_t *used = &counters.counts.used[chunk];
    uint64_t bits = atomic_load(used);
    while (bits != UINT64_MAX) {
        const int bit = __builtin_ctzll(~bits);
        if (atomic_compare_exchange_weak(used, &bits, bits | UINT64_C(1) << bit))
            return bit;
    }
    return -1;
}

struct counters_connection *counters_take(void)
{
    _Atomic uint32_t *const first_free = &counters.counts.first_free;
    for (uint32_t chunk = atomic_load(first_free); chunk < COUNTERS_CHUNKS; chunk++) {
        struct counters_connection *entries = chunk_at(chunk);
        if (entries == NULL)
            break;
        const int bit = claim(chunk);
        if (bit >= 0)
            return &entries[bit];
        uint32_t full = chunk;
        (void)atomic_compare_exchange_strong(first_free, &full, chunk + 1);
    }
    counters_increase(&counters.counts.unlisted, 1);
    return NULL;
}

void counters_begin_entry(struct counters_connection *entry)
{
    atomic_fetch_or_explicit(&entry->sequence, 1, memory_order_acq_rel); /* acquire: as counters_begin_change() */
}

void counters_end_entry(struct counters_connection *entry)
{
    atomic_fetch_add_explicit(&entry->sequence, 1, memory_order_release);
}

/* The chunk that has the entry. */
static uint32_t chunk_of(const struct counters_connection *entry)
{
    uint32_t chunk = 0;
    for (; chunk < COUNTERS_CHUNKS; chunk++) {
        const uintptr_t begin =
            (uintptr_t)atomic_load_explicit(&counters.about.chunks[chunk], memory_order_relaxed);
        if (begin == 0 || ((uintptr_t)entry >= begin && (uintptr_t)entry < begin + CHUNK_BYTES))
            break;
    }
    return chunk;
}

void counters_give(struct counters_connection *entry)
{
    const uint32_t chunk = chunk_of(entry);
    if (chunk >= COUNTERS_CHUNKS)
        return;
    struct counters_connection *entries = chunk_at(chunk);
    if (entries == NULL || entry < entries || entry >= entries + COUNTERS_PER_CHUNK)
        return;
    counters_begin_entry(entry);
    const size_t behind = offsetof(struct counters_connection, rule);
    memset((uint8_t *)entry + behind, 0, sizeof *entry - behind);
    counters_end_entry(entry);
    atomic_fetch_and(&counters.counts.used[chunk], ~(UINT64_C(1) << (entry - entries)));
    _Atomic uint32_t *const first_free = &counters.counts.first_free;
    uint32_t first = atomic_load(first_free);
    while (chunk < first && !atomic_compare_exchange_weak(first_free, &first, chunk))
        continue;
}
