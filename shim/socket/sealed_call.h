/*
 * What the interposed calls that move bytes have in common.
 */
#ifndef PFSWRAP_SOCKET_SEALED_CALL_H
#define PFSWRAP_SOCKET_SEALED_CALL_H

#include <limits.h>
#include <stdbool.h>
#include <sys/uio.h>

#include "connection/endpoint.h"
#include "connection/stream.h"
#include "real/libc.h"

/* The body of such a call: `sealed`, or the real call if the descriptor turns out not to be sealed. */
#define SEALED_OR_REAL(fd, sealed, real_call)                                                                      \
    do {                                                                                                           \
        if (endpoint_is_sealed(fd)) {                                                                              \
            ssize_t count_ = (sealed);                                                                             \
            if (count_ != STREAM_NOT_OURS)                                                                         \
                return count_;                                                                                     \
        }                                                                                                          \
        return real_libc()->real_call;                                                                             \
    } while (0)

/* False for a count or a vector that the kernel answers with EINVAL (readv(2)). */
static inline bool sealed_call_vector_is_valid(const struct iovec *vectors, long count)
{
    size_t total = 0;
    if (count < 0 || count > IOV_MAX)
        return false;
    for (long i = 0; i < count; i++) {
        if (vectors[i].iov_len > (size_t)SSIZE_MAX - total)
            return false;
        total += vectors[i].iov_len;
    }
    return true;
}

#endif
