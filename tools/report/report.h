/*
 * Everything that a report is made of; the writers turn it into text, JSON and a page.
 */
#ifndef PFSWRAP_TOOLS_REPORT_H
#define PFSWRAP_TOOLS_REPORT_H

#include <stdio.h>

#include "controls.h"
#include "evidence.h"
#include "findings.h"
#include "policies.h"
#include "scans.h"
#include "sources.h"

struct report {
    const char *title;
    int64_t made; /* microseconds since the epoch */
    struct evidence evidence;
    struct sources sources;
    struct policies policies;
    struct scans scans;
    struct findings findings;
    struct verdict verdicts[CONTROL_COUNT];
};

/* Write to standard output. */
void report_write_text(const struct report *report);
void report_write_json(const struct report *report);

/* Writes the page, which is complete in itself and has less than 2 MB. */
void report_write_html(const struct report *report, FILE *file);

/* A count with the classes of a breakdown, such as the versions of all handshakes. */
struct share {
    const char *name;
    uint64_t count;
};

/*
 * Sums a table by one part of its keys, the largest first. With plane != NULL, only the handshakes of that plane.
 * Returns how many of shares[0..max) are filled; the last one is "other" if there are more.
 */
size_t report_shares(const struct tally *tally, size_t part, const char *plane, struct share *shares, size_t max);

#endif
