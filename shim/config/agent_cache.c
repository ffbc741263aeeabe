/*
 * A table without a lock: each entry has a number that is odd while a thread writes, and that a reader compares
 * before and after (a sequence lock). A thread that finds an entry in use does without it. See agent_cache.h.
 */
#include "config/agent_cache.h"

#include <sodium.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include "base/filter.h"
#include "base/page.h"
#include "base/raw_syscall.h"

enum { KEY_BYTES = 32, WORDS = 3 * KEY_BYTES / 8, ENTRIES = 32 };

/* own, peer and shared, as words that are read and written at once. */
struct entry {
    _Atomic uint64_t sequence; /* 0: empty */
    _Atomic uint64_t words[WORDS];
    uint64_t unused[3];
};
_Static_assert(sizeof(struct entry) * ENTRIES <= PAGE_SMALLEST, "a page has them all");

static struct entry *entries;

void agent_cache_start(void)
{
    if (entries != NULL)
        return;
    const long mapping = raw_syscall(RAW_MMAP, NULL, PAGE_ROUND_UP(sizeof(struct entry) * ENTRIES),
                                     PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const size_t size = PAGE_ROUND_UP(sizeof(struct entry) * ENTRIES);
    if (mapping < 0 && mapping > -4096)
        return;
    if (raw_syscall(SYS_madvise, mapping, size, MADV_WIPEONFORK) != 0 ||
        raw_syscall(SYS_madvise, mapping, size, MADV_DONTDUMP) != 0) {
        (void)raw_syscall(SYS_munmap, mapping, size);
        return;
    }
    if (filter_allows(SYS_mlock))
        (void)raw_syscall(SYS_mlock, mapping, size);
    entries = (struct entry *)mapping;
}

static struct entry *entry_of(const uint8_t *own, const uint8_t *peer)
{
    return &entries[(own[0] ^ peer[0]) % ENTRIES];
}

bool agent_cache_find(const uint8_t *own, const uint8_t *peer, uint8_t *shared)
{
    uint64_t words[WORDS];
    if (entries == NULL)
        return false;
    struct entry *entry = entry_of(own, peer);
    const uint64_t before = atomic_load_explicit(&entry->sequence, memory_order_acquire);
    if (before == 0 || before % 2 != 0)
        return false;
    for (size_t i = 0; i < WORDS; i++)
        words[i] = atomic_load_explicit(&entry->words[i], memory_order_relaxed);
    atomic_thread_fence(memory_order_acquire);
    const bool found = atomic_load_explicit(&entry->sequence, memory_order_relaxed) == before &&
                       memcmp(words, own, KEY_BYTES) == 0 &&
                       memcmp((const uint8_t *)words + KEY_BYTES, peer, KEY_BYTES) == 0;
    if (found)
        memcpy(shared, (const uint8_t *)words + (size_t)2 * KEY_BYTES, KEY_BYTES);
    sodium_memzero(words, sizeof words);
    return found;
}

void agent_cache_keep(const uint8_t *own, const uint8_t *peer, const uint8_t *shared)
{
    const uint8_t *const keys[] = {own, peer, shared};
    if (entries == NULL)
        return;
    struct entry *entry = entry_of(own, peer);
    uint64_t before = atomic_load(&entry->sequence);
    if (before % 2 != 0 || !atomic_compare_exchange_strong(&entry->sequence, &before, before + 1))
        return;
    atomic_thread_fence(memory_order_release);
    for (size_t i = 0; i < WORDS; i++) {
        uint64_t word;
        memcpy(&word, keys[i / (KEY_BYTES / 8)] + i % (KEY_BYTES / 8) * 8, sizeof word);
        atomic_store_explicit(&entry->words[i], word, memory_order_relaxed);
    }
    atomic_store_explicit(&entry->sequence, before + 2, memory_order_release);
}
