/*
 * Which libraries ld.so maps for a program, asked of the program's own ld.so without running the program.
 */
#ifndef PFSWRAP_TOOLS_LIBRARIES_H
#define PFSWRAP_TOOLS_LIBRARIES_H

#include <limits.h>
#include <stddef.h>

enum { LIBRARIES_MAX = 512 };

struct library {
    char name[NAME_MAX + 1]; /* as DT_NEEDED says it, without a directory */
    char path[PATH_MAX];     /* empty: not found, and the listing ends with it */
};

struct libraries {
    struct library entries[LIBRARIES_MAX];
    size_t count;
};

/*
 * Asks `interpreter` --list for `program`'s libraries (ld.so(8): it maps them, runs none of their code and none of
 * the program's). Returns 0, or -1 if that fails; errno may be 0.
 */
int libraries_list(struct libraries *libraries, const char *interpreter, const char *program);

#endif
