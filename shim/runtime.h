/*
 * Runtimes with TLS of their own: told by their documented variables, before their main() reads them.
 */
#ifndef PFSWRAP_RUNTIME_H
#define PFSWRAP_RUNTIME_H

#include "policy/policy.h"

/* If this process is such a runtime, sets its variable as the policy has it. Call once, before main(). */
void runtime_prepare(const struct policy *policy);

#endif
