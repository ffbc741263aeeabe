/*
 * read, readv, preadv2, recv, recvfrom, recvmsg, recvmmsg: a descriptor with operations (fd/operations.h) receives
 * through them. For every other descriptor the real call is made.
 */
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/address_check.h"
#include "base/aliases.h"
#include "base/interposed.h"
#include "socket/adopt.h"
#include "socket/data_call.h"
#include "socket/position.h"
#include "socket/wide_offset.h"

/* One buffer as a vector. No call moves more than SSIZE_MAX bytes. */
static inline struct iovec vector_of(void *bytes, size_t size)
{
    return (struct iovec){.iov_base = bytes, .iov_len = size < SSIZE_MAX ? size : SSIZE_MAX};
}

KNOWN_CALL ssize_t read_known(int fd, void *bytes, size_t size, const void *caller)
{
    const struct iovec vector = vector_of(bytes, size);
    RECEIVE_KNOWN(fd, &vector, 1, 0, TRANSPORT_PLAIN, caller, read(fd, bytes, size));
}

PFSWRAP_EXPORT ssize_t read(int fd, void *bytes, size_t size)
{
    REAL_OR_KNOWN(fd, read(fd, bytes, size), read_known(fd, bytes, size, CALLER));
}
PFSWRAP_ALIAS(__read, read);

KNOWN_CALL ssize_t readv_known(int fd, const struct iovec *vectors, int count, const void *caller)
{
    RECEIVE_KNOWN(fd, vectors, count, 0, TRANSPORT_VECTOR, caller, readv(fd, vectors, count));
}

PFSWRAP_EXPORT ssize_t readv(int fd, const struct iovec *vectors, int count)
{
    REAL_OR_KNOWN(fd, readv(fd, vectors, count), readv_known(fd, vectors, count, CALLER));
}

KNOWN_CALL ssize_t preadv2_known(int fd, const struct iovec *vectors, int count, off64_t offset, int flags,
                                 const void *caller)
{
    const int socket_flags = (flags & RWF_NOWAIT) != 0 ? MSG_DONTWAIT : 0;
    if (position_is_refused(fd, vectors, count, flags))
        return -1;
    RECEIVE_KNOWN(fd, vectors, count, socket_flags, TRANSPORT_VECTOR, caller,
                  WIDE_PREADV2(fd, vectors, count, offset, flags));
}

/* With another offset than -1, the kernel refuses a socket. */
PFSWRAP_EXPORT ssize_t preadv64v2(int fd, const struct iovec *vectors, int count, off64_t offset, int flags)
{
    if (!fd_is_known(fd) || offset != -1)
        return real_libc()->WIDE_PREADV2(fd, vectors, count, offset, flags);
    return preadv2_known(fd, vectors, count, offset, flags, CALLER);
}

#if defined(__i386__)
PFSWRAP_EXPORT ssize_t preadv2(int fd, const struct iovec *vectors, int count, off_t offset, int flags)
{
    return preadv64v2(fd, vectors, count, offset, flags);
}
#else
PFSWRAP_ALIAS(preadv2, preadv64v2);
#endif

KNOWN_CALL ssize_t recv_known(int fd, void *bytes, size_t size, int flags, const void *caller)
{
    const struct iovec vector = vector_of(bytes, size);
    if ((flags & MSG_ERRQUEUE) != 0)
        return real_libc()->recv(fd, bytes, size, flags);
    RECEIVE_KNOWN(fd, &vector, 1, flags, TRANSPORT_SOCKET, caller, recv(fd, bytes, size, flags));
}

PFSWRAP_EXPORT ssize_t recv(int fd, void *bytes, size_t size, int flags)
{
    REAL_OR_KNOWN(fd, recv(fd, bytes, size, flags), recv_known(fd, bytes, size, flags, CALLER));
}
PFSWRAP_ALIAS(__recv, recv);

KNOWN_CALL ssize_t recvfrom_vector(int fd, const struct iovec *vector, int flags, struct sockaddr *address,
                                   socklen_t *length, const void *caller)
{
    RECEIVE_KNOWN(fd, vector, 1, flags, TRANSPORT_SOCKET, caller,
                  recvfrom(fd, vector->iov_base, vector->iov_len, flags, address, length));
}

/* For a connected stream socket, no address of a sender is returned (tcp(7)). */
KNOWN_CALL ssize_t recvfrom_known(int fd, void *bytes, size_t size, int flags, struct sockaddr *address,
                                  socklen_t *length, const void *caller)
{
    const struct iovec vector = vector_of(bytes, size);
    if ((flags & MSG_ERRQUEUE) != 0)
        return real_libc()->recvfrom(fd, bytes, size, flags, address, length);
    const bool has_own_stream = fd_has_own_stream(fd);
    const ssize_t count = recvfrom_vector(fd, &vector, flags, address, length, caller);
    if (count >= 0 && has_own_stream && address != NULL && length != NULL)
        *length = 0;
    return count;
}

PFSWRAP_EXPORT ssize_t recvfrom(int fd, void *bytes, size_t size, int flags, struct sockaddr *address,
                                socklen_t *length)
{
    REAL_OR_KNOWN(fd, recvfrom(fd, bytes, size, flags, address, length),
                  recvfrom_known(fd, bytes, size, flags, address, length, CALLER));
}

/* The message may have brought descriptors. `room`: its size for control messages before the call. */
static inline ssize_t receive_descriptors(const struct msghdr *message, size_t room, ssize_t count)
{
    if (count >= 0 && room > 0 && message->msg_controllen > 0 && planes_want())
        adopt_received(message);
    return count;
}

/* Fills in the message as the kernel does for a stream socket: no address, and no control messages. */
static ssize_t receive_message(const struct fd_operations *operations, int fd, struct msghdr *message, int flags)
{
    if (message->msg_name != NULL && (int)message->msg_namelen < 0) {
        errno = EINVAL;
        return -1;
    }
    const ssize_t count =
        operations->receive(fd, message->msg_iov, (long)message->msg_iovlen, flags, TRANSPORT_MESSAGE);
    if (count >= 0) {
        if (message->msg_name != NULL)
            message->msg_namelen = 0;
        message->msg_controllen = 0;
        message->msg_flags = flags & MSG_CMSG_CLOEXEC;
    }
    return count;
}

KNOWN_CALL ssize_t recvmsg_known(int fd, struct msghdr *message, int flags, const void *caller)
{
    const struct fd_operations *operations = fd_operations_of(fd);
    if (operations != NULL && operations->receive != NULL) {
        const ssize_t count = receive_message(operations, fd, message, flags);
        TRACE_CALL("recvmsg", fd, count);
        if (count != FD_FOREIGN)
            return count;
        operations = fd_operations_of(fd);
    }
    const struct iovec *vectors = message->msg_iov;
    const long count = (long)message->msg_iovlen;
    const ssize_t got = real_libc()->recvmsg(fd, message, flags);
    return operations != NULL && operations->received != NULL
               ? operations->received(fd, vectors, count, got, flags, caller)
               : got;
}

PFSWRAP_EXPORT ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    if (__builtin_expect((flags & MSG_ERRQUEUE) != 0 || address_is_bad(message), false))
        return real_libc()->recvmsg(fd, message, flags);
    const size_t room = message->msg_controllen;
    const ssize_t count =
        !fd_is_known(fd) ? real_libc_table.recvmsg(fd, message, flags) : recvmsg_known(fd, message, flags, CALLER);
    return receive_descriptors(message, room, count);
}

static int64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/*
 * Like the kernel: message by message, also at the end of the stream. An error after the first message ends the
 * call, and the next call returns it. The timeout is checked between messages only, and the rest of it is stored
 * (recvmmsg(2), BUGS).
 */
static int receive_messages(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout,
                            const void *caller)
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
        const ssize_t size = recvmsg_known(fd, &messages[done].msg_hdr, flags & ~MSG_WAITFORONE, caller);
        if (size < 0)
            return done > 0 ? (int)done : (int)size;
        messages[done++].msg_len = (unsigned)size;
        if ((flags & MSG_WAITFORONE) != 0)
            flags |= MSG_DONTWAIT;
        if (timeout == NULL)
            continue;
        const int64_t left = until_ns - now_ns();
        *timeout = (struct timespec){.tv_sec = left > 0 ? (time_t)(left / 1000000000) : 0,
                                     .tv_nsec = left > 0 ? (long)(left % 1000000000) : 0};
        if (left <= 0)
            break;
    }
    return (int)done;
}

PFSWRAP_EXPORT int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, messages_flags call_flags,
                            struct timespec *timeout)
{
    const int flags = (int)call_flags;
    if ((count > 0 && address_is_bad(messages)) || (flags & MSG_ERRQUEUE) != 0)
        return real_libc()->recvmmsg(fd, messages, count, call_flags, timeout);
    if (fd_has_operations(fd)) {
        /* A call may return fewer messages than it has room for; for a stream with a record it is one. */
        const bool one = fd_has_record(fd) && count > 1;
        return receive_messages(fd, messages, one ? 1 : count, flags, one ? NULL : timeout, CALLER);
    }
    const int done = real_libc()->recvmmsg(fd, messages, count, call_flags, timeout);
    for (int i = 0; i < done; i++)
        (void)receive_descriptors(&messages[i].msg_hdr, 1, 0);
    return done;
}
