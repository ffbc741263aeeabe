/*
 * Runtimes with their own TLS, which are configured by their documented environment variables before main() reads
 * them.
 */
#ifndef PFSWRAP_RUNTIME_H
#define PFSWRAP_RUNTIME_H

#include "policy/policy.h"

/* If this process is such a runtime, sets its variable to what the policy requires. Call once, before main(). */
void runtime_prepare(const struct policy *policy);

#endif
