/*
 * The logs that are named on the command line: in which order they are read, and what was found in each.
 */
#ifndef PFSWRAP_TOOLS_REPORT_SOURCES_H
#define PFSWRAP_TOOLS_REPORT_SOURCES_H

#include <stdbool.h>
#include <sys/stat.h>

#include "evidence.h"
#include "progress.h"
#include "reader.h"

enum { SOURCE_PROBLEM = 256, EXAMPLES_MAX = 24 };

struct source {
    const char *path;
    char series[TALLY_KEY_MAX + 1]; /* the path without what a rotation adds: audit.jsonl for audit.jsonl.2.gz */
    int64_t begins;                 /* the time of the first record */
    uint64_t first_hash;            /* of the first damaged or good line; 0: none */
    dev_t device;
    ino_t inode;
    const char *format; /* NULL: nothing was recognised */
    uint64_t size, lines, events, damaged, foreign;
    int64_t first, last;
    bool ends_within_line;
    const char *copy_of;          /* a log that begins with the same line; NULL: none */
    bool is_skipped;              /* it is the same file as another one */
    char problem[SOURCE_PROBLEM]; /* why it was not read to its end; empty: it was */
};

/* A damaged line, for the report. */
struct example {
    const struct source *source;
    uint64_t line;
    enum damage damage;
    char excerpt[TALLY_KEY_MAX + 1];
};

struct sources {
    struct source *list;
    size_t count;
    uint64_t damaged[DAMAGE_COUNT];
    uint64_t foreign;
    struct example examples[EXAMPLES_MAX];
    size_t example_count;
};

/* Looks at the logs and sorts them: each series by time. Returns 0, or -1 after a message: there is no memory. */
int sources_open(struct sources *sources, char **paths, size_t count);

/* Who gets what is read. What is NULL is not called. */
struct source_receiver {
    void *context;
    /* A record, with its origin: which log, or which unit of which machine. */
    void (*add)(void *context, const struct record *record, const char *origin);
    /* The same, with the place and the line as it is, for those who need no origin. */
    void (*add_line)(void *context, const struct record *record, const char *path, const struct reader *reader);
    void (*add_damage)(void *context, enum damage damage, const char *path, uint64_t line);
};

/* Reads all of them. Lines of other programs are counted. */
void sources_read(struct sources *sources, const struct source_receiver *receiver, struct progress *progress);

/* Whether each log was read to its end. */
bool sources_are_whole(const struct sources *sources);

#endif
