/*
 * The audit log. Events are written as lines of JSON to a file, to syslog or to standard error; docs/AUDIT.md
 * describes them. No function here changes errno or is a cancellation point (pthreads(7)). If the log cannot be
 * written, one line on standard error says so, and the program goes on.
 */
#ifndef PFSWRAP_AUDIT_H
#define PFSWRAP_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/policy.h"

enum { AUDIT_LINE_MAX = 4096 }; /* bytes of a line, newline included; longer values are cut */

struct audit_field {
    const char *key;
    enum { AUDIT_STRING, AUDIT_NUMBER, AUDIT_BOOLEAN } type;
    union {
        const char *string; /* if NULL, the field is left out */
        long long number;
        bool boolean;
    } value;
};

#define AUDIT_S(k, v) ((struct audit_field){.key = (k), .type = AUDIT_STRING, .value.string = (v)})
#define AUDIT_N(k, v) ((struct audit_field){.key = (k), .type = AUDIT_NUMBER, .value.number = (v)})
#define AUDIT_B(k, v) ((struct audit_field){.key = (k), .type = AUDIT_BOOLEAN, .value.boolean = (v)})

/*
 * Opens the log that the policy names and writes the event "policy". With the log on standard error, that event is
 * written only in front of the first other one. Called once, before the first event; `policy` must stay valid.
 */
void audit_start(const struct policy *policy);

/* Writes an event with `count` fields, after those that every event has (time, event, pid, program). */
void audit_event(const char *event, const struct audit_field *fields, size_t count);

/* Notes that an event could not be written, since there was no memory for it. */
void audit_lose(void);

/*
 * Formats an event to `line`, which has AUDIT_LINE_MAX bytes, and returns the length with the newline. `time_ns` is
 * in nanoseconds since the epoch. Uses nothing but its arguments.
 */
size_t audit_format(char *line, int64_t time_ns, long pid, const char *program, const char *event,
                    const struct audit_field *fields, size_t count);

/* sink.c: opens the log, writes one line to it, and notes that a line cannot be written (an errno). */
void audit_sink_open(const struct policy *policy);
void audit_sink_write(const char *line, size_t length);
void audit_sink_fail(int error);

#endif
