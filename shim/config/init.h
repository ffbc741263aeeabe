/*
 * The policy of this process: the newest one, if it was read again (snapshot.h). The first call reads it, loads the
 * keys that its rules need and opens the audit log; that call comes from the constructor, or from an interposed
 * function that is called before the constructor runs.
 */
#ifndef PFSWRAP_CONFIG_INIT_H
#define PFSWRAP_CONFIG_INIT_H

#include <stdbool.h>

#include "policy/policy.h"

enum { PFSWRAP_EXIT_REFUSED = 125 }; /* exit status of a process that must not run */

/*
 * A process with keys sets this variable for the programs that it executes. A program that finds it set may start
 * without keys if its user may not read them (keys_load_child()); any other program may not. A user who sets it
 * gains nothing: the program's sealed connections are refused.
 */
#define PFSWRAP_CHILD_VARIABLE "PFSWRAP_CHILD"

/*
 * The policy, in read-only memory; never NULL. It stays valid until the process ends, also when a newer one has
 * replaced it: a caller that needs several answers keeps the pointer. The keys of [policy] never change. If it
 * cannot be read, or a key that a rule needs is missing, this
 * prints one line on standard error and ends the process with PFSWRAP_EXIT_REFUSED. Keeps errno.
 */
const struct policy *pfswrap_policy(void);

/* Whether the policy is enforced (mode = enforce), not only compared with what programs do (mode = audit). */
static inline bool pfswrap_enforces(void)
{
    return pfswrap_policy()->mode == POLICY_ENFORCE;
}

/*
 * Whether a rule seals connections. If it does, its keys are loaded. False while the thread is inside the first
 * call of pfswrap_policy(), so that a connection to the system log is not sealed.
 */
bool pfswrap_seals(void);

/* Prints "pfswrap: MESSAGE" on standard error and ends the process with PFSWRAP_EXIT_REFUSED. */
_Noreturn void pfswrap_die(const char *message);

#endif
