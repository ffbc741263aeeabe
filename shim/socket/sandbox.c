/*
 * prctl(PR_SET_SECCOMP): behind a filter only the program's own kinds of system calls are sure to be allowed. So
 * handshakes end before it goes up, and what comes after keeps to the program's kind (transport.h).
 */
#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/prctl.h>

#include "connection/connection.h"
#include "connection/endpoint.h"
#include "base/process.h"
#include "config/init.h"
#include "base/interposed.h"
#include "base/raw_syscall.h"
#include "base/libc.h"
#include "socket/process.h"
#include "inspect/inspect.h"

enum { POLL_MAX = 64, SLICE_MS = 20 };

/* Takes every handshake further. Returns how many are still under way; *polls says what the first of them need. */
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

/* Each handshake has its own deadline, so this ends; the slices are for more of them than are waited for at once.
 */
void process_before_sandbox(void)
{
    struct pollfd polls[POLL_MAX];
    process_prepare_sandbox();
    if (!process_is_vfork_child())
        inspect_before_sandbox();
    if (!pfswrap_seals() || atomic_load(&endpoint_count) == 0)
        return;
    const int saved = errno;
    for (nfds_t left = advance_all(polls); left > 0; left = advance_all(polls)) {
        struct timespec slice = {.tv_nsec = SLICE_MS * 1000000L};
        (void)raw_syscall(SYS_ppoll, polls, left < POLL_MAX ? left : POLL_MAX, &slice, NULL, 0);
    }
    int32_t buffer; /* if another process has done all of it, this one has no memory for buffers yet (mmap) */
    if (connection_borrow(&buffer) != NULL)
        connection_return(buffer);
    errno = saved;
}

void process_after_sandbox(bool up)
{
    if (up)
        process_enter_sandbox();
}

PFSWRAP_EXPORT int prctl(int option, ...)
{
    va_list list;
    va_start(list, option);
    const unsigned long a = va_arg(list, unsigned long), b = va_arg(list, unsigned long),
                        c = va_arg(list, unsigned long), d = va_arg(list, unsigned long);
    va_end(list);
    bool is_ours = pfswrap_seals() ? !process_is_vfork_child() : inspect_is_wanted();
    if (option != PR_SET_SECCOMP || !is_ours)
        return real_libc()->prctl(option, a, b, c, d);
    process_before_sandbox();
    int result = real_libc()->prctl(option, a, b, c, d);
    process_after_sandbox(result == 0);
    return result;
}
