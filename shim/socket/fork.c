/*
 * _Fork, clone and vfork: forks that do not run the handlers of pthread_atfork(3), as fork, daemon and forkpty do.
 * A child of clone() starts in a function of the program, and does not return to this file. Its first call on a
 * descriptor of a plane does what is done here after the fork (process_check()).
 */
#include <sched.h>
#include <stdarg.h>
#include <unistd.h>

#include "base/fork.h"
#include "base/interposed.h"
#include "base/libc.h"
#include "base/process.h"
#include "base/tail_call.h"
#include "fd/plane.h"

PFSWRAP_EXPORT pid_t _Fork(void)
{
    process_begin_fork(PROCESS_FORK_RAW);
    const pid_t child = real_libc()->_Fork();
    process_end_fork(process_fork_end_of(child));
    return child;
}

PFSWRAP_EXPORT int clone(int (*function)(void *), void *stack, int flags, void *argument, ...)
{
    va_list list;
    va_start(list, argument);
    pid_t *const parent_id = va_arg(list, pid_t *);
    void *const storage = va_arg(list, void *);
    pid_t *const child_id = va_arg(list, pid_t *);
    va_end(list);
    const bool forks = (flags & CLONE_VM) == 0;
    process_check(); /* as in vfork() */
    if (forks)
        process_begin_fork(PROCESS_FORK_RAW);
    const int child = real_libc()->clone(function, stack, flags, argument, parent_id, storage, child_id);
    if (forks)
        process_end_fork(process_fork_end_of(child));
    return child;
}

/*
 * The child returns to the caller on this very stack. An unseen child is adopted first: otherwise the child of
 * vfork() would be taken for it, and its parent for a child of vfork() from then on.
 */
TAIL_CALLER PFSWRAP_EXPORT pid_t vfork(void)
{
    process_check();
    PLANES_EACH(plane, before_vfork)
    plane->before_vfork();
    TAIL_CALL return real_libc()->vfork();
}
