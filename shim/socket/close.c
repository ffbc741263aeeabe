/*
 * close, close_range, closefrom, dup2, dup3: the program may close everything it can name, except what the shim
 * holds for itself; to the program those numbers are not open. May be called before any constructor, in signal
 * handlers and in a vfork child, so nothing here allocates or locks.
 */
#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include "interposed.h"
#include "real/descriptor.h"
#include "real/libc.h"
#include "socket/linger.h"

PFSWRAP_EXPORT int close(int fd)
{
    if (descriptor_is_own(fd)) {
        errno = EBADF;
        return -1;
    }
    linger_before_close(fd);
    return real_libc()->close(fd);
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
        int own = descriptor_lowest_own(first, last);
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
    if (first <= last && (flags & ~(int)CLOSE_RANGE_UNSHARE) == 0)
        linger_before_close_range(first, last);
    return close_range_around_own(first, last, flags);
}

PFSWRAP_EXPORT void closefrom(int low)
{
    unsigned first = low > 0 ? (unsigned)low : 0;
    linger_before_close_range(first, UINT_MAX);
    int error = errno;
    if (close_range_around_own(first, UINT_MAX, 0) == 0)
        return;
    errno = error;
    /* A kernel without close_range: libc's own way closes ours too; the audit log notices and opens its file again.
     */
    real_libc()->closefrom(low);
}

PFSWRAP_EXPORT int dup2(int fd, int fd2)
{
    if (descriptor_is_own(fd)) {
        errno = EBADF;
        return -1;
    }
    if (fd != fd2) {
        descriptor_make_way(fd2);
        linger_before_close(fd2);
    }
    return real_libc()->dup2(fd, fd2);
}

PFSWRAP_EXPORT int dup3(int fd, int fd2, int flags)
{
    if (descriptor_is_own(fd)) {
        errno = EBADF;
        return -1;
    }
    if (fd != fd2) {
        descriptor_make_way(fd2);
        linger_before_close(fd2);
    }
    return real_libc()->dup3(fd, fd2, flags);
}
