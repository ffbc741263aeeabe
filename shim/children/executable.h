/*
 * Files a program is about to execute: whether ld.so will load us into what comes of them.
 */
#ifndef PFSWRAP_CHILDREN_EXECUTABLE_H
#define PFSWRAP_CHILDREN_EXECUTABLE_H

/*
 * Why the file named `program` (looked up on $PATH if it has no slash), or the open file `fd`, cannot be protected;
 * NULL: it can, or nothing can be said. Follows #! lines. No libc but for getenv(3): for children of vfork() too.
 */
const char *executable_obstacle(const char *program);
const char *executable_obstacle_of(int fd);

#endif
