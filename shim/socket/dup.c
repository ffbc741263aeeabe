/*
 * dup, dup2, dup3: another number for a sealed connection is sealed, too. The kernel's close-on-exec flag is always
 * set for those; the program's own wish is remembered. What the shim holds for itself makes way, and is not there
 * for the program. May be called before any constructor, in signal handlers and in a vfork child: nothing here
 * allocates.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "connection/endpoint.h"
#include "connection/handover.h"
#include "connection/process.h"
#include "connection/relay.h"
#include "connection/release.h"
#include "interposed.h"
#include "real/aliases.h"
#include "real/descriptor.h"
#include "real/kernel.h"
#include "real/libc.h"
#include "socket/dup.h"
#include "socket/linger.h"
#include "socket/unconnected.h"
#include "watch/watch.h"

enum { STANDARD_LAST = 2 };

/* Hands the connection to a relay. The descriptor is an ordinary one then, if this returns DUP_NOT_OURS. */
static int relay(int fd)
{
    const int error = relay_start(fd);
    if (error == 0)
        return DUP_NOT_OURS;
    errno = error;
    return -1;
}

/* In a child of vfork() the descriptor becomes a parcel, to be copied as it is; where it cannot, it is relayed. */
static int pack(int fd)
{
    return handover_pack(fd) ? DUP_NOT_OURS : relay(fd);
}

void dup_plain(int fd, int copy)
{
    if (watch_is_on(fd))
        watch_copied(fd, copy);
    else
        unconnected_copied(fd, copy);
}

int dup_sealed(int fd, int lowest, bool cloexec)
{
    struct endpoint *endpoint;
    struct connection *connection;
    if (process_is_vfork_child())
        return pack(fd);
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
    int error = copy < 0 ? (int)-copy : relay_is_needed((int)copy) ? relay_start((int)copy) : 0;
    if (error == 0)
        return (int)copy;
    if (copy >= 0)
        (void)release_close((int)copy);
    errno = error;
    return -1;
}

/* The real call has given `copy` for what nobody seals. */
static int copied(int fd, int copy)
{
    if (copy >= 0)
        dup_plain(fd, copy);
    return copy;
}

PFSWRAP_EXPORT int dup(int fd)
{
    if (endpoint_is_sealed(fd)) {
        int copy = dup_sealed(fd, 0, false);
        if (copy != DUP_NOT_OURS)
            return copy;
    }
    int copy = real_libc()->dup(fd);
    return copied(fd, copy);
}

/* Whether dup2() would answer EBADF, and leave `fd2` alone (dup(2)). */
static bool is_hopeless(int fd, int fd2)
{
    struct rlimit limit = {0};
    if (!endpoint_is_sealed(fd2) && !watch_is_on(fd2))
        return false;
    return KERNEL_3(SYS_fcntl, fd, F_GETFD, 0) < 0 ||
           (KERNEL_4(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit) == 0 && (rlim_t)fd2 >= limit.rlim_cur);
}

/* What stands at `fd2` goes, as if the program had closed it. */
static void replace(int fd2)
{
    descriptor_make_way(fd2);
    linger_before_close(fd2);
    if (endpoint_is_sealed(fd2))
        release_before_replace(fd2);
    if (watch_is_on(fd2))
        watch_end(fd2);
}

/* The real call has been made. A sealed number that it did not replace is closed all the same. */
static void replaced(int fd2, bool done)
{
    if (!endpoint_is_closing(fd2))
        return;
    if (!done)
        (void)KERNEL_1(SYS_close, fd2);
    endpoint_vacate(fd2);
}

/* dup3() of a sealed descriptor to another number. */
static int dup_sealed_to(int fd, int fd2, bool cloexec)
{
    struct endpoint *endpoint;
    struct connection *connection;
    if (fd2 < 0 || fd2 >= ENDPOINT_FDS || is_hopeless(fd, fd2)) {
        errno = EBADF;
        return -1;
    }
    if (relay_is_needed(fd2))
        return fd2 > STANDARD_LAST ? pack(fd) : relay(fd);
    replace(fd2);
    enum endpoint_result entered = endpoint_enter(fd, &endpoint, &connection);
    if (entered != ENDPOINT_ENTERED)
        return entered == ENDPOINT_NONE ? DUP_NOT_OURS : -1;
    const long copy = KERNEL_3(SYS_dup3, fd, fd2, O_CLOEXEC);
    if (copy >= 0)
        endpoint_add(endpoint, fd2, cloexec);
    endpoint_leave(connection);
    replaced(fd2, copy >= 0);
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
    if (fd != fd2 && !is_hopeless(fd, fd2)) {
        if (endpoint_is_sealed(fd)) {
            int copy = dup_sealed_to(fd, fd2, false);
            if (copy != DUP_NOT_OURS)
                return copy;
        }
        replace(fd2);
    }
    int copy = real_libc()->dup2(fd, fd2);
    replaced(fd2, copy >= 0);
    return copied(fd, copy);
}
PFSWRAP_ALIAS(__dup2, dup2);

PFSWRAP_EXPORT int dup3(int fd, int fd2, int flags)
{
    if (descriptor_is_own(fd)) {
        errno = EBADF;
        return -1;
    }
    if (fd != fd2 && (flags & ~O_CLOEXEC) == 0 && !is_hopeless(fd, fd2)) {
        if (endpoint_is_sealed(fd)) {
            int copy = dup_sealed_to(fd, fd2, (flags & O_CLOEXEC) != 0);
            if (copy != DUP_NOT_OURS)
                return copy;
        }
        replace(fd2);
    }
    int copy = real_libc()->dup3(fd, fd2, flags);
    replaced(fd2, copy >= 0);
    return copied(fd, copy);
}
