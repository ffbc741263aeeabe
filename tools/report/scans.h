/*
 * What `pfswrap scan --json` found from outside, for the report. The files are evidence of somebody: everything in
 * them may be wrong or hostile, so their size and the number of their rows are bounded, and texts are cleaned.
 */
#ifndef PFSWRAP_TOOLS_REPORT_SCANS_H
#define PFSWRAP_TOOLS_REPORT_SCANS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SCAN_FILES_MAX = 32, SCANNED_MAX = 1000, SCANNED_ROWS_MAX = 20000, SCANNED_TEXT = 160 };

/* An answer to an offer. */
enum scanned_answer { SCANNED_ACCEPTED, SCANNED_REFUSED, SCANNED_UNCLEAR, SCANNED_NOT_PROBED, SCANNED_ANSWERS };
extern const char *const scanned_answer_ids[SCANNED_ANSWERS];

struct scanned_row {
    char *offered, *detail, *policy; /* clean text; never NULL */
    enum scanned_answer answer;
    bool is_outside; /* accepted, and the policy forbids it */
    size_t target;   /* index in targets[] */
};

/* A port that was scanned. */
struct scanned_target {
    const char *file;
    char made[SCANNED_TEXT]; /* when, as the file says; empty: it does not */
    char address[SCANNED_TEXT], name[SCANNED_TEXT], program[SCANNED_TEXT], policy[SCANNED_TEXT];
    char mode[SCANNED_TEXT], rule[SCANNED_TEXT];
    uint64_t answers[SCANNED_ANSWERS], outside;
};

struct scans {
    struct scanned_target *targets;
    struct scanned_row *rows;
    size_t target_count, row_count;
    bool is_cut; /* there was more than has room */
};

/* Reads the files. Returns 0, or -1 after a message: one cannot be read, or is not what `pfswrap scan --json`
 * prints. */
int scans_load(struct scans *scans, const char *const *files, size_t count);

/* Everything that was accepted outside the policies. */
uint64_t scans_outside(const struct scans *scans);

/* "nothing outside the policy", "3 accepted outside the policy" or "not shown: ...", for people. Returns `text`. */
const char *scanned_verdict(char text[SCANNED_TEXT], const struct scanned_target *target);

#endif
