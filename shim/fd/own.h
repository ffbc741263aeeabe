/*
 * The shim's own files, for example the audit log. They have high numbers. If the program wants such a number for
 * itself, the file moves to another one, so modules refer to a file by a struct descriptor, not by its number. Uses
 * system calls and the real close(2).
 */
#ifndef PFSWRAP_FD_OWN_H
#define PFSWRAP_FD_OWN_H

#include <stdbool.h>

enum {
    OWN_MAX = 12,    /* how many files the shim may own at once */
    OWN_FIRST = 400, /* their lowest number: above the numbers that programs choose (bash uses 255) */
};

/* For shim/order.c. A child of a fork has the files, but not the threads that were using them. */
extern const struct process_observer own_process_observer;

/* One of the shim's own files. */
struct descriptor;

/*
 * Moves the file `fd` to a high number with close-on-exec. Returns 0 with *taken, to be passed to the functions
 * below, or a negative errno value (-EMFILE: OWN_MAX is reached, or no number is free). The number `fd` is closed
 * in either case.
 */
int own_take(int fd, struct descriptor **taken);

/* Closes the file. NULL is ignored. */
void own_close(struct descriptor *descriptor);

/* Another file has the number by now: leaves the number alone, and forgets the file. NULL is ignored. */
void own_forget(struct descriptor *descriptor);

/*
 * Returns the file's current number; -1: it is gone. Until own_release(), dup2() and dup3() of the program do not
 * take the number over. The time between the two must be short, without a call that blocks.
 */
int own_acquire(struct descriptor *descriptor);
void own_release(struct descriptor *descriptor);

/*
 * The program is about to put another file at `fd`: if the shim's own file is there, it moves to another number. In
 * a child of vfork() nothing changes, since the child shares its parent's table, but not its descriptors.
 */
void own_make_way(int fd);

/*
 * Makes a duplicate with close-on-exec at a number of at least `at_least`. If there is no such number, the
 * duplicate gets the highest that is possible, but never 0, 1 or 2. Returns it, or a negative errno
 * value.
 */
int own_duplicate_high(int fd, int at_least);

/* The lowest number in [first, last] of the shim's own files; -1: there is none. */
int own_lowest(unsigned first, unsigned last);

#endif
