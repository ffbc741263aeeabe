/*
 * The spans begin at a multiple of their length, so that two reports over the same period have the same ones. See
 * history.h.
 */
#include "history.h"

#include <stdbool.h>
#include <string.h>

#include "moment.h"
#include "tally.h"

static const char other[] = "other";

static int64_t aligned(int64_t time, int64_t width)
{
    return time - time % width;
}

/* Makes the spans twice as long. */
static void widen(struct history *history)
{
    const int64_t start = aligned(history->start, 2 * history->width);
    const size_t shift = (size_t)((history->start - start) / history->width);
    for (size_t series = 0; series < history->count; series++) {
        uint64_t merged[HISTORY_BUCKETS] = {0};
        for (size_t i = 0; i < HISTORY_BUCKETS; i++)
            merged[(i + shift) / 2] += history->counts[series][i];
        memcpy(history->counts[series], merged, sizeof merged);
    }
    history->start = start;
    history->width *= 2;
}

/* Moves the spans so that an earlier time has one, as far as the last ones are empty. */
static bool move_back(struct history *history, int64_t time)
{
    const int64_t start = aligned(time, history->width);
    const int64_t distance = (history->start - start) / history->width;
    const size_t used = history_length(history);
    if (distance + (int64_t)used > HISTORY_BUCKETS)
        return false;
    for (size_t series = 0; series < history->count; series++) {
        uint64_t *const counts = history->counts[series];
        memmove(counts + distance, counts, used * sizeof *counts);
        memset(counts, 0, (size_t)distance * sizeof *counts);
    }
    history->start = start;
    return true;
}

/* Copies a name, cut between two characters. */
static void copy_name(char to[HISTORY_NAME], const char *name)
{
    size_t length = strnlen(name, HISTORY_NAME - 1);
    while (length > 0 && ((unsigned char)name[length] & 0xc0) == 0x80)
        length--;
    memcpy(to, name, length);
    to[length] = '\0';
}

/* The series of this name; the last one if there is no room. */
static size_t series_of(struct history *history, const char *name)
{
    char wanted[HISTORY_NAME];
    copy_name(wanted, name);
    for (size_t i = 0; i < history->count; i++)
        if (strcmp(history->names[i], wanted) == 0)
            return i;
    if (history->count >= HISTORY_SERIES - 1) {
        history->count = HISTORY_SERIES;
        memcpy(history->names[HISTORY_SERIES - 1], other, sizeof other);
        return HISTORY_SERIES - 1;
    }
    memcpy(history->names[history->count], wanted, sizeof wanted);
    return history->count++;
}

void history_add(struct history *history, const char *name, uint64_t weight, int64_t time)
{
    if (history->width == 0) {
        history->width = MOMENT_SECOND;
        history->start = aligned(time, history->width);
    }
    while (time < history->start && !move_back(history, time))
        widen(history);
    while ((time - history->start) / history->width >= HISTORY_BUCKETS)
        widen(history);
    tally_sum(&history->counts[series_of(history, name)][(time - history->start) / history->width], weight);
}

size_t history_length(const struct history *history)
{
    size_t length = 0;
    for (size_t series = 0; series < history->count; series++)
        for (size_t i = HISTORY_BUCKETS; i > length; i--)
            if (history->counts[series][i - 1] != 0)
                length = i;
    return length;
}

uint64_t history_total(const struct history *history, size_t series)
{
    uint64_t total = 0;
    for (size_t i = 0; i < HISTORY_BUCKETS; i++)
        total += history->counts[series][i];
    return total;
}
