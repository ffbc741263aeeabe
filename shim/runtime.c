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

static bool defines(const struct elf_object *object, void *argument)
{
    return elf_symbol(object, argument) != NULL;
}

static bool is_defined(const char *symbol)
{
    return elf_each(defines, (void *)(uintptr_t)symbol);
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
    /* Node-API; the launcher of the JDK, or a program that is linked with a Java virtual machine. */
    if (is_defined("napi_create_function"))
        variable_set(policy, POLICY_RUNTIME_NODE);
    else if (is_defined("JLI_Launch") || is_defined("JNI_CreateJavaVM"))
        variable_set(policy, POLICY_RUNTIME_JAVA);
}
