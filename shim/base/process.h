/*
 * Which process and which thread is running. After fork(), clone() or vfork() the same code runs in another
 * process, in a copy of this memory or in this very memory, and only the kernel can tell. All other modules ask
 * here, and modules that keep state of their own are notified by process_observers (fork.h has the calls around a
 * fork).
 *
 * A process is of one of these kinds:
 *
 *     first            it was executed with the shim preloaded
 *     child of fork    fork(3), daemon(3), forkpty(3): libc calls the handlers of pthread_atfork(3), and its own
 *                      locks are in order. The observers run before the fork, and after it in both processes
 *     child of clone   _Fork(3), clone(2) and clone3(2) without CLONE_VM, also by syscall(2): the observers run as
 *                      for fork(), but libc does not know, and its locks may be held by threads that are not there
 *     unseen child     the program made the system call itself. process_check() notices the child when it first
 *                      uses the shim: the generation page is wiped. Only after_fork_in_child runs
 *     child of vfork   it runs on its parent's memory, with descriptors of its own: process_is_vfork_child(). It
 *                      may change nothing in memory but its own stack, and it becomes no holder of anything
 *     relay            a raw clone of this shim that serves one connection (relay.h): process_become_relay(). No
 *                      observer runs, since it uses nothing else of what it has inherited
 *
 * Each child but that of vfork() may be the first process in a new pid namespace (pid_namespaces(7)), or join one.
 */
#ifndef PFSWRAP_BASE_PROCESS_H
#define PFSWRAP_BASE_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Finds out which process this is, and registers for forks. The first call counts, later ones return the same: 0,
 * or a negative errno value, of madvise(2) before Linux 4.14, or -EOPNOTSUPP on an emulator that only says that it
 * wipes. Then unseen children are not noticed, and nothing may be kept that depends on it.
 */
int process_start(void);

/* A page with the number of this process's generation, which fork() wipes (MADV_WIPEONFORK, madvise(2)). */
extern unsigned *process_generation __attribute__((visibility("hidden")));

/* Whether this is an unseen child that has not been adopted yet. Two loads. */
static inline bool process_is_unseen(void)
{
    return __builtin_expect(__atomic_load_n(process_generation, __ATOMIC_RELAXED) == 0, false);
}

/* Every call that relies on state that a fork copies begins with this: it adopts an unseen child. Keeps errno. */
void process_adopt(void);
static inline void process_check(void)
{
    if (process_is_unseen())
        process_adopt();
}

/* Whether this is a child of vfork(). One getpid(2), but only one while signals are held. Adopts an unseen child,
 * which is none. */
bool process_is_vfork_child(void);

/*
 * The id of the process whose memory this is; and that of the process that runs, which is another one in a child of
 * vfork(). The second takes one getpid(2), but none in a sandbox.
 */
pid_t process_id(void);
pid_t process_running_id(void);

/*
 * The answer of getpid(2) that this thread knows; 0: it has to ask. It is kept while the thread holds its signals
 * (base/signals.h): no handler, and so no child that one makes, comes in between.
 */
extern __thread pid_t process_running __attribute__((tls_model("initial-exec")));

/*
 * This is no child of vfork(), and the thread holds its signals, or is one of the object's own, which makes no
 * processes. So nobody has to ask.
 */
void process_keep_answer(void);

/* This thread, and a number for the pid namespace that its id counts in. Cached for each thread. */
struct process_thread {
    uint32_t id, space;
};
struct process_thread process_thread(void);

/* Whether it is the thread that runs. */
static inline bool process_is_this_thread(struct process_thread thread)
{
    const struct process_thread self = process_thread();
    return thread.id == self.id && thread.space == self.space;
}

/* How many threads this process has (proc(5)); 0: not known. */
unsigned long process_threads(void);

/* Whether the thread exists. Unknown: its id counts in another namespace than this process's. */
enum process_life { PROCESS_ALIVE, PROCESS_DEAD, PROCESS_UNKNOWN };
enum process_life process_thread_life(struct process_thread thread);

/* The same for a process. A zombie that is a child of this process is dead, too. */
bool process_is_dead(pid_t pid, uint32_t space);

/*
 * A system call filter is in force that forbids calls of normal operation (base/filter.h). From here on only calls
 * of the program's own kind are made on its descriptors. process_prepare_sandbox() belongs before the filter, while
 * everything can be asked. process_enter_sandbox() also comes before it, since other threads continue meanwhile;
 * process_leave_sandbox() follows if the kernel refuses the filter. A child of vfork() sandboxes itself, and not
 * the process whose memory it runs on.
 */
extern bool process_sandboxed;
void process_prepare_sandbox(void);
void process_enter_sandbox(void);
void process_leave_sandbox(void);

#endif
