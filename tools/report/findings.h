/*
 * What is missing in the evidence, or strange: gaps in time, damaged lines, processes of which no policy is known.
 */
#ifndef PFSWRAP_TOOLS_REPORT_FINDINGS_H
#define PFSWRAP_TOOLS_REPORT_FINDINGS_H

#include "evidence.h"
#include "policies.h"
#include "sources.h"

enum { FINDINGS_MAX = 200, FINDING_TEXT = 640 };

enum finding_level {
    FINDING_GAP,  /* evidence is missing: the verdicts say so, too */
    FINDING_NOTE, /* to know when reading the report */
};

struct finding {
    const char *id;
    enum finding_level level;
    uint64_t count;
    char text[FINDING_TEXT]; /* a sentence */
};

struct findings {
    struct finding list[FINDINGS_MAX];
    size_t count;
    uint64_t left_out;
};

void findings_collect(struct findings *findings, const struct evidence *evidence, const struct sources *sources,
                      const struct policies *policies);

#endif
