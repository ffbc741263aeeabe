/*
 * Writes the proposed policy: a file with comments that say who needs what, and what to repair instead.
 */
#ifndef PFSWRAP_TOOLS_LEARN_WRITE_H
#define PFSWRAP_TOOLS_LEARN_WRITE_H

#include <stdio.h>

#include "proposals.h"
#include "../report/sources.h"

struct learned {
    const struct facts *facts;
    const struct proposals *proposals;
    const struct sources *sources;
    const char *base_path;       /* of --policy; NULL: the built-in policy */
    const struct policy *policy; /* the proposal */
};

/* Writes the file to memory. Returns the text (for free()), or NULL after a message. */
char *learned_write(const struct learned *learned, size_t *size);

/* The users of a proposal, each on a line behind `prefix`; at most `most` of them. */
void proposal_write_users(FILE *file, const char *prefix, const struct proposal *proposal, size_t most);

/* The list of what to repair. Returns how many entries it has. */
size_t learned_write_repairs(FILE *file, const char *prefix, const struct proposals *proposals);

#endif
