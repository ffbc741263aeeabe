/*
 * PROGRAM as a person types it -> the files the kernel will load for it, and whether libpfswrap.so can go along:
 * the lookup on PATH, the chain of script interpreters, and every reason to refuse. Runs nothing.
 */
#ifndef PFSWRAP_TOOLS_PROGRAM_H
#define PFSWRAP_TOOLS_PROGRAM_H

#include "elf_file.h"
#include "script.h"

#include <stddef.h>

enum { PROGRAM_STEPS_MAX = 8 };

struct program_step {
    char path[PATH_MAX];
    enum script_kind kind; /* SCRIPT_NONE for the last step, the binary */
};

struct program {
    struct program_step steps[PROGRAM_STEPS_MAX]; /* the file that was named, then its interpreters */
    size_t step_count;
    struct elf_file elf;   /* of the last step */
    const char *privilege; /* of any step, privilege_of_file() */
    int status;            /* 0: it can be run protected; STATUS_* of message.h otherwise, and `refusal` */
    char refusal[PATH_MAX + 512];
};

/*
 * Examines `name`, looked up on $PATH if it has no slash, into *program, which is all zeros. Returns
 * program->status; what was found out until then is filled in any case.
 */
int program_examine(struct program *program, const char *name);

#endif
