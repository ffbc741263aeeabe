/*
 * The audit log. Events are written as lines of JSON to a file, to syslog or to standard error, or as entries of
 * systemd's journal; docs/AUDIT.md describes them. No function here changes errno or is a cancellation point
 * (pthreads(7)). If the log cannot be written, one line on standard error says so. With log-failure = continue the
 * program goes on; with refuse it does not start, and later its new connections are refused until a line can be
 * written again.
 */
#ifndef PFSWRAP_AUDIT_H
#define PFSWRAP_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/policy.h"

enum {
    AUDIT_LINE_MAX = 4096,   /* bytes of a line, newline included; longer values are cut */
    AUDIT_ENTRY_MAX = 12288, /* bytes of an entry of the journal */
};

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
 * `chain_key`: 32 bytes, from which the keys of the chain are made (log-chain); NULL: lines are not chained.
 * Returns 0, or with log-failure = refuse the negative errno value of a log that cannot be written.
 */
int audit_start(const struct policy *policy, const uint8_t *chain_key);

/* Writes an event with `count` fields, after those that every event has (time, event, pid, program). */
void audit_event(const char *event, const struct audit_field *fields, size_t count);

/* Whether handshakes get lines, each of them or some: false with log-handshakes = off. Their addresses cost time.
 */
bool audit_has_handshakes(void);

/*
 * Before the process exits or executes another program: writes what was counted in place of lines of its own
 * (log-handshakes, log-repeats), and the end of the process's chain (log-chain), with `reason`. Does nothing in a
 * child of vfork().
 */
void audit_finish(const char *reason);

/*
 * Whether a new connection must be refused, since the log cannot be written (log-failure = refuse). Asked when the
 * connection's own event was written, or before. Tries to write once more: the event "lost" says how many events
 * are missing. Returns the reason, or NULL.
 */
const char *audit_refusal(void);

/* Notes that an event could not be written, since there was no memory for it. */
void audit_lose(void);

/*
 * Formats an event to `line`, which has AUDIT_LINE_MAX bytes, and returns the length with the newline. `time_ns` is
 * in nanoseconds since the epoch. Uses nothing but its arguments.
 */
size_t audit_format(char *line, int64_t time_ns, long pid, const char *program, const char *event,
                    const struct audit_field *fields, size_t count);

/*
 * The same as an entry of systemd's journal, in its native protocol, for `entry` of AUDIT_ENTRY_MAX bytes
 * (entry.c).
 */
size_t audit_format_entry(char *entry, int64_t time_ns, long pid, const char *program, const char *event,
                          const struct audit_field *fields, size_t count);

/*
 * sink.c: opens the log, writes one line to it, and reports on standard error that a line cannot be written: once,
 * and not while it is quiet. Errors are negative errno values; 0: it is done. With audit_sink_takes_entries(), a
 * line is an entry of the journal.
 */
void audit_sink_quiet(bool quiet);
bool audit_sink_takes_entries(void);
int audit_sink_open(const struct policy *policy);
int audit_sink_write(const char *line, size_t length);
void audit_sink_fail(int error);

#endif
