/*
 * A set of processes by hash, and the programs with their modes. See processes.h.
 */
#include "processes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../message.h"

enum { SLOTS_FIRST = 4096 };

const char *const program_mode_words[4] = {"", "enforce", "audit", "other"};

enum program_mode program_mode_of(const char *word)
{
    if (strcmp(word, "enforce") == 0)
        return PROGRAM_ENFORCE;
    return strcmp(word, "audit") == 0 ? PROGRAM_AUDIT : PROGRAM_OTHER;
}

static uint64_t *slots_new(size_t size)
{
    uint64_t *const slots = calloc(size, sizeof *slots);
    if (slots == NULL) {
        message("not enough memory for the report");
        exit(1);
    }
    return slots;
}

void processes_start(struct processes *processes)
{
    processes->programs.parts = PROGRAM_PARTS;
    processes->size = SLOTS_FIRST;
    processes->slots = slots_new(processes->size);
}

/* The slot of a process, or the free one where it belongs. */
static uint64_t *slot_of(uint64_t *slots, size_t size, uint64_t hash)
{
    size_t at = (size_t)(hash >> 1) & (size - 1);
    while (slots[at] != 0 && (slots[at] | 1) != (hash | 1))
        at = (at + 1) & (size - 1);
    return &slots[at];
}

/* The set is never more than half full. */
static void grow(struct processes *processes)
{
    if (2 * (processes->count + 1) <= processes->size)
        return;
    uint64_t *const larger = slots_new(2 * processes->size);
    for (size_t i = 0; i < processes->size; i++)
        if (processes->slots[i] != 0)
            *slot_of(larger, 2 * processes->size, processes->slots[i]) = processes->slots[i];
    free(processes->slots);
    processes->slots = larger;
    processes->size *= 2;
}

static void add_process(struct processes *processes, const struct record *record, const char *origin)
{
    char text[2 * TALLY_KEY_MAX + 64];
    const int length = snprintf(text, sizeof text, "%s\n%s\n%s", record_text(record, FIELD_PID), origin,
                                record_text(record, FIELD_PROGRAM));
    const size_t used = (size_t)length < sizeof text ? (size_t)length : sizeof text - 1;
    const uint64_t hash = (tally_hash(text, used) & ~UINT64_C(1)) | 2; /* never 0 */
    uint64_t *slot = slot_of(processes->slots, processes->size, hash);
    if (*slot == 0) {
        processes->is_full |= processes->count == PROCESSES_MAX;
        if (processes->is_full)
            return;
        grow(processes);
        slot = slot_of(processes->slots, processes->size, hash);
        *slot = hash;
        processes->count++;
    }
    if (record->event == EVENT_POLICY && (*slot & 1) == 0) {
        *slot |= 1;
        processes->with_policy++;
    }
}

bool processes_add(struct processes *processes, const struct record *record, const char *origin,
                   struct program_state *before)
{
    const char *const key[PROGRAM_PARTS] = {origin, record_text(record, FIELD_PROGRAM)};
    struct tally_entry *const entry = tally_add(&processes->programs, key, 1, record->time);
    add_process(processes, record, origin);
    if (entry == NULL)
        return false;
    uint64_t *const sums = entry->sums;
    *before = (struct program_state){.mode = (enum program_mode)sums[PROGRAM_MODE]};
    const bool is_known = sums[PROGRAM_LINES]++ > 0;
    if (record->event == EVENT_POLICY) {
        sums[PROGRAM_STARTS]++;
        sums[PROGRAM_MODE] = (uint64_t)program_mode_of(record_text(record, FIELD_MODE));
    } else {
        sums[PROGRAM_BEFORE] += sums[PROGRAM_STARTS] == 0;
        sums[PROGRAM_IN_AUDIT] += sums[PROGRAM_MODE] == PROGRAM_AUDIT;
    }
    return is_known;
}
