/*
 * The audit log: events become JSON lines in a file, in syslog or on stderr, as docs/AUDIT.md describes them. Knows
 * the policy's log setting and nothing of sockets that are protected or of TLS. Every call keeps errno, is no
 * cancellation point and returns nothing: a log that cannot be written is said on stderr once and stops no program.
 */
#ifndef PFSWRAP_AUDIT_H
#define PFSWRAP_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/policy.h"

enum { AUDIT_LINE_MAX = 4096 }; /* bytes of a line with its newline; longer values are cut */

struct audit_field {
    const char *key;
    enum { AUDIT_STRING, AUDIT_NUMBER, AUDIT_BOOLEAN } type;
    union {
        const char *string; /* NULL: the field is left out */
        long long number;
        bool boolean;
    } value;
};

#define AUDIT_S(k, v) ((struct audit_field){.key = (k), .type = AUDIT_STRING, .value.string = (v)})
#define AUDIT_N(k, v) ((struct audit_field){.key = (k), .type = AUDIT_NUMBER, .value.number = (v)})
#define AUDIT_B(k, v) ((struct audit_field){.key = (k), .type = AUDIT_BOOLEAN, .value.boolean = (v)})

/*
 * Opens the log the policy names and writes the "policy" event; on stderr that waits for the process's first other
 * event. Call once, before the first event.
 */
void audit_start(const struct policy *policy);

/* Writes one event with `count` fields after the common ones (time, event, pid, program). */
void audit_event(const char *event, const struct audit_field *fields, size_t count);

/*
 * Formats one event into `line` (AUDIT_LINE_MAX bytes) and returns its length with the newline. `time_ns` counts
 * from the epoch. Pure: for the writer and for tests.
 */
size_t audit_format(char *line, int64_t time_ns, long pid, const char *program, const char *event,
                    const struct audit_field *fields, size_t count);

/* Opens, writes and closes nothing of the program's: where the lines go (sink.c). */
void audit_sink_open(const struct policy *policy);
void audit_sink_write(const char *line, size_t length);

#endif
