/*
 * For the files of this module and its tests: policy_locate() without the environment, in any directory.
 */
#ifndef PFSWRAP_POLICY_LOCATE_H
#define PFSWRAP_POLICY_LOCATE_H

#include <stddef.h>

/*
 * Writes DIRECTORY/PROGRAM.conf, else DIRECTORY/default.conf, else "builtin" to path[0..size). Returns 0, or -1 if
 * it does not fit.
 */
int policy_locate_in(char *path, size_t size, const char *directory, const char *program);

#endif
