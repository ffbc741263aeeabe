/*
 * Finds libpfswrap.so and adds it to LD_PRELOAD.
 */
#ifndef PFSWRAP_TOOLS_PRELOAD_H
#define PFSWRAP_TOOLS_PRELOAD_H

#include <stddef.h>

/*
 * Finds libpfswrap.so by the place of this program: in the same directory of a build tree, or in PREFIX/lib/pfswrap
 * if the program is in PREFIX/libexec/pfswrap. No environment variable changes that. Checks that ld.so can load the
 * file and writes its absolute path to `path`, which has PATH_MAX bytes. Returns 0, or -1 with a message in
 * problem[0..problem_size).
 */
int preload_find(char *path, char *problem, size_t problem_size);

/* Sets LD_PRELOAD to `library`, followed by the libraries that are in it already. Returns 0, or -1 with errno. */
int preload_set(const char *library);

#endif
