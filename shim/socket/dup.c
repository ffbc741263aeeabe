/*
 * dup, dup2, dup3: another number for a sealed connection is sealed, too. The kernel's close-on-exec flag is always
 * set for those; the program's own wish is remembered. What the shim holds for itself makes way, and is not there
 * for the program. May be called before any constructor, in signal handlers and in a vfork child: nothing here
 * allocates.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "connection/endpoint.h"
#include "connection/release.h"
#include "interposed.h"
#include "real/aliases.h"
#include "real/descriptor.h"
#include "real/kernel.h"
#include "real/libc.h"
#include "socket/dup.h"
#include "socket/linger.h"

int dup_sealed(int fd, int lowest, bool cloexec)
{
    struct endpoint *endpoint;
    struct connection *connection;
    enum endpoint_result entered = endpoint_enter(fd, &endpoint, &connection);
    if (entered != ENDPOINT_ENTERED)
        return entered == ENDPOINT_NONE ? DUP_NOT_OURS : -1;
    long copy = KERNEL_3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, lowest);
    if (copy >= ENDPOINT_FDS) {
        (void)KERNEL_1(SYS_close, copy);
        copy = -EMFILE;
    }
    if (copy >= 0)
        endpoint_add(endpoint, (int)copy, cloexec);
    endpoint_leave(connection);
    if (copy >= 0)
        return (int)copy;
    errno = (int)-copy;
    return -1;
}

PFSWRAP_EXPORT int dup(int fd)
{
    if (endpoint_is_sealed(fd)) {
        int copy = dup_sealed(fd, 0, false);
        if (copy != DUP_NOT_OURS)
            return copy;
    }
    return real_libc()->dup(fd);
}

/* What stands at `fd2` goes, as if the program had closed it. */
static void replace(int fd2)
{
    descriptor_make_way(fd2);
    linger_before_close(fd2);
    if (endpoint_is_sealed(fd2))
        release_before_replace(fd2);
}

/* dup3() of a sealed descriptor to another number. */
static int dup_sealed_to(int fd, int fd2, bool cloexec)
{
    struct endpoint *endpoint;
    struct connection *connection;
    if (fd2 < 0 || fd2 >= ENDPOINT_FDS) {
        errno = EBADF;
        return -1;
    }
    replace(fd2);
    enum endpoint_result entered = endpoint_enter(fd, &endpoint, &connection);
    if (entered != ENDPOINT_ENTERED)
        return entered == ENDPOINT_NONE ? DUP_NOT_OURS : -1;
    const long copy = KERNEL_3(SYS_dup3, fd, fd2, O_CLOEXEC);
    if (copy >= 0)
        endpoint_add(endpoint, fd2, cloexec);
    endpoint_leave(connection);
    if (copy >= 0)
        return fd2;
    errno = (int)-copy;
    return -1;
}

PFSWRAP_EXPORT int dup2(int fd, int fd2)
{
    if (descriptor_is_own(fd)) {
        errno = EBADF;
        return -1;
    }
    if (fd != fd2) {
        if (endpoint_is_sealed(fd)) {
            int copy = dup_sealed_to(fd, fd2, false);
            if (copy != DUP_NOT_OURS)
                return copy;
        }
        replace(fd2);
    }
    return real_libc()->dup2(fd, fd2);
}
PFSWRAP_ALIAS(__dup2, dup2);

PFSWRAP_EXPORT int dup3(int fd, int fd2, int flags)
{
    if (descriptor_is_own(fd)) {
        errno = EBADF;
        return -1;
    }
    if (fd != fd2 && (flags & ~O_CLOEXEC) == 0) {
        if (endpoint_is_sealed(fd)) {
            int copy = dup_sealed_to(fd, fd2, (flags & O_CLOEXEC) != 0);
            if (copy != DUP_NOT_OURS)
                return copy;
        }
        replace(fd2);
    }
    return real_libc()->dup3(fd, fd2, flags);
}
