/*
 * fork(3) comes here by pthread_atfork(3). The shim registers before the program does, so its handlers are the last
 * to run before the fork and the first to run after it: the program's handlers find everything in working order.
 */
#include "base/fork.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>

#include "base/fork_lock.h"
#include "base/process.h"

/* The forks that this thread is in the middle of. More than one: a signal handler forks in between. */
static __thread struct {
    unsigned depth;
    unsigned by_libc; /* a bit for each, the innermost lowest: libc has called the handlers */
    bool announced;   /* its last one by process_announce_fork() */
    int error;        /* errno before the outermost */
} forking __attribute__((tls_model("initial-exec")));

/* How this child was made, according to what its only thread had recorded. */
static enum process_fork kind_of_child(void)
{
    if (forking.depth > 0)
        return (forking.by_libc & 1) != 0 ? PROCESS_FORK_LIBC : PROCESS_FORK_RAW;
    return forking.announced ? PROCESS_FORK_RAW : PROCESS_FORK_UNSEEN;
}

/*
 * Whether a signal handler forks inside a call of its thread. The locks of that call stay locked until the handler
 * returns, and the handler may wait for the child. So such a fork waits for no other thread.
 */
static bool is_busy(void)
{
    bool busy = false;
    for (size_t i = 0; process_observers[i] != NULL; i++)
        busy = (process_observers[i]->is_busy != NULL && process_observers[i]->is_busy()) || busy;
    return busy;
}

void process_begin_fork(enum process_fork kind)
{
    const int saved = errno;
    size_t count = 0;
    process_check();
    if (forking.depth == 0) {
        forking.error = saved;
        (void)fork_lock_acquire(!is_busy());
    }
    forking.announced = false;
    forking.depth++;
    forking.by_libc = forking.by_libc << 1 | (kind == PROCESS_FORK_LIBC);
    while (process_observers[count] != NULL)
        count++;
    while (count-- > 0)
        if (process_observers[count]->before_fork != NULL)
            process_observers[count]->before_fork(kind);
    errno = saved;
}

static void forget_forks(void)
{
    forking.depth = forking.by_libc = 0;
    forking.announced = false;
}

/* Its parent goes on with whatever else this thread was in the middle of. */
static void become_child(void)
{
    const enum process_fork kind = kind_of_child();
    forget_forks();
    fork_lock_reset();
    process_identify();
    for (size_t i = 0; process_observers[i] != NULL; i++)
        if (process_observers[i]->after_fork_in_child != NULL)
            process_observers[i]->after_fork_in_child(kind);
}

static void stay_parent(bool failed)
{
    if (forking.depth == 0)
        return;
    forking.depth--;
    forking.by_libc >>= 1;
    for (size_t i = 0; process_observers[i] != NULL; i++)
        if (process_observers[i]->after_fork_in_parent != NULL)
            process_observers[i]->after_fork_in_parent(failed);
    if (forking.depth == 0)
        fork_lock_release();
}

void process_end_fork(enum process_fork_end end)
{
    const int saved = errno;
    if (end != PROCESS_FORK_CHILD)
        stay_parent(end == PROCESS_FORK_FAILED);
    else if (process_is_another())
        become_child();
    errno = saved;
}

void process_announce_fork(void)
{
    process_begin_fork(PROCESS_FORK_RAW);
    process_end_fork(PROCESS_FORK_PARENT);
    forking.announced = true;
}

void process_adopt(void)
{
    const int saved = errno;
    if (process_is_another())
        become_child();
    errno = saved;
}

void process_become_relay(void)
{
    forget_forks();
    fork_lock_reset();
    process_identify();
}

/* --- libc's fork --- */

/*
 * libc calls the parent's handlers also if the fork has failed, and does not tell them. But it keeps the kernel's
 * errno, and sets no other. So errno is 0 after the fork, or the reason why it failed. This can be wrong in one
 * direction: a handler of another library, or a signal handler, may have set errno meanwhile. Then a fork that has
 * made a child looks as if it had failed, and observers must allow for that.
 */
static void before_fork(void)
{
    process_begin_fork(PROCESS_FORK_LIBC);
    errno = 0;
}

static void after_fork_in_parent(void)
{
    const int error = errno;
    const bool failed = error != 0; /* any errno: a system call filter may return one of its own */
    const int before = forking.error;
    process_end_fork(failed ? PROCESS_FORK_FAILED : PROCESS_FORK_PARENT);
    errno = failed ? error : before;
}

static void after_fork_in_child(void)
{
    const int before = forking.error;
    process_end_fork(PROCESS_FORK_CHILD);
    errno = before;
}

int process_register_fork(void)
{
    return -pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}
