/*
 * The end of the process: sealed connections end as the kernel would end them, in order and complete, and the
 * process waits until their bytes are on their way, at most the policy's `linger`. exit() comes by the destructor,
 * after the program's own handlers.
 */
#include <stdlib.h>
#include <unistd.h>

#include "connection/release.h"
#include "config/init.h"
#include "base/interposed.h"
#include "base/raw_syscall.h"
#include "base/libc.h"

__attribute__((destructor)) static void end_connections(void)
{
    release_all();
}

/* Handlers run in the reverse order, so this one comes after the program's. */
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
