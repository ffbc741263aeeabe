/*
 * Draws one line again and again. See progress.h.
 */
#include "progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BAR = 40, INTERVAL = 100 /* milliseconds */ };

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

void progress_start(struct progress *progress, uint64_t total)
{
    const char *const terminal = getenv("TERM");
    progress->is_shown = isatty(STDERR_FILENO) && (terminal == NULL || strcmp(terminal, "dumb") != 0);
    progress->total = total;
    progress->done = 0;
    progress->begun = progress->shown = now();
}

void progress_show(struct progress *progress, uint64_t position)
{
    const int64_t time = progress->is_shown ? now() : 0;
    if (!progress->is_shown || time - progress->shown < INTERVAL)
        return;
    progress->shown = time;
    const uint64_t done = progress->done + position;
    const double seconds = (double)(time - progress->begun) / 1000, mebibytes = (double)done / (1 << 20);
    if (progress->total == 0) {
        (void)fprintf(stderr, "\r%.0f MiB read \x1b[K", mebibytes);
        return;
    }
    const double part = done < progress->total ? (double)done / (double)progress->total : 1;
    const int length = (int)(part * BAR);
    (void)fprintf(stderr, "\r[%.*s%*s] %3d %%, %.0f MiB, %.0f s left \x1b[K", length,
                  "########################################", BAR - length, "", (int)(part * 100), mebibytes,
                  part > 0 ? seconds / part - seconds : 0);
}

void progress_next(struct progress *progress, uint64_t size)
{
    progress->done += size;
}

void progress_end(struct progress *progress)
{
    if (progress->is_shown)
        (void)fputs("\r\x1b[K", stderr);
}
