/*
 * prctl with PR_SET_SECCOMP. The filter is read first (base/filter.h). If it allows what the shim does in normal
 * operation, nothing changes. Otherwise only the program's own kinds of calls are certainly allowed: handshakes are
 * completed before the filter is installed, and later the shim makes the same kinds of calls as the program
 * (base/transport.h).
 */
#include "socket/sandbox.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/prctl.h>

#include "base/filter.h"
#include "base/interposed.h"
#include "base/libc.h"
#include "base/process.h"
#include "base/raw_syscall.h"
#include "base/workspace.h"
#include "config/init.h"
#include "connection/background.h"
#include "connection/connection.h"
#include "connection/endpoint.h"
#include "inspect/inspect.h"
#include "socket/uring_filter.h"

enum { POLL_MAX = 64, SLICE_MS = 20 };

/*
 * Advances every handshake. Returns how many are still under way; `polls` has the events that the first POLL_MAX
 * need.
 */
static nfds_t advance_all(struct pollfd polls[POLL_MAX])
{
    nfds_t left = 0;
    struct connection *connection;
    for (struct endpoint *endpoint = NULL; (endpoint = endpoint_enter_next(endpoint, &connection)) != NULL;) {
        const int fd = atomic_load(&endpoint->fd);
        handshake_advance(connection, fd);
        if (connection->phase == CONNECTION_NONE) {
            endpoint_abandon(endpoint, connection);
            continue;
        }
        if (handshake_is_under_way(connection)) {
            if (left < POLL_MAX)
                polls[left] = (struct pollfd){.fd = fd, .events = (short)connection->wants};
            left++;
        }
        endpoint_leave(connection);
    }
    return left;
}

/* Each handshake has a deadline, so the loop ends. The slices are for handshakes after the first POLL_MAX. */
static void complete_handshakes(void)
{
    struct pollfd polls[POLL_MAX];
    if (!pfswrap_seals() || atomic_load(&endpoint_count) == 0)
        return;
    for (nfds_t left = advance_all(polls); left > 0; left = advance_all(polls)) {
        struct timespec slice = {.tv_nsec = SLICE_MS * 1000000L};
        (void)raw_syscall(SYS_ppoll, polls, left < POLL_MAX ? left : POLL_MAX, &slice, NULL, 0);
    }
    int32_t buffer; /* maps memory for buffers now, since the filter may forbid mmap(2) */
    if (connection_borrow(&buffer) != NULL)
        connection_return(buffer);
}

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
    if (!is_harmless && !process_sandboxed) {
        inspect_before_sandbox();
        complete_handshakes();
    }
    background_stop();
    if (!is_harmless || !filter_allows_thread(&sets->behind))
        background_finish(); /* the thread cannot continue behind the filter */
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
    background_resume();
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
