/*
 * Keeps forks and changes of process-wide tables apart. A fork copies the descriptors first and the memory after
 * them, a page at a time, while the other threads go on; what they change in between is in the one copy and not in
 * the other. So a thread blocks forks while it changes several things that belong together: the table of
 * descriptors, the kernel's descriptor, and who holds a connection. A readers-writer lock: the sections are the
 * readers, and a fork is the writer. Moving bytes on a connection takes no part in it.
 *
 * It is for signal handlers, too: no call waits without a limit, and none but the child's own can leave it locked
 * for ever. A handler that forks inside a section of its own thread does not wait for it. A section that its thread
 * has left by siglongjmp(), or a fork that never came back, is given up after a while, by those who wait for it.
 */
#ifndef PFSWRAP_BASE_FORK_LOCK_H
#define PFSWRAP_BASE_FORK_LOCK_H

#include <stdbool.h>

/* How long a fork waits for sections, and a section for forks of other threads. Neither waits longer than this. */
enum { FORK_LOCK_SECTION_MS = 2000, FORK_LOCK_FORK_MS = 10000 };

/*
 * A section in which no other thread forks. May be nested. Begins before the lock of a connection is taken: a
 * thread that forks takes those locks, too. Keep errno. Behind a system call filter they make no system call.
 */
void process_block_forks(void);
void process_unblock_forks(void);

/*
 * fork.c: no other thread is in a section from here on. False: this thread is, or it has the lock already. The
 * second ends that in the parent, and the third in a child, whose only thread is in no section.
 */
bool fork_lock_acquire(void);
void fork_lock_release(void);
void fork_lock_reset(void);

/* Whether this thread is in a section now, and so in the middle of a change. */
bool fork_lock_is_blocked_here(void);

#endif
