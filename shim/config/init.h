/*
 * The start of the shared object in a process: the policy and the keys of its rules are read and the audit log
 * opened once, by the constructor or by the first interposed call that needs it, whichever comes first. Every other
 * room may ask for the policy.
 */
#ifndef PFSWRAP_CONFIG_INIT_H
#define PFSWRAP_CONFIG_INIT_H

#include <stdbool.h>

#include "policy/policy.h"

enum { PFSWRAP_EXIT_REFUSED = 125 };

/*
 * In the environment of what a process with keys executes: a program that has given up its user may start without
 * keys (keys.h), which one that an operator starts may not. Whoever sets it for himself gets connections refused.
 */
#define PFSWRAP_CHILD_VARIABLE "PFSWRAP_CHILD"

/* The policy in force, read-only. Ends the process with one line on stderr if there is none, or
 * a key that its rules need is missing (exit status 125). */
const struct policy *pfswrap_policy(void);

/* Whether the policy is enforced (mode = enforce), not only compared with what programs do (mode = audit). */
static inline bool pfswrap_enforces(void)
{
    return pfswrap_policy()->mode == POLICY_ENFORCE;
}

/* Whether a rule of it seals; its keys are loaded then, before the first connection. */
bool pfswrap_seals(void);

/* Writes "pfswrap: MESSAGE" to stderr and ends the process with exit status 125. */
_Noreturn void pfswrap_die(const char *message);

#endif
