/*
 * prctl with PR_SET_SECCOMP: behind a system call filter only the program's own kinds of calls are certainly
 * allowed. So handshakes are completed before the filter is installed, and later the shim makes the same kinds of
 * calls as the program (base/transport.h).
 */
#include "socket/sandbox.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/prctl.h>

#include "base/interposed.h"
#include "base/libc.h"
#include "base/process.h"
#include "base/raw_syscall.h"
#include "base/workspace.h"
#include "config/init.h"
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
    for (uint32_t i = 0; i < endpoint_limit(); i++) {
        struct endpoint *endpoint = endpoint_at(i);
        struct connection *connection;
        if (endpoint == NULL || !endpoint_enter_at(endpoint, &connection))
            continue;
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
void sandbox_prepare(void)
{
    struct pollfd polls[POLL_MAX];
    process_prepare_sandbox();
    workspace_give(workspace_take()); /* maps memory now, since the filter may forbid mmap(2) */
    if (!process_is_vfork_child())
        inspect_before_sandbox();
    if (!pfswrap_seals() || atomic_load(&endpoint_count) == 0)
        return;
    const int saved = errno;
    for (nfds_t left = advance_all(polls); left > 0; left = advance_all(polls)) {
        struct timespec slice = {.tv_nsec = SLICE_MS * 1000000L};
        (void)raw_syscall(SYS_ppoll, polls, left < POLL_MAX ? left : POLL_MAX, &slice, NULL, 0);
    }
    int32_t buffer; /* the same for buffers */
    if (connection_borrow(&buffer) != NULL)
        connection_return(buffer);
    errno = saved;
}

void sandbox_finish(bool installed)
{
    if (installed)
        process_enter_sandbox();
}

/* The kernel has no SECCOMP_MODE_STRICT for a process that has a filter, as the shim's (uring_filter.h). */
static int prctl_real(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)
{
    if (option == PR_SET_SECCOMP && a == SECCOMP_MODE_STRICT && uring_filter_is_installed())
        return uring_filter_strict();
    return real_libc()->prctl(option, a, b, c, d);
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
    const bool matters = pfswrap_seals() ? !process_is_vfork_child() : inspect_is_wanted();
    if (option != PR_SET_SECCOMP || !matters)
        return prctl_real(option, a, b, c, d);
    sandbox_prepare();
    const int result = prctl_real(option, a, b, c, d);
    sandbox_finish(result == 0);
    return result;
}
