/*
 * close, close_range, closefrom, shutdown: the program may close everything it can name, except what the shim holds
 * for itself; to the program those numbers are not open. A sealed connection ends with FINAL. May be called before
 * any constructor, in signal handlers and in a vfork child, so nothing here allocates.
 */
#include <errno.h>
#include <limits.h>
#include <linux/close_range.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connection/endpoint.h"
#include "connection/handover.h"
#include "connection/release.h"
#include "interposed.h"
#include "real/aliases.h"
#include "real/descriptor.h"
#include "real/libc.h"
#include "socket/linger.h"
#include "watch/watch.h"

PFSWRAP_EXPORT int close(int fd)
{
    if (descriptor_is_own(fd)) {
        errno = EBADF;
        return -1;
    }
    if (endpoint_is_sealed(fd)) {
        int result = release_close(fd);
        if (result != RELEASE_NOT_OURS)
            return result;
    }
    linger_before_close(fd);
    if (watch_is_on(fd))
        watch_end(fd);
    return real_libc()->close(fd);
}
PFSWRAP_ALIAS(__close, close);

PFSWRAP_EXPORT int shutdown(int fd, int how)
{
    if (endpoint_is_sealed(fd)) {
        int result = release_shutdown(fd, how);
        if (result != RELEASE_NOT_OURS)
            return result;
    }
    return real_libc()->shutdown(fd, how);
}

/* The lowest number in the range that the program must not close; -1: none. */
static int lowest_out_of_reach(unsigned first, unsigned last)
{
    const int own = descriptor_lowest_own(first, last), hidden = endpoint_lowest_hidden(first, last);
    return own < 0 || (hidden >= 0 && hidden < own) ? hidden : own;
}

/* Applies the real close_range to what lies between the shim's descriptors. */
static int close_range_around_own(unsigned first, unsigned last, int flags)
{
    const struct real_libc *real = real_libc();
    if (real->close_range == NULL) {
        errno = ENOSYS;
        return -1;
    }
    for (;;) {
        int own = lowest_out_of_reach(first, last);
        if (own < 0)
            return real->close_range(first, last, flags);
        if ((unsigned)own > first && real->close_range(first, (unsigned)own - 1, flags) != 0)
            return -1;
        if ((unsigned)own == last)
            return 0;
        first = (unsigned)own + 1;
    }
}

PFSWRAP_EXPORT int close_range(unsigned first, unsigned last, int flags)
{
    if (first <= last && (flags & (int)CLOSE_RANGE_CLOEXEC) != 0 && atomic_load(&endpoint_count) > 0)
        handover_close_on_exec(first, last);
    if (first <= last && (flags & ~(int)CLOSE_RANGE_UNSHARE) == 0) {
        release_before_close_range(first, last);
        linger_before_close_range(first, last);
        watch_end_range(first, last);
    }
    int result = close_range_around_own(first, last, flags);
    endpoint_vacate_range(first, last);
    return result;
}

PFSWRAP_EXPORT void closefrom(int low)
{
    unsigned first = low > 0 ? (unsigned)low : 0;
    release_before_close_range(first, UINT_MAX);
    linger_before_close_range(first, UINT_MAX);
    watch_end_range(first, UINT_MAX);
    int error = errno;
    const bool closed = close_range_around_own(first, UINT_MAX, 0) == 0;
    if (closed)
        endpoint_vacate_range(first, UINT_MAX);
    if (closed)
        return;
    errno = error;
    /* A kernel without close_range: libc's own way closes ours too; the audit log notices and opens its file again.
     */
    real_libc()->closefrom(low);
}
