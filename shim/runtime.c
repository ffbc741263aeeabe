/*
 * Recognises Node.js and Java by the functions they export, whatever the program's name is. This happens in each
 * process that loads the shim, so children are configured as well as what `pfswrap run` starts. Calls getenv() and
 * setenv(), which is safe before main() while there is one thread.
 */
#include "runtime.h"

#include <stdlib.h>
#include <string.h>

#include "config/override.h"
#include "policy/runtime.h"
#include "base/elf.h"

struct seen {
    bool node, java;
};

/* Node-API; the launcher of the JDK, or a program that is linked with a Java virtual machine. */
static bool look_at(const struct elf_object *object, void *argument)
{
    struct seen *seen = argument;
    seen->node = elf_symbol(object, "napi_create_function") != NULL;
    seen->java =
        seen->java || elf_symbol(object, "JLI_Launch") != NULL || elf_symbol(object, "JNI_CreateJavaVM") != NULL;
    return seen->node; /* it decides */
}

static void variable_set(const struct policy *policy, enum policy_runtime runtime)
{
    char value[POLICY_RUNTIME_TEXT];
    const char *name = policy_runtime_variable(runtime);
    const char *present = getenv(name);
    if (policy_runtime_value(policy, runtime, present, value) < 0)
        return; /* the value does not fit: the inspection of connections still applies */
    if (present != NULL && strcmp(present, value) == 0)
        return;
    override_report(name, present != NULL ? present : "", value);
    if (policy->mode == POLICY_ENFORCE)
        setenv(name, value, 1);
}

void runtime_prepare(const struct policy *policy)
{
    struct seen seen = {0};
    (void)elf_each(look_at, &seen);
    if (seen.node)
        variable_set(policy, POLICY_RUNTIME_NODE);
    else if (seen.java)
        variable_set(policy, POLICY_RUNTIME_JAVA);
}
