/*
 * A line of the log while it is being formatted. Anything that does not fit is left out: each function says what it
 * does then. Nothing here calls libc's locale, allocates memory or takes a lock.
 */
#ifndef PFSWRAP_AUDIT_LINE_H
#define PFSWRAP_AUDIT_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct line {
    char *text;
    size_t length; /* bytes so far */
    size_t room;   /* when that many are used, nothing more is added; one more byte must be writable behind them */
};

/* Adds all of these bytes. False: there is no room for them, and nothing was added. */
bool line_put(struct line *line, const char *bytes, size_t length);
bool line_puts(struct line *line, const char *text);

/* Add a decimal number; the first with leading zeros up to `width`. */
void line_put_digits(struct line *line, unsigned long long value, int width);
void line_put_number(struct line *line, long long value);

/* Adds a JSON string with its quotes. It is cut between two characters. A byte that is not UTF-8 becomes U+FFFD. */
void line_put_string(struct line *line, const char *value);

/* Adds a time in nanoseconds since the epoch, as RFC 3339 writes it, in UTC and with microseconds. */
void line_put_time(struct line *line, int64_t time_ns);

#endif
