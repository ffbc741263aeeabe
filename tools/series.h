/*
 * Time series in Prometheus's text format (prometheus.io, "Exposition formats", version 0.0.4), summed over
 * processes. A counter must never go back, but a process takes its counters with it when it ends: what it had
 * counted when it was last seen stays in the sum.
 */
#ifndef PFSWRAP_TOOLS_SERIES_H
#define PFSWRAP_TOOLS_SERIES_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum {
    SERIES_LABELS_MAX = 1024, /* bytes of the labels of a series; longer ones are cut */
    SERIES_VALUE_MAX = 192,   /* bytes of a label's value */
};

enum series_metric {
    SERIES_PROCESSES,
    SERIES_UNREADABLE,
    SERIES_UNPROTECTED,
    SERIES_POLICY_STALE,
    SERIES_HANDSHAKES,
    SERIES_OBSERVED,
    SERIES_OVERRIDES,
    SERIES_WOULD_OVERRIDE,
    SERIES_REFUSED,
    SERIES_WOULD_REFUSE,
    SERIES_FAILED,
    SERIES_EVENTS,
    SERIES_OPENED,
    SERIES_CLOSED,
    SERIES_CONNECTIONS,
    SERIES_SENT_BYTES,
    SERIES_SENT_CHUNKS,
    SERIES_RECEIVED_BYTES,
    SERIES_RECEIVED_CHUNKS,
    SERIES_EVENTS_LOST,
    SERIES_LOG_FAILS,
    SERIES_KEY_EXPIRY,
    SERIES_BUILD,
    SERIES_METRICS
};

struct series_set;

/* NULL: no memory. */
struct series_set *series_new(void);
void series_free(struct series_set *set);

/*
 * One round: begin, then for each process series_process() and its values, then end. `process` is a number that no
 * other process has or had: its id and its start.
 */
void series_begin(struct series_set *set);
void series_process(struct series_set *set, uint64_t process);
void series_end(struct series_set *set);

/* Labels while they are collected. */
struct series_labels {
    char text[SERIES_LABELS_MAX];
    size_t length;
};
void series_label(struct series_labels *labels, const char *name, const char *value);

/* Adds to a series of the process, or of none before the first series_process(). */
void series_add(struct series_set *set, enum series_metric metric, const struct series_labels *labels,
                uint64_t value);

/* Writes all of them, with HELP and TYPE. Returns 0, or -1 if it could not be written. */
int series_write(const struct series_set *set, FILE *file);

#endif
