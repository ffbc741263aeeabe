/*
 * The libraries that ld.so maps for a program, found out without running the program.
 */
#ifndef PFSWRAP_TOOLS_LIBRARIES_H
#define PFSWRAP_TOOLS_LIBRARIES_H

#include <limits.h>
#include <stddef.h>

enum { LIBRARIES_MAX = 512 };

struct library {
    char name[NAME_MAX + 1]; /* in DT_NEEDED, without a directory */
    char path[PATH_MAX];     /* empty if it is not found; the list ends with this entry then */
};

struct libraries {
    struct library entries[LIBRARIES_MAX];
    size_t count;
};

/*
 * Runs `interpreter` --list for `program` (ld.so(8)): it maps the libraries, and runs no code of the program or of
 * a library. Removes LD_PRELOAD from the environment. Returns 0, or a negative errno value;
 * -ENOEXEC: ld.so cannot do it.
 */
int libraries_list(struct libraries *libraries, const char *interpreter, const char *program);

#endif
