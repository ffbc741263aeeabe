/*
 * The end of the process: each plane ends its connections (struct plane, `exit`). exit(3) calls the destructor
 * after the program's own handlers.
 */
#include <stdlib.h>
#include <unistd.h>

#include "audit/audit.h"
#include "base/interposed.h"
#include "base/libc.h"
#include "config/init.h"
#include "fd/plane.h"
#include "socket/exit.h"

void exit_connections(void)
{
    PLANES_EACH(plane, exit)
    plane->exit();
    audit_finish("exit");
}

__attribute__((destructor)) static void end_connections(void)
{
    exit_connections();
}

/* Handlers run in reverse order, so this one runs after the program's. */
__attribute__((constructor)) static void prepare_quick_exit(void)
{
    const struct policy *const policy = pfswrap_policy();
    if (planes_want() || policy->log_handshakes == POLICY_LOG_HANDSHAKES_SUMMARY || policy->log_repeats > 0 ||
        policy->log_chain_line != 0)
        (void)at_quick_exit(exit_connections);
}

PFSWRAP_EXPORT void _exit(int status)
{
    exit_connections();
    for (;;)
        real_libc()->_exit(status);
}

PFSWRAP_EXPORT void _Exit(int status)
{
    _exit(status);
}
