/*
 * Processes that should run under pfswrap, by the policies of a folder, and do not.
 */
#ifndef PFSWRAP_TOOLS_UNPROTECTED_H
#define PFSWRAP_TOOLS_UNPROTECTED_H

#include "process.h"

/* Why one process is in the list. */
struct unprotected {
    const struct process *process;
    const char *policy;  /* the path of the file */
    const char *rule;    /* the rule whose port it listens on; NULL: the policy has its name */
    const char *address; /* that port's address; NULL without a rule */
};

/*
 * Calls `call` for each reason. Returns how many processes the kernel has told nothing about; or -1 after a
 * message: the folder or /proc cannot be read. A policy that cannot be read gets a message and does not count.
 */
int unprotected_each(const char *folder, void (*call)(void *argument, const struct unprotected *found),
                     void *argument);

#endif
