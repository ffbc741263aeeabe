/*
 * Descriptors that the shim opens for itself, at numbers that the program cannot reach.
 */
#ifndef PFSWRAP_FD_HIDDEN_H
#define PFSWRAP_FD_HIDDEN_H

#include "fd/change.h"

/*
 * A hidden duplicate of `fd` with close-on-exec, at a number of at least `at_least` if one is free, or lower.
 * Returns it, or -1: no number is left. fd_unreserve() ends that; `close`: and closes it.
 */
int fd_reserve_duplicate(int fd, int at_least);
void fd_unreserve(int fd, bool close);

/* The same for the length of one call. fd_claim() may take the number over earlier. */
int fd_keep_open(int fd);

/* The number, which is hidden, becomes closing. False: it is not hidden, or not any more. */
bool fd_unhide(int hidden, uint32_t generation);

/*
 * The lowest number in [first, last] that the program must not close: one that is hidden, or that a call of another
 * generation is closing. -1: there is none.
 */
int fd_lowest_kept(unsigned first, unsigned last, uint32_t generation);

/*
 * Around close_range(2): it first finds out which numbers are hidden, and then closes the others. No number becomes
 * hidden in between. Signals are blocked (base/signals.h), and the caller is no child of vfork().
 */
void fd_begin_range(void);
void fd_end_range(void);

/* In a child of a fork: forgets the ranges and the temporary numbers of the parent's other threads. */
void fd_forget_calls(void);

#endif
