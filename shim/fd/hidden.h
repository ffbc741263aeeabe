/*
 * Hidden numbers: duplicates of sockets and of other files that the shim keeps for itself. For the program they are
 * not open. The table of descriptors says so (fd/table.h), and the interposed calls go around them.
 */
#ifndef PFSWRAP_FD_HIDDEN_H
#define PFSWRAP_FD_HIDDEN_H

#include "fd/change.h"

/*
 * Makes a hidden duplicate of `fd` with close-on-exec, at a number of at least `at_least` if one is free, or else
 * lower. Returns it, or -1: no number is left. fd_unreserve() makes it foreign again; `close`: and closes it.
 */
int fd_reserve_duplicate(int fd, int at_least);

/* The same for a socket whose identity is known (fd_socket_identity()): one system call less. 0: it is not known.
 */
int fd_reserve_socket(int fd, int at_least, uint64_t identity);
void fd_unreserve(int fd, bool close);

/* The same for the length of one call. fd_claim() may take the number over before fd_unreserve(). */
int fd_keep_open(int fd);

/* A hidden number becomes closing. False: it is not hidden. */
bool fd_unhide(int hidden, uint32_t generation);

/*
 * The lowest number in [first, last] that close_range(2) of this generation must leave alone: it is hidden, or a
 * call of another generation is closing it. -1: there is none.
 */
int fd_lowest_kept(unsigned first, unsigned last, uint32_t generation);

/*
 * Around the shim's close_range(2), which first finds out which numbers are hidden, and then closes the others. No
 * number becomes hidden in between. Signals are blocked (base/signals.h), and the caller is no child of vfork().
 */
void fd_begin_range(void);
void fd_end_range(void);

/* In a child of a fork: forgets the ranges and the temporary numbers of the parent's other threads. */
void fd_forget_calls(void);

#endif
