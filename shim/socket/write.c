/*
 * write, writev, pwritev2, send, sendto, sendmsg, sendmmsg: what a program gives a sealed descriptor leaves it as
 * ciphertext. Everything else is the real call.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "connection/endpoint.h"
#include "connection/stream.h"
#include "init.h"
#include "interposed.h"
#include "real/aliases.h"
#include "real/libc.h"
#include "socket/open.h"
#include "socket/passing.h"
#include "socket/sealed_call.h"
#include "watch/watch.h"

static SEALED_CALL ssize_t send_vector(int fd, const struct iovec *vectors, long count, int flags,
                                       enum carrier_kind kind)
{
    if (count > 0 && pointer_is_nowhere(vectors))
        return STREAM_NOT_OURS; /* the kernel refuses before it looks at the socket */
    const int error = sealed_call_judge(vectors, count, kind == CARRIER_MESSAGE, true);
    if (__builtin_expect(error == 0, true))
        return stream_send(fd, vectors, (size_t)count, flags, kind);
    for (long i = 0; error == EFAULT && i < count; i++) {
        if (vectors[i].iov_len == 0 || pointer_is_kernels(vectors[i].iov_base))
            continue;
        const ssize_t result = stream_send(fd, NULL, 0, flags, CARRIER_SOCKET); /* an end or an error comes first */
        if (result != 0)
            return result;
    }
    errno = error;
    return -1;
}

static SEALED_CALL ssize_t send_one(int fd, const void *bytes, size_t size, int flags, enum carrier_kind kind)
{
    const struct iovec vector = {.iov_base = (void *)(uintptr_t)bytes,
                                 .iov_len = size < SSIZE_MAX ? size : SSIZE_MAX};
    if (__builtin_expect(pointer_is_nowhere(bytes), false))
        return send_vector(fd, &vector, 1, flags, kind);
    return stream_send(fd, &vector, 1, flags, kind);
}

/* write and send of a descriptor that is watched, out of line like a SEALED_CALL, and for the same reason. */
static SEALED_CALL ssize_t send_watched(int fd, const void *bytes, size_t size, int flags, enum carrier_kind kind,
                                        const void *caller)
{
    const struct iovec vector = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
    uint32_t turn;
    if (watch_before_send(fd, &vector, 1, caller, &turn) != 0)
        return -1;
    const ssize_t sent =
        kind == CARRIER_PLAIN ? real_libc()->write(fd, bytes, size) : real_libc()->send(fd, bytes, size, flags);
    watch_sent(fd, &vector, 1, sent, turn);
    return sent;
}

PFSWRAP_EXPORT ssize_t write(int fd, const void *bytes, size_t size)
{
    if (watch_is_on(fd))
        return send_watched(fd, bytes, size, 0, CARRIER_PLAIN, WATCH_CALLER);
    SEALED_OR_REAL(fd, send_one(fd, bytes, size, 0, CARRIER_PLAIN), write(fd, bytes, size));
}
PFSWRAP_ALIAS(__write, write);

PFSWRAP_EXPORT ssize_t writev(int fd, const struct iovec *vectors, int count)
{
    if (watch_is_on(fd) && sealed_call_vector_is_valid(vectors, count))
        WATCH_SEND(fd, vectors, (size_t)count, writev(fd, vectors, count));
    SEALED_OR_REAL(fd, send_vector(fd, vectors, count, 0, CARRIER_VECTOR), writev(fd, vectors, count));
}

/* A socket has no position: with any other offset the kernel refuses. */
PFSWRAP_EXPORT ssize_t pwritev2(int fd, const struct iovec *vectors, int count, off_t offset, int flags)
{
    if (watch_is_on(fd) && sealed_call_vector_is_valid(vectors, count))
        WATCH_SEND(fd, vectors, (size_t)count, pwritev2(fd, vectors, count, offset, flags));
    if (offset == -1)
        SEALED_OR_REAL(
            fd,
            sealed_call_flags_fail(vectors, count, flags)
                ? -1
                : send_vector(fd, vectors, count, (flags & RWF_NOWAIT) != 0 ? MSG_DONTWAIT : 0, CARRIER_VECTOR),
            pwritev2(fd, vectors, count, offset, flags));
    return real_libc()->pwritev2(fd, vectors, count, offset, flags);
}
PFSWRAP_ALIAS(pwritev64v2, pwritev2);

PFSWRAP_EXPORT ssize_t send(int fd, const void *bytes, size_t size, int flags)
{
    if (watch_is_on(fd))
        return send_watched(fd, bytes, size, flags, CARRIER_SOCKET, WATCH_CALLER);
    SEALED_OR_REAL(fd, send_one(fd, bytes, size, flags, CARRIER_SOCKET), send(fd, bytes, size, flags));
}
PFSWRAP_ALIAS(__send, send);

/* With MSG_FASTOPEN the call connects first; whether the connection is sealed is known then. */
PFSWRAP_EXPORT ssize_t sendto(int fd, const void *bytes, size_t size, int flags, const struct sockaddr *address,
                              socklen_t length)
{
    if (__builtin_expect((flags & MSG_FASTOPEN) != 0, false)) {
        const enum open_fast opened = open_before_fast(fd, address, length);
        if (opened == OPEN_FAST_DONE)
            return send(fd, bytes, size, flags & ~MSG_FASTOPEN);
        if (opened == OPEN_FAST_FAILED || open_watched(fd, address, length) != 0)
            return -1;
    }
    WATCH_SEND(fd, WATCH_ONE(bytes, size), sendto(fd, bytes, size, flags, address, length));
    SEALED_OR_REAL(fd, send_one(fd, bytes, size, flags, CARRIER_SOCKET),
                   sendto(fd, bytes, size, flags, address, length));
}

/* What cannot be passed on does not leave. A descriptor never goes by TCP, so `fd` is no sealed one. */
static __attribute__((noinline)) ssize_t send_with_descriptors(int fd, const struct msghdr *message, int flags)
{
    struct passing passing;
    ssize_t count = passing_prepare(&passing, message);
    if (count == 0)
        count = real_libc()->sendmsg(fd, passing.message, flags);
    passing_finish(&passing, count >= 0);
    return count;
}

static SEALED_CALL ssize_t send_message(int fd, const struct msghdr *message, int flags)
{
    if (!sealed_call_is_refused(message))
        return send_vector(fd, message->msg_iov, (long)message->msg_iovlen, flags, CARRIER_MESSAGE);
    errno = EINVAL;
    return -1;
}

PFSWRAP_EXPORT ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    if (__builtin_expect(pointer_is_nowhere(message), false))
        return real_libc()->sendmsg(fd, message, flags);
    if (__builtin_expect((flags & MSG_FASTOPEN) != 0, false)) {
        const enum open_fast opened = open_before_fast(fd, message->msg_name, message->msg_namelen);
        if (opened == OPEN_FAST_DONE)
            flags &= ~MSG_FASTOPEN;
        else if (opened == OPEN_FAST_FAILED || open_watched(fd, message->msg_name, message->msg_namelen) != 0)
            return -1;
    }
    WATCH_SEND(fd, message->msg_iov, message->msg_iovlen, sendmsg(fd, message, flags));
    if (__builtin_expect(passing_matters(message), false) && !endpoint_is_sealed(fd))
        return send_with_descriptors(fd, message, flags);
    SEALED_OR_REAL(fd, send_message(fd, message, flags), sendmsg(fd, message, flags));
}

static int send_messages(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    unsigned done = 0;
    while (done < count) {
        const ssize_t size = sendmsg(fd, &messages[done].msg_hdr, flags);
        if (size < 0)
            return done > 0 ? (int)done : (int)size;
        messages[done++].msg_len = (unsigned)size;
    }
    return (int)done;
}

static bool any_passing_matters(const struct mmsghdr *messages, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (__builtin_expect(passing_matters(&messages[i].msg_hdr), false))
            return true;
    return false;
}

PFSWRAP_EXPORT int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    if (count > 0 && pointer_is_nowhere(messages))
        return real_libc()->sendmmsg(fd, messages, count, flags);
    const bool connects = (flags & MSG_FASTOPEN) != 0 && (pfswrap_seals() || watch_is_wanted());
    if (endpoint_is_sealed(fd) || watch_is_on(fd) || connects || any_passing_matters(messages, count))
        return send_messages(fd, messages, count, flags);
    return real_libc()->sendmmsg(fd, messages, count, flags);
}
PFSWRAP_ALIAS(__sendmmsg, sendmmsg);
