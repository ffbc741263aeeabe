/*
 * What else decides about a program's connections: the language's runtime, and ways around libc.
 */
#ifndef PFSWRAP_TOOLS_RUNTIME_H
#define PFSWRAP_TOOLS_RUNTIME_H

#include "image.h"
#include "libraries.h"

#include <stdbool.h>

struct runtime {
    const char *name;     /* "Node.js", "Java", "Go", "Rust", or NULL */
    const char *variable; /* by which it is told the policy, or NULL */
    char value[4096];     /* what that variable is set to */
    bool uses_io_uring;   /* links liburing, or holds it */
};

/*
 * Looks into the executable `image` and its libraries. `program` is its name, by which the policy in force is
 * found, as `pfswrap run` finds it; a policy that cannot be read counts as the built-in one. `is_go` is
 * elf_file.h's.
 */
void runtime_find(struct runtime *runtime, const struct image *image, const struct libraries *libraries,
                  const char *program, bool is_go);

#endif
