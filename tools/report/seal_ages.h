/*
 * How long sealed connections had the same keys: pairs of `opened` and `closed`, in bounded memory.
 */
#ifndef PFSWRAP_TOOLS_REPORT_SEAL_AGES_H
#define PFSWRAP_TOOLS_REPORT_SEAL_AGES_H

#include <stddef.h>
#include <stdint.h>

#include "record.h"

enum { SEAL_AGES_SETS = 1 << 14, SEAL_AGES_WAYS = 4, SEAL_AGES_STEPS = 5 };

/* A connection that was opened. */
struct seal_open {
    uint64_t hash; /* of origin, role and addresses; 0: free */
    int64_t time;
};

struct seal_ages {
    struct seal_open open[SEAL_AGES_SETS][SEAL_AGES_WAYS];
    uint64_t pairs;    /* connections of which both events are known */
    uint64_t unpaired; /* `closed` without `opened` */
    uint64_t dropped;  /* there were too many open ones at a time */
    int64_t longest,
        longest_keys; /* duration of a connection, and of one set of keys: its average in a connection */
    uint64_t steps[SEAL_AGES_STEPS]; /* by the age of keys: up to seal_ages_limits[], the last one: longer */
};

extern const int64_t seal_ages_limits[SEAL_AGES_STEPS - 1]; /* microseconds */
extern const char *const seal_ages_words[SEAL_AGES_STEPS];

/* Notes the event `opened`. */
void seal_ages_open(struct seal_ages *ages, const struct record *record, const char *origin);

/* Notes the event `closed`. Returns how long one set of keys was used, or -1 if that is not known. */
int64_t seal_ages_close(struct seal_ages *ages, const struct record *record, const char *origin);

/* How many connections were opened and not closed. */
uint64_t seal_ages_still_open(const struct seal_ages *ages);

#endif
