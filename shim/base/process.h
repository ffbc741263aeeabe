/*
 * Which process and thread is running: after fork(), clone() by syscall() and vfork() the same memory belongs to
 * somebody else, and only the kernel tells. Knows no connection; calls getpid, gettid and madvise only.
 */
#ifndef PFSWRAP_BASE_PROCESS_H
#define PFSWRAP_BASE_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Once, before the first connection. Returns 0, or -1 with errno of mmap(2). */
int process_start(void);

/*
 * Whether this process is one nobody told us of: a child of a fork that no interposed call and no pthread_atfork(3)
 * handler saw. Costs one load. process_adopt() makes it known.
 */
bool process_is_unknown(void);
void process_adopt(void);

/* What other modules do when a process turns out to be a child that nothing announced. */
struct process_observer {
    void (*after_fork_in_child)(void);
};
extern const struct process_observer *const process_observers[]; /* in shim/order.c; ends with NULL */

/* If this process is unknown, tells the observers. */
void process_tell_child(void);
static inline void process_check(void)
{
    if (process_is_unknown())
        process_tell_child();
}

/* Whether this is a child of vfork(), which runs on its parent's memory: it must change nothing there. One
 * getpid(2).
 */
bool process_is_vfork_child(void);

/* This thread, and a number for the pid namespace its id counts in. Cached. */
struct process_thread {
    uint32_t id, space;
};
struct process_thread process_thread(void);

/* The threads of this process (proc(5)); 0: not known. */
unsigned long process_threads(void);

/* The process's id as it was at its start or at the last fork. */
pid_t process_id(void);

/* Whether the thread is there. Unknown: its id counts in another namespace than ours. */
enum process_life { PROCESS_ALIVE, PROCESS_DEAD, PROCESS_UNKNOWN };
enum process_life process_thread_life(struct process_thread thread);

/* The same for a process, where a zombie of ours is dead, too. */
bool process_is_dead(pid_t pid, uint32_t space);

/*
 * A system call filter is in force (seccomp(2)): from here on only calls of the program's own kind are made on its
 * descriptors.
 */
extern bool process_sandboxed;

#endif
