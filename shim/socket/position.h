/*
 * preadv2(2) and pwritev2(2) on a descriptor that a plane has taken over: flags that the kernel refuses. For read.c
 * and write.c.
 */
#ifndef PFSWRAP_SOCKET_POSITION_H
#define PFSWRAP_SOCKET_POSITION_H

#include <errno.h>
#include <stdbool.h>
#include <sys/uio.h>

#include "base/address_check.h"
#include "base/iov_check.h"
#include "socket/data_call.h"

/*
 * Whether a plane has taken `fd` over, and the kernel refuses these flags. True: with errno, EOPNOTSUPP. A call
 * without bytes is not refused for its flags.
 */
static inline bool position_is_refused(int fd, const struct iovec *vectors, int count, int flags)
{
    enum { NO_APPEND = 0x20 }; /* RWF_NOAPPEND of newer headers */
    if (!fd_has_own_stream(fd) ||
        (flags & ~(RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND | NO_APPEND)) == 0)
        return false;
    if (count <= 0 || address_is_bad(vectors) || iov_check(vectors, count, false, false) != 0)
        return false; /* an invalid vector is reported before the flags */
    while (count > 0 && vectors[count - 1].iov_len == 0)
        count--;
    if (count == 0)
        return false;
    errno = EOPNOTSUPP;
    return true;
}

#endif
