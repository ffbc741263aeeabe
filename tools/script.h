/*
 * The first line of a script: which program the kernel runs for it, and what env(1) makes of it.
 */
#ifndef PFSWRAP_TOOLS_SCRIPT_H
#define PFSWRAP_TOOLS_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>

enum {
    SCRIPT_LINE_MAX = 256, /* bytes of the first line the kernel looks at (BINPRM_BUF_SIZE) */
};

enum script_kind {
    SCRIPT_NONE,   /* binary data: no script */
    SCRIPT_SHELL,  /* text without #!: execvp(3) gives it to /bin/sh */
    SCRIPT_FILE,   /* #!INTERPRETER */
    SCRIPT_ENV,    /* #!.../env NAME: interpreter is env, `name` is looked up on PATH */
    SCRIPT_OPAQUE, /* #!.../env with options that may change LD_PRELOAD or the lookup: `name` is the line's rest */
};

struct script {
    enum script_kind kind;
    char interpreter[SCRIPT_LINE_MAX];
    char name[SCRIPT_LINE_MAX];
};

/* Takes apart the first `size` bytes of a file, at most SCRIPT_LINE_MAX of which count. */
void script_parse(struct script *script, const char *text, size_t size);

#endif
