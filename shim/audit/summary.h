/*
 * Events that are counted in place of a line of their own (pfswrap.conf(5): log-handshakes, log-repeats). Of the
 * events of one kind, some are written in each interval, and the others are counted; a line with the count follows
 * when the interval is over. What cannot be counted is written. Each process counts for itself.
 */
#ifndef PFSWRAP_AUDIT_SUMMARY_H
#define PFSWRAP_AUDIT_SUMMARY_H

#include <stdbool.h>
#include <stdint.h>

#include "audit/summary_key.h"
#include "policy/policy.h"

/* Begins, if the policy wants it. Called once. */
void summary_start(const struct policy *policy);

/* Whether anything is counted, or left out, in this process. */
bool summary_is_on(void);

/* Whether handshakes are left out (log-handshakes = off). */
bool summary_leaves_out(void);

/* What happens to an event: it is written, it was counted, or the policy does not want it in the log at all. */
enum summary_answer { SUMMARY_WRITE, SUMMARY_COUNTED, SUMMARY_OFF };

/*
 * Decides about an event of `now_ns` (nanoseconds since the epoch). May be called in signal handlers, but not in a
 * child of vfork(), whose memory is its parent's. Does not wait.
 */
enum summary_answer summary_add(const char *event, const struct audit_field *fields, size_t count, int64_t now_ns);

/* What was counted under one key. */
struct summary_count {
    struct summary_key key;
    uint64_t count;            /* events */
    int64_t since_ns, last_ns; /* times of the first and the last of them, since the epoch */
};

/* Whether the interval is over. Only one of several threads gets true. */
bool summary_is_due(void);

/* Takes one count out; false: nothing is counted. `is_last`: the process ends, so this waits for other threads. */
bool summary_take(struct summary_count *taken, bool is_last);

/* The counts of the interval were taken: kinds without events are forgotten. */
void summary_begin_interval(void);

#endif
