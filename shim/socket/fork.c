/*
 * Forks that run no pthread_atfork(3) handlers: _Fork, clone and vfork. (fork, daemon and forkpty do.) A child of
 * clone() starts in a function of the program's; it is made known by its first call on a sealed descriptor
 * (process.h).
 */
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <unistd.h>

#include "connection/background.h"
#include "connection/endpoint.h"
#include "transfer/share.h"
#include "base/interposed.h"
#include "base/libc.h"
#include "base/tail_call.h"

/* After a fork that did not come to be. */
static void give_up(void)
{
    const int saved = errno;
    share_fork_failed();
    errno = saved;
}

PFSWRAP_EXPORT pid_t _Fork(void)
{
    if (atomic_load(&endpoint_count) == 0)
        return real_libc()->_Fork();
    background_settle();
    share_before_fork();
    const pid_t child = real_libc()->_Fork();
    if (child == 0)
        share_after_fork_child();
    else if (child < 0)
        give_up();
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
    const bool shares = (flags & CLONE_VM) == 0 && atomic_load(&endpoint_count) > 0;
    if (shares) {
        background_settle();
        share_before_fork();
    }
    const int child = real_libc()->clone(function, stack, flags, argument, parent_id, storage, child_id);
    if (child < 0 && shares)
        give_up();
    return child;
}

/* Its child returns to our caller on this very stack. */
TAIL_CALLER PFSWRAP_EXPORT pid_t vfork(void)
{
    if (atomic_load(&endpoint_count) > 0)
        share_before_vfork();
    TAIL_CALL return real_libc()->vfork();
}
