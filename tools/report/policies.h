/*
 * The policies that the log names, with the files that --policy gives for them: the lines that were in force. A
 * path in a log is never opened by itself, since a writer of the log could have any file read.
 */
#ifndef PFSWRAP_TOOLS_REPORT_POLICIES_H
#define PFSWRAP_TOOLS_REPORT_POLICIES_H

#include <stdbool.h>

#include "evidence.h"

enum { POLICIES_MAX = 32 };

struct held_policy {
    char path[TALLY_KEY_MAX + 1]; /* as the log names it */
    const char *file;             /* the file that was read; NULL: none was given */
    char *text;                   /* as `pfswrap check` prints it; NULL: it was not read */
    uint64_t starts;              /* processes that have read it */
    int64_t last;                 /* when the last one did */
    int64_t changed;              /* when the file was changed; MOMENT_NONE: not known */
};

struct policies {
    struct held_policy list[POLICIES_MAX];
    size_t count;
    bool is_full;                     /* the log names more */
    const char *unused[POLICIES_MAX]; /* files that were given and that the log does not name */
    size_t unused_count;
};

/* Reads the files, and finds out which policy each of them is. Returns 0, or -1 after a message: a file is wrong.
 */
int policies_load(struct policies *policies, const struct evidence *evidence, const char *const *files,
                  size_t count);

/*
 * Calls line() for each line of the policy that `wanted` has: "SECTION.KEY" or "SECTION.*", separated by blanks.
 * The section "rule" is every [listen] and [connect] section.
 */
void policy_each_line(const struct held_policy *policy, const char *wanted,
                      void (*line)(void *context, const char *section, const char *line), void *context);

#endif
