/*
 * Memory for the length of one call, in place of large variables on the stack. Programs make calls on stacks of 8
 * KiB (coroutines, sigaltstack(2)), so no function of the shim has a large frame: `make lint-stack` checks that.
 */
#ifndef PFSWRAP_BASE_WORKSPACE_H
#define PFSWRAP_BASE_WORKSPACE_H

#include "base/fork.h"

enum {
    WORKSPACE_BYTES = 16 * 1024 + 512, /* the largest user has a frame of the seal, and a few variables */
    WORKSPACE_LARGE_BYTES = 64 * 1024, /* for bytes only: what a new pipe holds (pipe(7)) */
};

/*
 * Takes WORKSPACE_BYTES, or WORKSPACE_LARGE_BYTES, that have what their last user left in them. NULL: no memory.
 * May be called in signal handlers and in children of vfork(). Keeps errno.
 */
void *workspace_take(void);
void *workspace_take_large(void);

/* Gives them back. NULL is ignored. */
void workspace_give(void *workspace);

extern const struct process_observer workspace_process_observer;

#endif
