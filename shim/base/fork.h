/*
 * What happens around a fork, in one order for all modules: before it, and after it in the parent and in the child.
 */
#ifndef PFSWRAP_BASE_FORK_H
#define PFSWRAP_BASE_FORK_H

#include <stdbool.h>

/* How a child is made (process.h): by fork(3), by _Fork(3) or clone(2), or unseen. */
enum process_fork { PROCESS_FORK_LIBC, PROCESS_FORK_RAW, PROCESS_FORK_UNSEEN };

/*
 * A module that is notified of forks. Each function may be NULL. They run in signal handlers and in children of raw
 * clones, so they allocate nothing, and wait for nothing that a thread might hold for long. In the child there is
 * this one thread, and process_id() is the child's. An unseen child has no before_fork.
 */
struct process_observer {
    /* Whether this thread is in the middle of a call: the fork comes from a signal handler that interrupted it. */
    bool (*is_busy)(void);
    void (*before_fork)(enum process_fork kind);
    /* `failed`: no child was made. For a fork of libc this may be wrong: there may be a child (fork.c). */
    void (*after_fork_in_parent)(bool failed);
    void (*after_fork_in_child)(enum process_fork kind);
};

/*
 * shim/order.c: the observers, and a NULL behind them. After a fork they run in this order; before it in the
 * reverse order, so that a module finds those it builds upon as they are.
 */
extern const struct process_observer *const process_observers[];

/*
 * Around a fork that libc calls no handlers for. process_begin_fork() and one process_end_fork() in each of the two
 * processes belong together in one thread; a signal handler may fork in between. In a child that never gets to call
 * process_end_fork(), since it starts in a function of the program's, process_check() makes up for it. Both keep
 * errno.
 */
enum process_fork_end { PROCESS_FORK_CHILD, PROCESS_FORK_PARENT, PROCESS_FORK_FAILED };
void process_begin_fork(enum process_fork kind);
void process_end_fork(enum process_fork_end end);

/*
 * The same for a system call that the caller does not return from to here, since its child has another stack. There
 * is nothing to end it. If the thread makes an unseen child instead, that one is taken for the announced one.
 */
void process_announce_fork(void);

/* The result of a call that forks, as process_end_fork() takes it. */
static inline enum process_fork_end process_fork_end_of(long result)
{
    return result < 0 ? PROCESS_FORK_FAILED : result == 0 ? PROCESS_FORK_CHILD : PROCESS_FORK_PARENT;
}

/* This process is a relay from here on: no observer runs. */
void process_become_relay(void);

/*
 * Between process.c and fork.c: the handlers of pthread_atfork(3), registered once (returns 0 or a negative errno
 * value); finding out anew which process this is; and whether the last answer is out of date.
 */
int process_register_fork(void);
void process_identify(void);
bool process_is_another(void);

#endif
