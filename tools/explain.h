/*
 * What `pfswrap explain` found out about a program, and the two ways to write it.
 */
#ifndef PFSWRAP_TOOLS_EXPLAIN_H
#define PFSWRAP_TOOLS_EXPLAIN_H

#include "libraries.h"
#include "program.h"
#include "runtime.h"
#include "stacks.h"

enum verdict {
    VERDICT_UPGRADED,    /* all TLS that was seen is the tls plane's */
    VERDICT_PARTLY,      /* some of it is */
    VERDICT_NOT_COVERED, /* none of it is */
    VERDICT_AT_RUN_TIME, /* none was seen, and the program loads libraries later */
    VERDICT_NO_TLS,      /* none was seen */
    VERDICT_REFUSED,     /* `pfswrap run` would refuse */
};

struct explanation {
    const char *name; /* as it was typed */
    struct program program;
    struct libraries libraries;
    struct stacks stacks;
    struct runtime runtime;
    bool libraries_unknown; /* ld.so could not list them */
    enum verdict verdict;
};

/* The verdict as words of JSON: "upgraded", "partly", "not-covered", "run-time", "no-tls", "refused". */
extern const char *const verdict_words[];

/* Write the explanation to stdout. */
void explain_write_text(const struct explanation *explanation);
void explain_write_json(const struct explanation *explanation);

#endif
