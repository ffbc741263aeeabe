/*
 * Language runtimes that have a TLS implementation of their own and read options from an environment variable: the
 * options that express a policy. Only makes texts; shim/runtime.c sets the variables.
 */
#ifndef PFSWRAP_POLICY_RUNTIME_H
#define PFSWRAP_POLICY_RUNTIME_H

#include "policy/policy.h"

enum policy_runtime {
    POLICY_RUNTIME_NODE, /* Node.js 12 and later: "Command-line API", NODE_OPTIONS */
    POLICY_RUNTIME_JAVA, /* Java 8u261, 11 and later: JSSE Reference Guide; JVM Tool Interface, JAVA_TOOL_OPTIONS */
};

enum { POLICY_RUNTIME_TEXT = 4096 }; /* bytes of a variable's value, with the terminator */

/* The name of the variable: "NODE_OPTIONS" or "JAVA_TOOL_OPTIONS". */
const char *policy_runtime_variable(enum policy_runtime runtime);

/*
 * Writes the value that the variable must have to `value`: the options in `present`, its value up to now (or NULL),
 * without those that the policy decides, and then the policy's own. Returns 0, or -1 if it does not fit.
 */
int policy_runtime_value(const struct policy *policy, enum policy_runtime runtime, const char *present,
                         char value[POLICY_RUNTIME_TEXT]);

#endif
