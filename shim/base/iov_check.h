/*
 * The errors that the kernel reports for an invalid count or vector (readv(2), sendmsg(2)), for calls that the shim
 * answers without the kernel.
 */
#ifndef PFSWRAP_BASE_IOV_CHECK_H
#define PFSWRAP_BASE_IOV_CHECK_H

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <sys/uio.h>

#include "base/address_check.h"

/*
 * Returns 0, or a negative errno value: -EINVAL, or -EMSGSIZE for a call with messages (`is_message`); -EFAULT.
 * `uses_buffers`: whether the call reads or writes the buffers. The pointer `vectors` itself is not checked.
 */
static inline int iov_check(const struct iovec *vectors, long count, bool is_message, bool uses_buffers)
{
    size_t total = 0;
    int error = 0;
    if (count < 0 || count > IOV_MAX)
        return is_message ? -EMSGSIZE : -EINVAL;
    for (long i = 0; i < count; i++) {
        if (vectors[i].iov_len > (size_t)SSIZE_MAX - total)
            return -EINVAL;
        total += vectors[i].iov_len;
        if (__builtin_expect(vectors[i].iov_len > 0 && address_is_bad(vectors[i].iov_base), false) &&
            (uses_buffers || address_is_kernels(vectors[i].iov_base)))
            error = -EFAULT;
    }
    return error;
}

/*
 * Whether the kernel takes the vector, as far as can be said without asking it. A bad address in the first page is
 * left to the kernel: it may send what lies before it.
 */
static inline bool iov_is_taken(const struct iovec *vectors, long count)
{
    return (count <= 0 || !address_is_bad(vectors)) && iov_check(vectors, count, false, false) == 0;
}

#endif
