/*
 * Asks the operator about each change, as aa-logprof(8) does.
 */
#ifndef PFSWRAP_TOOLS_LEARN_ASK_H
#define PFSWRAP_TOOLS_LEARN_ASK_H

#include "proposals.h"

/* Questions go to standard error, answers come from standard input. Returns 0, or -1 if there is no answer or q. */
int proposals_ask(const struct proposals *proposals);

#endif
