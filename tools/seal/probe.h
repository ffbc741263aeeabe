/*
 * Finds out what a server speaks, without a key.
 */
#ifndef PFSWRAP_TOOLS_SEAL_PROBE_H
#define PFSWRAP_TOOLS_SEAL_PROBE_H

#include "options.h"

enum {
    PROBE_SEALED = 0,     /* exit status: the server speaks a version of the protocol that this program has */
    PROBE_NOT_SEALED = 3, /* it does not */
};

/* Connects several times, prints what was found, and returns the exit status; 1 after a message. */
int probe(const struct seal_options *options);

#endif
