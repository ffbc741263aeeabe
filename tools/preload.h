/*
 * Finds libpfswrap.so and adds it to LD_PRELOAD.
 */
#ifndef PFSWRAP_TOOLS_PRELOAD_H
#define PFSWRAP_TOOLS_PRELOAD_H

#include <limits.h>
#include <stddef.h>

#include "children/object.h"

/* Bytes for the path of an object. */
enum { PRELOAD_PATH_MAX = PATH_MAX + OBJECT_PATH_MORE };

/*
 * Finds the object `kind` of libpfswrap.so (children/object.h) by the place of this program: DIR is the directory
 * of a build tree, or PREFIX/lib/pfswrap if the program is in PREFIX/libexec/pfswrap. No environment variable
 * changes that. Checks that ld.so can load the file and writes its absolute path to `path`. Returns 0, or -1 with a
 * message in problem[0..problem_size).
 */
int preload_find(char path[static PRELOAD_PATH_MAX], enum object_kind kind, char *problem, size_t problem_size);

/*
 * Only writes the path, whether there is such a file or not. Returns 0, or -1 with a message as above.
 */
int preload_path(char path[static PRELOAD_PATH_MAX], enum object_kind kind, char *problem, size_t problem_size);

/*
 * Sets LD_PRELOAD to the object `kind`, followed by the libraries that are in it already. `native` is the path of
 * the object that was built with this tool; other objects that lie beside it are removed. Returns 0, or a
 * negative errno value.
 */
int preload_set(const char *native, enum object_kind kind);

#endif
