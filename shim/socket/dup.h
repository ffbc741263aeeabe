/*
 * Duplicates of sealed descriptors, for the calls that make them.
 */
#ifndef PFSWRAP_SOCKET_DUP_H
#define PFSWRAP_SOCKET_DUP_H

#include <stdbool.h>

/*
 * A duplicate of `fd` at `lowest` or above. `cloexec`: what the program asked for. Returns its number; -1 with
 * errno of dup(2); or FD_FOREIGN: the descriptor is not sealed.
 */
int dup_sealed(int fd, int lowest, bool cloexec);

/*
 * The kernel has just given out `copy` as another number for `fd`, which was not sealed; or a negative number, for
 * an error. Returns it, and keeps errno.
 */
int dup_given(int fd, int copy);

#endif
