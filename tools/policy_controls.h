/*
 * Which controls a policy meets by itself, for `pfswrap check --explain`. Controls that only a log can show are in
 * report/.
 */
#ifndef PFSWRAP_TOOLS_POLICY_CONTROLS_H
#define PFSWRAP_TOOLS_POLICY_CONTROLS_H

#include "policy/policy.h"

/* Writes to standard output, as comments of a policy: each control, its verdict, and what is missing or an
 * exception. */
void policy_controls_write(const struct policy *policy);

#endif
