/*
 * What `pfswrap explain` finds out about a program, and the two formats of its output.
 */
#ifndef PFSWRAP_TOOLS_EXPLAIN_H
#define PFSWRAP_TOOLS_EXPLAIN_H

#include "libraries.h"
#include "program.h"
#include "runtime.h"
#include "stacks.h"

enum verdict {
    VERDICT_UPGRADED,    /* the tls plane covers all TLS that was found */
    VERDICT_PARTLY,      /* it covers a part */
    VERDICT_NOT_COVERED, /* it covers nothing of it */
    VERDICT_AT_RUN_TIME, /* no TLS was found, but the program loads libraries at run time */
    VERDICT_NO_TLS,      /* no TLS was found */
    VERDICT_REFUSED,     /* `pfswrap run` would refuse */
};

struct explanation {
    const char *name; /* as on the command line */
    struct program program;
    struct libraries libraries;
    struct stacks stacks;
    struct runtime runtime;
    bool libraries_unknown; /* ld.so could not list the libraries */
    enum verdict verdict;
};

/* The verdicts in JSON: "upgraded", "partly", "not-covered", "run-time", "no-tls", "refused". */
extern const char *const verdict_words[];

/* Write the explanation to standard output. */
void explain_write_text(const struct explanation *explanation);
void explain_write_json(const struct explanation *explanation);

#endif
