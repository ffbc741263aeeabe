/*
 * Finds the TLS implementations of a program, and which of them the tls plane covers.
 */
#ifndef PFSWRAP_TOOLS_STACKS_H
#define PFSWRAP_TOOLS_STACKS_H

#include "image.h"
#include "libraries.h"

#include <stdbool.h>

enum { STACKS_FOUND_MAX = 16 };

struct stack_found {
    const char *name;           /* "OpenSSL 3", "GnuTLS", ... */
    bool is_covered;            /* by the tls plane */
    char version[32];           /* empty if it is not known */
    char library[NAME_MAX + 1]; /* empty if it is inside the executable */
    char path[PATH_MAX];        /* of the library */
    char through[NAME_MAX + 1]; /* the library that needs it; empty if the program does */
};

struct stacks {
    struct stack_found found[STACKS_FOUND_MAX];
    size_t count;
    bool loads_at_run_time; /* the program, or a library that is not part of libc, calls dlopen */
};

/* Searches the executable `image` and its libraries, and fills *stacks. */
void stacks_find(struct stacks *stacks, const struct image *image, const struct libraries *libraries);

#endif
