/*
 * read, readv, preadv2, recv, recvfrom, recvmsg, recvmmsg: what a sealed descriptor has for the program is
 * plaintext. Everything else is the real call.
 */
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "connection/endpoint.h"
#include "connection/stream.h"
#include "config/init.h"
#include "base/interposed.h"
#include "base/aliases.h"
#include "base/libc.h"
#include "socket/adopt.h"
#include "socket/sealed_call.h"
#include "inspect/inspect.h"

/* There is no place for what would be received: the kernel finds out when something is there, and leaves it. */
static SEALED_CALL ssize_t receive_nowhere(int fd, int flags)
{
    ssize_t count = stream_receive(fd, NULL, 0, flags & MSG_DONTWAIT, TRANSPORT_SOCKET);
    if (count != 0 || stream_available(fd) <= 0)
        return count;
    errno = EFAULT;
    return -1;
}

static SEALED_CALL ssize_t receive_vector(int fd, const struct iovec *vectors, long count, int flags,
                                          enum transport_call kind)
{
    if (count > 0 && address_is_bad(vectors))
        return STREAM_FOREIGN; /* the kernel refuses before it looks at the socket */
    const int error = sealed_call_judge(vectors, count, kind == TRANSPORT_MESSAGE, (flags & MSG_TRUNC) == 0);
    if (__builtin_expect(error == 0, true))
        return stream_receive(fd, vectors, (size_t)count, flags, kind);
    for (long i = 0; error == EFAULT && i < count; i++)
        if (vectors[i].iov_len > 0 && !address_is_kernels(vectors[i].iov_base))
            return receive_nowhere(fd, flags);
    errno = error;
    return -1;
}

/* Receives into one buffer. */
static SEALED_CALL ssize_t receive(int fd, void *bytes, size_t size, int flags, enum transport_call kind)
{
    const struct iovec vector = {.iov_base = bytes, .iov_len = size < SSIZE_MAX ? size : SSIZE_MAX};
    if (__builtin_expect(address_is_bad(bytes), false))
        return receive_vector(fd, &vector, 1, flags, kind);
    return stream_receive(fd, &vector, 1, flags, kind);
}

/* read and recv of a descriptor that is inspected, out of line like a SEALED_CALL, and for the same reason. */
static SEALED_CALL ssize_t receive_inspected(int fd, void *bytes, size_t size, int flags, enum transport_call kind,
                                             const void *caller)
{
    const struct iovec vector = {.iov_base = bytes, .iov_len = size};
    const ssize_t got =
        kind == TRANSPORT_PLAIN ? real_libc()->read(fd, bytes, size) : real_libc()->recv(fd, bytes, size, flags);
    return inspect_received(fd, &vector, 1, got, flags, caller);
}

PFSWRAP_EXPORT ssize_t read(int fd, void *bytes, size_t size)
{
    if (fd_is_inspected(fd))
        return receive_inspected(fd, bytes, size, 0, TRANSPORT_PLAIN, INSPECT_CALLER);
    SEALED_OR_REAL(fd, receive(fd, bytes, size, 0, TRANSPORT_PLAIN), read(fd, bytes, size));
}
PFSWRAP_ALIAS(__read, read);

PFSWRAP_EXPORT ssize_t readv(int fd, const struct iovec *vectors, int count)
{
    INSPECT_RECEIVE(fd, vectors, (size_t)count, 0, readv(fd, vectors, count));
    SEALED_OR_REAL(fd, receive_vector(fd, vectors, count, 0, TRANSPORT_VECTOR), readv(fd, vectors, count));
}

/* A socket has no position: with any other offset the kernel refuses. */
PFSWRAP_EXPORT ssize_t preadv2(int fd, const struct iovec *vectors, int count, off_t offset, int flags)
{
    INSPECT_RECEIVE(fd, vectors, (size_t)count, 0, preadv2(fd, vectors, count, offset, flags));
    if (offset == -1)
        SEALED_OR_REAL(fd,
                       sealed_call_flags_fail(vectors, count, flags)
                           ? -1
                           : receive_vector(fd, vectors, count, (flags & RWF_NOWAIT) != 0 ? MSG_DONTWAIT : 0,
                                            TRANSPORT_VECTOR),
                       preadv2(fd, vectors, count, offset, flags));
    return real_libc()->preadv2(fd, vectors, count, offset, flags);
}
PFSWRAP_ALIAS(preadv64v2, preadv2);

PFSWRAP_EXPORT ssize_t recv(int fd, void *bytes, size_t size, int flags)
{
    if (__builtin_expect((flags & MSG_ERRQUEUE) != 0, false))
        return real_libc()->recv(fd, bytes, size, flags);
    if (fd_is_inspected(fd))
        return receive_inspected(fd, bytes, size, flags, TRANSPORT_SOCKET, INSPECT_CALLER);
    SEALED_OR_REAL(fd, receive(fd, bytes, size, flags, TRANSPORT_SOCKET), recv(fd, bytes, size, flags));
}
PFSWRAP_ALIAS(__recv, recv);

/* A connected stream socket names no sender: tcp(7). */
static SEALED_CALL ssize_t receive_from(int fd, void *bytes, size_t size, int flags, socklen_t *length)
{
    ssize_t count = receive(fd, bytes, size, flags, TRANSPORT_SOCKET);
    if (count >= 0 && length != NULL)
        *length = 0;
    return count;
}

PFSWRAP_EXPORT ssize_t recvfrom(int fd, void *bytes, size_t size, int flags, struct sockaddr *address,
                                socklen_t *length)
{
    if (__builtin_expect((flags & MSG_ERRQUEUE) != 0, false))
        return real_libc()->recvfrom(fd, bytes, size, flags, address, length);
    INSPECT_RECEIVE(fd, INSPECT_ONE(bytes, size), flags, recvfrom(fd, bytes, size, flags, address, length));
    SEALED_OR_REAL(fd, receive_from(fd, bytes, size, flags, address != NULL ? length : NULL),
                   recvfrom(fd, bytes, size, flags, address, length));
}

static SEALED_CALL ssize_t receive_message(int fd, struct msghdr *message, int flags)
{
    if (sealed_call_is_refused(message)) {
        errno = EINVAL;
        return -1;
    }
    ssize_t count = receive_vector(fd, message->msg_iov, (long)message->msg_iovlen, flags, TRANSPORT_MESSAGE);
    if (count >= 0) {
        if (message->msg_name != NULL)
            message->msg_namelen = 0;
        message->msg_controllen = 0;
        message->msg_flags = flags & MSG_CMSG_CLOEXEC; /* as the kernel does */
    }
    return count;
}

PFSWRAP_EXPORT ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    if (__builtin_expect((flags & MSG_ERRQUEUE) != 0 || address_is_bad(message), false))
        return real_libc()->recvmsg(fd, message, flags);
    INSPECT_RECEIVE(fd, message->msg_iov, message->msg_iovlen, flags, recvmsg(fd, message, flags));
    if (fd_is_sealed(fd)) {
        ssize_t count = receive_message(fd, message, flags);
        if (count != STREAM_FOREIGN)
            return count;
    }
    const size_t room = message->msg_controllen;
    ssize_t count = real_libc()->recvmsg(fd, message, flags);
    if (count >= 0 && room > 0 && message->msg_controllen > 0 && (pfswrap_seals() || inspect_is_wanted()))
        adopt_received(message);
    return count;
}

static int64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/*
 * As the kernel does it: message by message, also at the end of the stream, and an error after the first message
 * waits for the next call. The time is looked at between messages only, and what is left of it given back
 * (recvmmsg(2), BUGS).
 */
static int receive_messages(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout)
{
    unsigned done = 0;
    int64_t until_ns = 0;
    if (timeout != NULL) {
        if (timeout->tv_sec < 0 || timeout->tv_nsec < 0 || timeout->tv_nsec >= 1000000000) {
            errno = EINVAL;
            return -1;
        }
        const int64_t most = INT64_MAX / 4 / 1000000000;
        until_ns = now_ns() + (timeout->tv_sec < most ? timeout->tv_sec : most) * 1000000000 + timeout->tv_nsec;
    }
    while (done < count) {
        ssize_t size = receive_message(fd, &messages[done].msg_hdr, flags & ~MSG_WAITFORONE);
        if (size < 0)
            return done > 0 ? (int)done : (int)size;
        messages[done++].msg_len = (unsigned)size;
        if ((flags & MSG_WAITFORONE) != 0)
            flags |= MSG_DONTWAIT;
        if (timeout == NULL)
            continue;
        const int64_t left = until_ns - now_ns();
        *timeout = (struct timespec){.tv_sec = left > 0 ? left / 1000000000 : 0,
                                     .tv_nsec = left > 0 ? left % 1000000000 : 0};
        if (left <= 0)
            break;
    }
    return (int)done;
}

PFSWRAP_EXPORT int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout)
{
    if (count > 0 && address_is_bad(messages))
        return real_libc()->recvmmsg(fd, messages, count, flags, timeout);
    if (fd_is_sealed(fd) && (flags & MSG_ERRQUEUE) == 0) {
        int done = receive_messages(fd, messages, count, flags, timeout);
        if (done != STREAM_FOREIGN)
            return done;
    }
    /* One message is what a stream has at a time; the kernel, too, gives no more than are there. */
    if (fd_is_inspected(fd) && count > 0) {
        ssize_t size = recvmsg(fd, &messages[0].msg_hdr, flags & ~MSG_WAITFORONE);
        messages[0].msg_len = size >= 0 ? (unsigned)size : 0;
        return size < 0 ? -1 : 1;
    }
    int done = real_libc()->recvmmsg(fd, messages, count, flags, timeout);
    for (int i = 0; i < done && (pfswrap_seals() || inspect_is_wanted()); i++)
        if (messages[i].msg_hdr.msg_controllen > 0)
            adopt_received(&messages[i].msg_hdr);
    return done;
}

/* Fortified programs: the real call does the check, and ends a program that fails it. */
PFSWRAP_EXPORT ssize_t __read_chk(int fd, void *bytes, size_t size, size_t room)
{
    return size > room ? real_libc()->__read_chk(fd, bytes, size, room) : read(fd, bytes, size);
}

PFSWRAP_EXPORT ssize_t __recv_chk(int fd, void *bytes, size_t size, size_t room, int flags)
{
    return size > room ? real_libc()->__recv_chk(fd, bytes, size, room, flags) : recv(fd, bytes, size, flags);
}

PFSWRAP_EXPORT ssize_t __recvfrom_chk(int fd, void *bytes, size_t size, size_t room, int flags,
                                      struct sockaddr *address, socklen_t *length)
{
    return size > room ? real_libc()->__recvfrom_chk(fd, bytes, size, room, flags, address, length)
                       : recvfrom(fd, bytes, size, flags, address, length);
}
