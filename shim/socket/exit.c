/*
 * The end of the process: sealed connections are closed in order, and the process waits until the kernel has taken
 * their bytes, at most the policy's `linger`. exit(3) calls the destructor after the program's own handlers.
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/interposed.h"
#include "base/libc.h"
#include "config/init.h"
#include "connection/release.h"

__attribute__((destructor)) static void end_connections(void)
{
    release_all();
}

/* Handlers run in reverse order, so this one runs after the program's. */
__attribute__((constructor)) static void prepare_quick_exit(void)
{
    if (pfswrap_seals())
        (void)at_quick_exit(release_all);
}

PFSWRAP_EXPORT void _exit(int status)
{
    release_all();
    for (;;)
        real_libc()->_exit(status);
}

PFSWRAP_EXPORT void _Exit(int status)
{
    _exit(status);
}
