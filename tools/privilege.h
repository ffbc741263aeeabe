/*
 * Whether executing a file gives privileges, which makes ld.so ignore LD_PRELOAD.
 */
#ifndef PFSWRAP_TOOLS_PRIVILEGE_H
#define PFSWRAP_TOOLS_PRIVILEGE_H

#include <sys/stat.h>

/* "set-user-ID", "set-group-ID", "given file capabilities", or NULL: none, for the open file `fd`. */
const char *privilege_of_file(int fd, const struct stat *status);

#endif
