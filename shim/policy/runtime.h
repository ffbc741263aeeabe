/*
 * Runtimes that bring TLS of their own and take a documented switch from the environment: the policy in their
 * words. Text only; who sets a variable, and when, is others' business.
 */
#ifndef PFSWRAP_POLICY_RUNTIME_H
#define PFSWRAP_POLICY_RUNTIME_H

#include "policy/policy.h"

enum policy_runtime {
    POLICY_RUNTIME_NODE, /* Node.js 12 and later: nodejs.org/api/cli.html, NODE_OPTIONS */
    POLICY_RUNTIME_JAVA, /* Java 8u261, 11 and later: JSSE Reference Guide, JVM Tool Interface, JAVA_TOOL_OPTIONS */
};

enum { POLICY_RUNTIME_TEXT = 4096 }; /* bytes of a variable's value with the terminator */

/* "NODE_OPTIONS", "JAVA_TOOL_OPTIONS". */
const char *policy_runtime_variable(enum policy_runtime runtime);

/*
 * Writes what the variable has to be: what `present` (NULL: nothing) says, without words that ask for less, and the
 * policy's words, once. Returns 0, or -1: it does not fit.
 */
int policy_runtime_value(const struct policy *policy, enum policy_runtime runtime, const char *present,
                         char value[POLICY_RUNTIME_TEXT]);

#endif
