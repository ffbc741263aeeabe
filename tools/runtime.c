/*
 * Recognises runtimes by symbols, libraries and texts. See runtime.h.
 */
#include "runtime.h"

#include "policy/runtime.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool links(const struct libraries *libraries, const char *beginning)
{
    for (size_t i = 0; i < libraries->count; i++)
        if (strncmp(libraries->entries[i].name, beginning, strlen(beginning)) == 0)
            return true;
    return false;
}

/* Loads the policy of the program, or else the built-in one. */
static void policy_in_force(struct policy *policy, const char *program)
{
    static struct policy_error error;
    char path[PATH_MAX];
    if (policy_locate(path, sizeof path, program) < 0 || policy_load(policy, path, &error) < 0)
        policy_builtin(policy);
}

static void variable_find(struct runtime *runtime, enum policy_runtime kind, const char *program)
{
    static struct policy policy;
    policy_in_force(&policy, program);
    if (policy.mode != POLICY_ENFORCE)
        return;
    _Static_assert(sizeof runtime->value == POLICY_RUNTIME_TEXT, "room for any value");
    const char *variable = policy_runtime_variable(kind);
    if (policy_runtime_value(&policy, kind, getenv(variable), runtime->value) == 0)
        runtime->variable = variable;
}

void runtime_find(struct runtime *runtime, const struct image *image, const struct libraries *libraries,
                  const char *program, bool is_go)
{
    memset(runtime, 0, sizeof *runtime);
    if (image_symbol(image, "napi_create_function") == IMAGE_SYMBOL_DEFINED || links(libraries, "libnode.so")) {
        runtime->name = "Node.js";
        variable_find(runtime, POLICY_RUNTIME_NODE, program);
    } else if (links(libraries, "libjli.so") || links(libraries, "libjvm.so")) {
        runtime->name = "Java";
        variable_find(runtime, POLICY_RUNTIME_JAVA, program);
    } else if (is_go) {
        runtime->name = "Go";
    } else if (image_contains(image, "/rustc/")) { /* in the paths of its standard library */
        runtime->name = "Rust";
    }
    runtime->uses_io_uring =
        links(libraries, "liburing.so") || image_symbol(image, "io_uring_queue_init") != IMAGE_SYMBOL_ABSENT ||
        image_contains(image, "io_uring_queue_init") || image_contains(image, "io_uring_setup");
}
