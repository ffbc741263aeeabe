/*
 * A progress bar on standard error, if that is a terminal.
 */
#ifndef PFSWRAP_TOOLS_REPORT_PROGRESS_H
#define PFSWRAP_TOOLS_REPORT_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool is_shown;
    uint64_t total, done; /* bytes; total = 0: not known */
    int64_t begun, shown; /* milliseconds */
};

void progress_start(struct progress *progress, uint64_t total);

/* So many bytes of the present file have been read. Draws at most ten times in a second. */
void progress_show(struct progress *progress, uint64_t position);

/* The file has been read; it has this size. */
void progress_next(struct progress *progress, uint64_t size);

/* Removes the bar. */
void progress_end(struct progress *progress);

#endif
