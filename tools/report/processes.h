/*
 * Which processes and programs a log has events of, and whether it also has the line in which they say which policy
 * they read. A forked child has none of its own: it has its parent's, and the same program name.
 */
#ifndef PFSWRAP_TOOLS_REPORT_PROCESSES_H
#define PFSWRAP_TOOLS_REPORT_PROCESSES_H

#include <stdbool.h>

#include "record.h"
#include "tally.h"

enum { PROCESSES_MAX = 1 << 20 };

enum program_mode { PROGRAM_NO_MODE, PROGRAM_ENFORCE, PROGRAM_AUDIT, PROGRAM_OTHER };
extern const char *const program_mode_words[4];

/* The key and the sums of a program. */
enum { PROGRAM_ORIGIN, PROGRAM_NAME, PROGRAM_PARTS };
enum {
    PROGRAM_LINES,
    PROGRAM_STARTS,
    PROGRAM_BEFORE /* lines before its first policy line */,
    PROGRAM_MODE,
    PROGRAM_IN_AUDIT /* lines while the mode was audit */
};

struct program_state {
    enum program_mode mode;
};

struct processes {
    struct tally programs;
    uint64_t *slots; /* hashes of processes; the lowest bit says whether it has a policy line of its own */
    size_t size, count, with_policy;
    bool is_full; /* there were more processes */
};

void processes_start(struct processes *processes);

/* Adds a record; *before is what was known of its program. Returns whether anything was. */
bool processes_add(struct processes *processes, const struct record *record, const char *origin,
                   struct program_state *before);

enum program_mode program_mode_of(const char *word);

#endif
