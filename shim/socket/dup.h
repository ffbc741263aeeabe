/*
 * Duplicates of descriptors, for the calls that make them: dup(2), and fcntl(2) with F_DUPFD.
 */
#ifndef PFSWRAP_SOCKET_DUP_H
#define PFSWRAP_SOCKET_DUP_H

#include <stdbool.h>

/*
 * Duplicates a number to `lowest` or above, if its plane does that. `cloexec`: the flag that the program asked for.
 * Returns the number; -1 with errno of dup(2); or FD_FOREIGN: the kernel duplicates it.
 */
int dup_known(int fd, int lowest, bool cloexec);

/*
 * After the kernel has duplicated a number: records what is recorded about `fd` for `copy`, too. A negative
 * `copy` is an error of the call. Returns `copy`, and keeps errno.
 */
int dup_finish(int fd, int copy);

#endif
