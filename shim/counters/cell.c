/*
 * Counts by names. Cells are filled one after another and never freed; an index by hash finds them. Nothing waits:
 * if two threads make a cell for the same names at once, one of the two stays unused, with a count of 0.
 */
#include <string.h>

#include "counters/counters.h"

enum { PROBES_MAX = 64 };

/* FNV-1a with 32 bits, over at most `size` - 1 bytes and a zero byte. */
static uint32_t hash_add(uint32_t hash, const char *text, size_t size)
{
    for (size_t i = 0; i + 1 < size && text[i] != '\0'; i++)
        hash = (hash ^ (unsigned char)text[i]) * UINT32_C(0x01000193);
    return hash * UINT32_C(0x01000193);
}

static bool is_text(const char *cell, const char *text, size_t size)
{
    return strncmp(cell, text, size - 1) == 0;
}

static bool is_same(const struct counters_cell *cell, uint32_t hash, enum counters_kind kind, const char *a,
                    const char *b)
{
    return cell->hash == hash && cell->kind == kind && is_text(cell->a, a, sizeof cell->a) &&
           is_text(cell->b, b, sizeof cell->b);
}

static void copy(char *cell, const char *text, size_t size)
{
    const size_t length = strnlen(text, size - 1);
    memcpy(cell, text, length);
}

/* The number of a new cell; COUNTERS_CELLS: there is none left. */
static uint32_t make(uint32_t hash, enum counters_kind kind, const char *a, const char *b)
{
    struct counters_counts *counts = &counters.counts;
    uint32_t number = atomic_load_explicit(&counts->cell_count, memory_order_relaxed);
    do
        if (number >= COUNTERS_CELLS)
            return COUNTERS_CELLS;
    while (!atomic_compare_exchange_weak(&counts->cell_count, &number, number + 1));
    struct counters_cell *cell = &counts->cells[number];
    cell->hash = hash;
    cell->kind = (uint16_t)kind;
    copy(cell->a, a, sizeof cell->a);
    copy(cell->b, b, sizeof cell->b);
    atomic_store_explicit(&cell->ready, 1, memory_order_release);
    return number;
}

static struct counters_cell *find(enum counters_kind kind, const char *a, const char *b)
{
    struct counters_counts *counts = &counters.counts;
    const uint32_t start = (UINT32_C(0x811c9dc5) ^ (uint32_t)kind) * UINT32_C(0x01000193);
    const uint32_t hash = hash_add(hash_add(start, a, COUNTERS_CELL_A), b, COUNTERS_CELL_B);
    uint32_t made = COUNTERS_CELLS;
    for (uint32_t i = 0; i < PROBES_MAX; i++) {
        _Atomic uint16_t *place = &counts->index[(hash + i) % COUNTERS_INDEX];
        uint16_t word = atomic_load_explicit(place, memory_order_acquire);
        if (word == 0) {
            if (made == COUNTERS_CELLS && (made = make(hash, kind, a, b)) == COUNTERS_CELLS)
                return NULL;
            if (atomic_compare_exchange_strong(place, &word, (uint16_t)(made + 1)))
                return &counts->cells[made];
        }
        if (word <= COUNTERS_CELLS && is_same(&counts->cells[word - 1], hash, kind, a, b))
            return &counts->cells[word - 1];
    }
    return NULL;
}

void counters_add(enum counters_kind kind, const char *a, const char *b, uint64_t count)
{
    struct counters_cell *cell = find(kind, a != NULL ? a : "", b != NULL ? b : "");
    counters_increase(cell != NULL ? &cell->count : &counters.counts.overflow, count);
}

void counters_note_log(bool failed)
{
    struct counters_counts *counts = &counters.counts;
    if (failed)
        counters_increase(&counts->lost, 1);
    if (atomic_load_explicit(&counts->log_fails, memory_order_relaxed) != failed)
        atomic_store_explicit(&counts->log_fails, failed, memory_order_relaxed);
}
