/*
 * From PROGRAM as a person types it to the files that the kernel loads for it, and to the decision whether pfswrap
 * can protect it. Runs nothing.
 */
#ifndef PFSWRAP_TOOLS_PROGRAM_H
#define PFSWRAP_TOOLS_PROGRAM_H

#include <stddef.h>

#include "children/executable.h"
#include "script.h"

enum { PROGRAM_STEPS_MAX = 8 };

/* One file of the chain. */
struct program_step {
    char path[PATH_MAX];
    enum script_kind kind; /* SCRIPT_NONE for the last step, the binary */
};

struct program {
    struct program_step steps[PROGRAM_STEPS_MAX]; /* the file that was named, then its interpreters */
    size_t step_count;
    struct executable file; /* the last step */
    int status;             /* 0 if it can be run protected, else a STATUS_* of message.h and `refusal` */
    char refusal[PATH_MAX + 512];
};

/*
 * Examines `name`, which is looked up on $PATH if it has no slash. *program must be zero. Returns program->status;
 * *program holds what was found even if that is not 0.
 */
int program_examine(struct program *program, const char *name);

/* What the program gains when anybody executes it: "set-user-ID", "given file capabilities", ..., or NULL. */
const char *program_privilege(const struct program *program);

#endif
