/*
 * Keeps forks and changes of process-wide tables apart. A fork copies the descriptors first, and then the memory,
 * one page after the other, while the other threads continue. A change in between is in one copy and not in the
 * other. So a thread blocks forks while it changes several things that belong together: the table of
 * descriptors, the kernel's descriptor, and the holders of a connection. This is a readers-writer lock: the
 * sections are the readers, and a fork is the writer. Calls that only move bytes do not take it.
 *
 * It may be used in signal handlers: every wait has a limit, and no thread can leave the lock taken forever. A
 * handler that forks inside a section of its own thread does not wait for that section. If a thread left a section
 * by siglongjmp(3), or ended inside a section or a fork, those who wait give up on it after the time limit.
 */
#ifndef PFSWRAP_BASE_FORK_LOCK_H
#define PFSWRAP_BASE_FORK_LOCK_H

#include <stdbool.h>

/* Time limits: of a fork that waits for sections, and of a section that waits for forks of other threads. */
enum { FORK_LOCK_SECTION_MS = 2000, FORK_LOCK_FORK_MS = 10000 };

/*
 * Begin and end a section in which no other thread forks. Sections may be nested. A section begins before the lock
 * of a connection is taken, since a thread that forks takes those locks, too. Both keep errno. In a sandbox they
 * make no system calls.
 */
void process_block_forks(void);
void process_unblock_forks(void);

/*
 * For fork.c. Acquire: waits until no other thread is in a section. False: this thread is in a section, or has the
 * lock already; or other threads are in a section, or fork, and it does not wait. Release ends this in the parent;
 * reset does so in a child, whose only thread is in no section.
 */
bool fork_lock_acquire(bool waits);
void fork_lock_release(void);
void fork_lock_reset(void);

/* Whether this thread has the lock for a fork. Then no section is under way, and none begins. */
bool fork_lock_is_held_here(void);

/* Whether this thread is in a section, and so in the middle of a change. */
bool fork_lock_is_blocked_here(void);

#endif
