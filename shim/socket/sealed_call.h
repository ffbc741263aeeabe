/*
 * What the interposed calls that move bytes have in common.
 */
#ifndef PFSWRAP_SOCKET_SEALED_CALL_H
#define PFSWRAP_SOCKET_SEALED_CALL_H

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "connection/endpoint.h"
#include "connection/stream.h"
#include "base/libc.h"
#include "base/address_check.h"

/* A function for sealed descriptors only. Inlined, its frame would be set up on the way to the real call, too. */
#define SEALED_CALL __attribute__((noinline))

/*
 * The body of such a call: `sealed`, or the real call if the descriptor turns out not to be sealed. First comes
 * what is to cost least: with no other call in front of the real one, the compiler needs no stack frame to reach
 * it.
 */
#define SEALED_OR_REAL(fd, sealed, real_call)                                                                      \
    do {                                                                                                           \
        if (__builtin_expect(!fd_is_sealed(fd) && real_libc_is_ready(), true))                                     \
            return real_libc_table.real_call;                                                                      \
        if (fd_is_sealed(fd)) {                                                                                    \
            ssize_t count_ = (sealed);                                                                             \
            if (count_ != STREAM_FOREIGN)                                                                          \
                return count_;                                                                                     \
        }                                                                                                          \
        return real_libc()->real_call;                                                                             \
    } while (0)

/*
 * 0, or what the kernel answers to such a count or vector (readv(2), sendmsg(2)): EINVAL; EMSGSIZE from calls with
 * messages; EFAULT. `looks`: whether the call looks at what the vectors point to.
 */
static inline int sealed_call_judge(const struct iovec *vectors, long count, bool is_message, bool looks)
{
    size_t total = 0;
    int error = 0;
    if (count < 0 || count > IOV_MAX)
        return is_message ? EMSGSIZE : EINVAL;
    for (long i = 0; i < count; i++) {
        if (vectors[i].iov_len > (size_t)SSIZE_MAX - total)
            return EINVAL;
        total += vectors[i].iov_len;
        if (__builtin_expect(vectors[i].iov_len > 0 && address_is_bad(vectors[i].iov_base), false) &&
            (looks || address_is_kernels(vectors[i].iov_base)))
            error = EFAULT;
    }
    return error;
}

/* Flags of preadv2() and pwritev2() that a socket does not know (readv(2)): true, with errno. */
static inline bool sealed_call_flags_fail(const struct iovec *vectors, int count, int flags)
{
    enum { NO_APPEND = 0x20 }; /* RWF_NOAPPEND of later headers */
    if ((flags & ~(RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND | NO_APPEND)) == 0)
        return false;
    if (count > 0 && !address_is_bad(vectors) && sealed_call_judge(vectors, count, false, false) == 0)
        while (count > 0 && vectors[count - 1].iov_len == 0)
            count--;
    if (count <= 0)
        return false; /* for no bytes nobody looks at them */
    errno = EOPNOTSUPP;
    return true;
}

/* Whether the wire plane can look at a vector that the kernel may still refuse. */
static inline bool sealed_call_vector_is_valid(const struct iovec *vectors, long count)
{
    return (count <= 0 || !address_is_bad(vectors)) && sealed_call_judge(vectors, count, false, true) == 0;
}

/* The kernel's answer to a message that is nowhere, or says that a name has less than no bytes. 0: none. */
static inline bool sealed_call_is_refused(const struct msghdr *message)
{
    return message->msg_name != NULL && (int)message->msg_namelen < 0;
}

#endif
