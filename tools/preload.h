/*
 * Where libpfswrap.so is and what LD_PRELOAD must be for it.
 */
#ifndef PFSWRAP_TOOLS_PRELOAD_H
#define PFSWRAP_TOOLS_PRELOAD_H

#include <stddef.h>

/*
 * Finds libpfswrap.so by where this tool itself is: beside it in a build tree, in PREFIX/lib/pfswrap if installed
 * in PREFIX/libexec/pfswrap. No variable can point elsewhere. Fills `path` (PATH_MAX bytes) with its absolute path
 * and makes sure ld.so can load it. Returns 0, or -1 with `problem` saying why not.
 */
int preload_find(char *path, char *problem, size_t problem_size);

/* Puts `library` first into LD_PRELOAD and keeps what is there. Returns 0, or -1 with errno. */
int preload_set(const char *library);

#endif
