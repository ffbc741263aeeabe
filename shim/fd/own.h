/*
 * Descriptors that belong to the shim, not to the program: where they live, and how they get out of the way. Calls
 * real libc functions and fcntl() only; knows nothing of what the descriptors are for.
 */
#ifndef PFSWRAP_FD_OWN_H
#define PFSWRAP_FD_OWN_H

#include <stdbool.h>

enum {
    OWN_MAX = 4,     /* how many the shim may own at once */
    OWN_FIRST = 400, /* the lowest number they take: above what programs pick by hand (bash takes 255) */
};

/* A child of a fork has the descriptors, too, and none of the threads that used them. */
extern const struct process_observer own_process_observer;

/* One of the shim's descriptors. Zero-initialised it owns nothing. */
struct descriptor;

/*
 * Takes `fd`, moves it to a high number with close-on-exec and remembers it; the caller's number is closed. Returns
 * the slot to pass to the calls below, or NULL with errno (every slot taken, no number free); `fd` is closed then.
 */
struct descriptor *own_take(int fd);

/* Closes an owned descriptor and frees its slot. NULL is ignored. */
void own_close(struct descriptor *descriptor);

/* Frees the slot and leaves the number alone: something else is open there now. NULL is ignored. */
void own_forget(struct descriptor *descriptor);

/*
 * The number to use now; -1 if it is gone. Between acquire and release dup2() and dup3() of the program do not take
 * the number over, so the pair must be short and must not block.
 */
int own_acquire(struct descriptor *descriptor);
void own_release(struct descriptor *descriptor);

/*
 * The program is about to put something else at `fd`: what the shim has there moves to another number. In a child
 * that shares the parent's memory (vfork) nothing is changed, since the table would no longer be true for the
 * parent.
 */
void own_make_way(int fd);

/*
 * A duplicate with close-on-exec at a number of at least `at_least`, or where the limit is below that as high as it
 * goes, never at 0, 1 or 2. Returns it, or -1 with errno.
 */
int own_duplicate_high(int fd, int at_least);

/* The lowest of the shim's numbers in [first, last]; -1: none. */
int own_lowest(unsigned first, unsigned last);

#endif
