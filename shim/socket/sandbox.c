/*
 * prctl with PR_SET_SECCOMP. The filter is read first (base/filter.h). If it allows what the shim does in normal
 * operation, nothing changes. Otherwise only the program's own kinds of calls are certainly allowed: the planes
 * prepare for that before the filter is installed, and later the shim makes the same kinds of calls as the program
 * (base/transport.h).
 */
#include "socket/sandbox.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <sys/prctl.h>

#include "base/filter.h"
#include "base/interposed.h"
#include "base/libc.h"
#include "base/process.h"
#include "base/workspace.h"
#include "fd/plane.h"
#include "reload/watch.h"
#include "socket/uring_filter.h"

/* In a workspace, since they are large for a small stack. */
struct sandbox_sets {
    struct filter_set before, behind; /* what was allowed before the filter, and what is allowed behind it */
};

bool sandbox_prepare(struct sandbox *sandbox, const struct sock_fprog *program)
{
    const int saved = errno;
    sandbox->sets = NULL;
    process_prepare_sandbox();
    if (process_is_vfork_child())
        return true;
    struct sandbox_sets *sets = sandbox->sets = workspace_take();
    if (sets == NULL)
        return false;
    filter_read(program, &sets->behind);
    const bool is_harmless = filter_is_harmless(&sets->behind);
    watch_before_filter(&sets->behind, is_harmless);
    PLANES_EACH(plane, before_filter)
    plane->before_filter(!is_harmless && !process_sandboxed, !is_harmless || !filter_allows_thread(&sets->behind));
    filter_enter(&sets->behind, &sets->before);
    if (!is_harmless)
        process_enter_sandbox();
    errno = saved;
    return true;
}

void sandbox_finish(const struct sandbox *sandbox, bool installed)
{
    const int saved = errno;
    if (sandbox->sets == NULL)
        return;
    if (installed) {
        uring_filter_show();
    } else {
        filter_return_to(&sandbox->sets->before);
        if (filter_is_harmless(&filter_in_force))
            process_leave_sandbox();
    }
    workspace_give(sandbox->sets);
    PLANES_EACH(plane, after_filter)
    plane->after_filter();
    watch_after_filter();
    errno = saved;
}

/* The kernel has no SECCOMP_MODE_STRICT for a process that has a filter, as the shim's (uring_filter.h). */
static int set_seccomp(unsigned long mode, unsigned long b, unsigned long c, unsigned long d)
{
    if (mode == SECCOMP_MODE_STRICT && uring_filter_is_installed())
        return uring_filter_strict();
    return real_libc()->prctl(PR_SET_SECCOMP, mode, b, c, d);
}

PFSWRAP_EXPORT int prctl(int option, ...)
{
    va_list list;
    va_start(list, option);
    const unsigned long a = va_arg(list, unsigned long), b = va_arg(list, unsigned long),
                        c = va_arg(list, unsigned long), d = va_arg(list, unsigned long);
    va_end(list);
    if (option == PR_GET_SECCOMP && uring_filter_is_hidden())
        return 0;
    if (option != PR_SET_SECCOMP || (a != SECCOMP_MODE_STRICT && a != SECCOMP_MODE_FILTER))
        return real_libc()->prctl(option, a, b, c, d);
    struct sandbox sandbox;
    if (!sandbox_prepare(&sandbox, sandbox_program(a == SECCOMP_MODE_FILTER, b))) {
        errno = ENOMEM;
        return -1;
    }
    const int result = set_seccomp(a, b, c, d);
    sandbox_finish(&sandbox, result == 0);
    return result;
}
