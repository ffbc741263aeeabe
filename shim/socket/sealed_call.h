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

/* A function for sealed descriptors only. Inlined, its frame would be set up on the way to the real call, too. */
#define SEALED_CALL __attribute__((noinline))

/*
 * The body of such a call: `sealed`, or the real call if the descriptor turns out not to be sealed. First comes
 * what is to cost least: with no other call in front of the real one, the compiler needs no stack frame to reach
 * it.
 */
#define SEALED_OR_REAL(fd, sealed, real_call)                                                                      \
    do {                                                                                                           \
        if (__builtin_expect(!endpoint_is_sealed(fd) && real_libc_is_ready(), true))                               \
            return real_libc_table.real_call;                                                                      \
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
