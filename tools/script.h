/*
 * Scripts: which program the kernel, execvp(3) or env(1) runs for a file.
 */
#ifndef PFSWRAP_TOOLS_SCRIPT_H
#define PFSWRAP_TOOLS_SCRIPT_H

#include "children/executable.h"

enum script_kind {
    SCRIPT_NONE,   /* not a script */
    SCRIPT_SHELL,  /* text without #!: execvp(3) runs it with /bin/sh */
    SCRIPT_FILE,   /* #!INTERPRETER */
    SCRIPT_ENV,    /* #!.../env NAME: env looks NAME up on $PATH */
    SCRIPT_OPAQUE, /* #!.../env with words that may change LD_PRELOAD, the policy or the lookup */
};

struct script {
    enum script_kind kind;
    char interpreter[EXECUTABLE_LINE_MAX]; /* the path after #! */
    char name[EXECUTABLE_LINE_MAX];        /* SCRIPT_ENV: the program's name; SCRIPT_OPAQUE: everything after env */
};

/* Fills *script from what executable_read() found in a file. */
void script_read(struct script *script, const struct executable *file);

#endif
