/*
 * The TLS implementations a program can bring along, how to tell them, and which of them the tls plane reaches.
 */
#ifndef PFSWRAP_TOOLS_STACKS_H
#define PFSWRAP_TOOLS_STACKS_H

#include "image.h"
#include "libraries.h"

#include <stdbool.h>

enum { STACKS_FOUND_MAX = 16 };

struct stack_found {
    const char *name;           /* "OpenSSL 3", "GnuTLS", ... */
    bool is_covered;            /* the tls plane interposes it */
    char version[32];           /* as it calls itself; empty: it cannot be told */
    char library[NAME_MAX + 1]; /* empty: it is inside the executable */
    char path[PATH_MAX];        /* of the library */
    char through[NAME_MAX + 1]; /* the library that needs it; empty: the program itself does */
};

struct stacks {
    struct stack_found found[STACKS_FOUND_MAX];
    size_t count;
    bool loads_at_run_time; /* the program, or a library that is not libc's, calls dlopen */
};

/* Looks into the executable `image` and its libraries. */
void stacks_find(struct stacks *stacks, const struct image *image, const struct libraries *libraries);

#endif
