/*
 * Counts over time, in bounded memory: HISTORY_BUCKETS equal spans of time, which become twice as long whenever the
 * period outgrows them.
 */
#ifndef PFSWRAP_TOOLS_REPORT_HISTORY_H
#define PFSWRAP_TOOLS_REPORT_HISTORY_H

#include <stddef.h>
#include <stdint.h>

enum {
    HISTORY_BUCKETS = 256,
    HISTORY_SERIES = 12, /* the last one is for everything that has no room of its own */
    HISTORY_NAME = 48,   /* bytes of a name, with the terminator */
};

struct history {
    int64_t start, width; /* microseconds; width = 0: nothing was added yet */
    size_t count;         /* series in use */
    char names[HISTORY_SERIES][HISTORY_NAME];
    uint64_t counts[HISTORY_SERIES][HISTORY_BUCKETS];
};

/* Counts `weight` events of this name at this time. */
void history_add(struct history *history, const char *name, uint64_t weight, int64_t time);

/* The number of spans up to the last one with an event. */
size_t history_length(const struct history *history);

/* All events of a series. */
uint64_t history_total(const struct history *history, size_t series);

#endif
