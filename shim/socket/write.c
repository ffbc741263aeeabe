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
#include "config/init.h"
#include "base/interposed.h"
#include "base/aliases.h"
#include "base/libc.h"
#include "socket/open.h"
#include "transfer/scm_rights.h"
#include "socket/sealed_call.h"
#include "inspect/inspect.h"

static SEALED_CALL ssize_t send_vector(int fd, const struct iovec *vectors, long count, int flags,
                                       enum transport_call kind)
{
    if (count > 0 && address_is_bad(vectors))
        return STREAM_FOREIGN; /* the kernel refuses before it looks at the socket */
    const int error = sealed_call_judge(vectors, count, kind == TRANSPORT_MESSAGE, true);
    if (__builtin_expect(error == 0, true))
        return stream_send(fd, vectors, (size_t)count, flags, kind);
    for (long i = 0; error == EFAULT && i < count; i++) {
        if (vectors[i].iov_len == 0 || address_is_kernels(vectors[i].iov_base))
            continue;
        const ssize_t result =
            stream_send(fd, NULL, 0, flags, TRANSPORT_SOCKET); /* an end or an error comes first */
        if (result != 0)
            return result;
    }
    errno = error;
    return -1;
}

static SEALED_CALL ssize_t send_one(int fd, const void *bytes, size_t size, int flags, enum transport_call kind)
{
    const struct iovec vector = {.iov_base = (void *)(uintptr_t)bytes,
                                 .iov_len = size < SSIZE_MAX ? size : SSIZE_MAX};
    if (__builtin_expect(address_is_bad(bytes), false))
        return send_vector(fd, &vector, 1, flags, kind);
    return stream_send(fd, &vector, 1, flags, kind);
}

/* write and send of a descriptor that is inspected, out of line like a SEALED_CALL, and for the same reason. */
static SEALED_CALL ssize_t send_inspected(int fd, const void *bytes, size_t size, int flags,
                                          enum transport_call kind, const void *caller)
{
    const struct iovec vector = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
    uint32_t generation;
    if (inspect_before_send(fd, &vector, 1, caller, &generation) != 0)
        return -1;
    const ssize_t sent =
        kind == TRANSPORT_PLAIN ? real_libc()->write(fd, bytes, size) : real_libc()->send(fd, bytes, size, flags);
    inspect_sent(fd, &vector, 1, sent, generation);
    return sent;
}

PFSWRAP_EXPORT ssize_t write(int fd, const void *bytes, size_t size)
{
    if (fd_is_inspected(fd))
        return send_inspected(fd, bytes, size, 0, TRANSPORT_PLAIN, INSPECT_CALLER);
    SEALED_OR_REAL(fd, send_one(fd, bytes, size, 0, TRANSPORT_PLAIN), write(fd, bytes, size));
}
PFSWRAP_ALIAS(__write, write);

PFSWRAP_EXPORT ssize_t writev(int fd, const struct iovec *vectors, int count)
{
    if (fd_is_inspected(fd) && sealed_call_vector_is_valid(vectors, count))
        INSPECT_SEND(fd, vectors, (size_t)count, writev(fd, vectors, count));
    SEALED_OR_REAL(fd, send_vector(fd, vectors, count, 0, TRANSPORT_VECTOR), writev(fd, vectors, count));
}

/* A socket has no position: with any other offset the kernel refuses. */
PFSWRAP_EXPORT ssize_t pwritev2(int fd, const struct iovec *vectors, int count, off_t offset, int flags)
{
    if (fd_is_inspected(fd) && sealed_call_vector_is_valid(vectors, count))
        INSPECT_SEND(fd, vectors, (size_t)count, pwritev2(fd, vectors, count, offset, flags));
    if (offset == -1)
        SEALED_OR_REAL(
            fd,
            sealed_call_flags_fail(vectors, count, flags)
                ? -1
                : send_vector(fd, vectors, count, (flags & RWF_NOWAIT) != 0 ? MSG_DONTWAIT : 0, TRANSPORT_VECTOR),
            pwritev2(fd, vectors, count, offset, flags));
    return real_libc()->pwritev2(fd, vectors, count, offset, flags);
}
PFSWRAP_ALIAS(pwritev64v2, pwritev2);

PFSWRAP_EXPORT ssize_t send(int fd, const void *bytes, size_t size, int flags)
{
    if (fd_is_inspected(fd))
        return send_inspected(fd, bytes, size, flags, TRANSPORT_SOCKET, INSPECT_CALLER);
    SEALED_OR_REAL(fd, send_one(fd, bytes, size, flags, TRANSPORT_SOCKET), send(fd, bytes, size, flags));
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
        if (opened == OPEN_FAST_FAILED || open_inspected(fd, address, length) != 0)
            return -1;
    }
    INSPECT_SEND(fd, INSPECT_ONE(bytes, size), sendto(fd, bytes, size, flags, address, length));
    SEALED_OR_REAL(fd, send_one(fd, bytes, size, flags, TRANSPORT_SOCKET),
                   sendto(fd, bytes, size, flags, address, length));
}

/* What cannot be passed on does not leave. A descriptor never goes by TCP, so `fd` is no sealed one. */
static __attribute__((noinline)) ssize_t send_with_descriptors(int fd, const struct msghdr *message, int flags)
{
    struct scm_rights scm_rights;
    ssize_t count = scm_rights_prepare(&scm_rights, message);
    if (count == 0)
        count = real_libc()->sendmsg(fd, scm_rights.message, flags);
    scm_rights_finish(&scm_rights, count >= 0);
    return count;
}

static SEALED_CALL ssize_t send_message(int fd, const struct msghdr *message, int flags)
{
    if (!sealed_call_is_refused(message))
        return send_vector(fd, message->msg_iov, (long)message->msg_iovlen, flags, TRANSPORT_MESSAGE);
    errno = EINVAL;
    return -1;
}

PFSWRAP_EXPORT ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    if (__builtin_expect(address_is_bad(message), false))
        return real_libc()->sendmsg(fd, message, flags);
    if (__builtin_expect((flags & MSG_FASTOPEN) != 0, false)) {
        const enum open_fast opened = open_before_fast(fd, message->msg_name, message->msg_namelen);
        if (opened == OPEN_FAST_DONE)
            flags &= ~MSG_FASTOPEN;
        else if (opened == OPEN_FAST_FAILED || open_inspected(fd, message->msg_name, message->msg_namelen) != 0)
            return -1;
    }
    INSPECT_SEND(fd, message->msg_iov, message->msg_iovlen, sendmsg(fd, message, flags));
    if (__builtin_expect(scm_rights_matters(message), false) && !fd_is_sealed(fd))
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

static bool any_scm_rights_matters(const struct mmsghdr *messages, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (__builtin_expect(scm_rights_matters(&messages[i].msg_hdr), false))
            return true;
    return false;
}

PFSWRAP_EXPORT int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    if (count > 0 && address_is_bad(messages))
        return real_libc()->sendmmsg(fd, messages, count, flags);
    const bool connects = (flags & MSG_FASTOPEN) != 0 && (pfswrap_seals() || inspect_is_wanted());
    if (fd_is_sealed(fd) || fd_is_inspected(fd) || connects || any_scm_rights_matters(messages, count))
        return send_messages(fd, messages, count, flags);
    return real_libc()->sendmmsg(fd, messages, count, flags);
}
PFSWRAP_ALIAS(__sendmmsg, sendmmsg);
