/*
 * Finds out which language runtime a program has, and whether it uses io_uring.
 */
#ifndef PFSWRAP_TOOLS_RUNTIME_H
#define PFSWRAP_TOOLS_RUNTIME_H

#include "image.h"
#include "libraries.h"

#include <stdbool.h>

struct runtime {
    const char *name;     /* "Node.js", "Java", "Go", "Rust", or NULL */
    const char *variable; /* the environment variable that sets its TLS options, or NULL */
    char value[4096];     /* the value that pfswrap gives that variable */
    bool uses_io_uring;   /* it links liburing, or has it inside */
};

/*
 * Searches the executable `image` and its libraries, and fills *runtime. `program` is its name, for which the
 * policy is found as by `pfswrap run`; the built-in policy is used if that cannot be loaded. `is_go`: the
 * executable has Go's runtime (children/executable.h).
 */
void runtime_find(struct runtime *runtime, const struct image *image, const struct libraries *libraries,
                  const char *program, bool is_go);

#endif
