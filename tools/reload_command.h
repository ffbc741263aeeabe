/*
 * What `pfswrap reload` does, for other commands.
 */
#ifndef PFSWRAP_TOOLS_RELOAD_COMMAND_H
#define PFSWRAP_TOOLS_RELOAD_COMMAND_H

#include "protected.h"

/* Whether this process is to be asked. */
typedef bool reload_choice(void *argument, const struct protected_process *process);

/*
 * Asks the protected processes that `is_wanted` chooses to read their policy and keys again, and prints what each
 * answers. Returns 0, or 1: one of them has refused, or cannot be asked.
 */
int reload_wanted(reload_choice *is_wanted, void *argument);

#endif
