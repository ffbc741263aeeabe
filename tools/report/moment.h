/*
 * Points in time, in microseconds since the epoch, and how they are read and written.
 */
#ifndef PFSWRAP_TOOLS_REPORT_MOMENT_H
#define PFSWRAP_TOOLS_REPORT_MOMENT_H

#include <stdbool.h>
#include <stdint.h>

enum { MOMENT_SECOND = 1000000, MOMENT_TEXT = 32 /* bytes of a time or a duration as text */ };

/* Never a point in time of a log. */
#define MOMENT_NONE INT64_MIN

/* Reads YYYY-MM-DD, or YYYY-MM-DDTHH:MM:SS with or without a fraction, in UTC and with a Z (RFC 3339). */
bool moment_read(const char *text, int64_t *moment);

/* Writes "2026-11-22 03:12:04" (UTC), or "-" for MOMENT_NONE; and the form of RFC 3339 with microseconds. */
const char *moment_write(char text[MOMENT_TEXT], int64_t moment);
const char *moment_write_rfc3339(char text[MOMENT_TEXT], int64_t moment);

/* Reads a number with s, m, h or d behind it (30s, 6h) as microseconds. False: it is not one, or it is 0. */
bool duration_read(const char *text, int64_t *duration);

/* Writes a duration with its two largest units: "2 d 3 h", "5 min 7 s", "0.25 s". */
const char *duration_write(char text[MOMENT_TEXT], int64_t duration);

#endif
