/*
 * write, writev, pwritev2, send, sendto, sendmsg, sendmmsg: a descriptor with operations (fd/operations.h) sends
 * through them. For every other descriptor the real call is made. A message that contains descriptors of
 * planes is changed before (socket/scm_rights.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/address_check.h"
#include "base/aliases.h"
#include "base/interposed.h"
#include "base/workspace.h"
#include "socket/connect.h"
#include "socket/data_call.h"
#include "socket/position.h"
#include "socket/wide_offset.h"
#include "socket/scm_rights.h"

/* One buffer as a vector. No call moves more than SSIZE_MAX bytes. */
static inline struct iovec vector_of(const void *bytes, size_t size)
{
    return (struct iovec){.iov_base = (void *)(uintptr_t)bytes, .iov_len = size < SSIZE_MAX ? size : SSIZE_MAX};
}

KNOWN_CALL ssize_t write_known(int fd, const void *bytes, size_t size, const void *caller)
{
    const struct iovec vector = vector_of(bytes, size);
    SEND_KNOWN(fd, &vector, 1, 0, TRANSPORT_PLAIN, caller, write(fd, bytes, size));
}

PFSWRAP_EXPORT ssize_t write(int fd, const void *bytes, size_t size)
{
    REAL_OR_KNOWN(fd, write(fd, bytes, size), write_known(fd, bytes, size, CALLER));
}
PFSWRAP_ALIAS(__write, write);

KNOWN_CALL ssize_t writev_known(int fd, const struct iovec *vectors, int count, const void *caller)
{
    SEND_KNOWN(fd, vectors, count, 0, TRANSPORT_VECTOR, caller, writev(fd, vectors, count));
}

PFSWRAP_EXPORT ssize_t writev(int fd, const struct iovec *vectors, int count)
{
    REAL_OR_KNOWN(fd, writev(fd, vectors, count), writev_known(fd, vectors, count, CALLER));
}

KNOWN_CALL ssize_t pwritev2_known(int fd, const struct iovec *vectors, int count, off64_t offset, int flags,
                                  const void *caller)
{
    const int socket_flags = (flags & RWF_NOWAIT) != 0 ? MSG_DONTWAIT : 0;
    if (position_is_refused(fd, vectors, count, flags))
        return -1;
    SEND_KNOWN(fd, vectors, count, socket_flags, TRANSPORT_VECTOR, caller,
               WIDE_PWRITEV2(fd, vectors, count, offset, flags));
}

/* With another offset than -1, the kernel refuses a socket. */
PFSWRAP_EXPORT ssize_t pwritev64v2(int fd, const struct iovec *vectors, int count, off64_t offset, int flags)
{
    if (!fd_is_known(fd) || offset != -1)
        return real_libc()->WIDE_PWRITEV2(fd, vectors, count, offset, flags);
    return pwritev2_known(fd, vectors, count, offset, flags, CALLER);
}

#if defined(__i386__)
PFSWRAP_EXPORT ssize_t pwritev2(int fd, const struct iovec *vectors, int count, off_t offset, int flags)
{
    return pwritev64v2(fd, vectors, count, offset, flags);
}
#else
PFSWRAP_ALIAS(pwritev2, pwritev64v2);
#endif

KNOWN_CALL ssize_t send_known(int fd, const void *bytes, size_t size, int flags, const void *caller)
{
    const struct iovec vector = vector_of(bytes, size);
    SEND_KNOWN(fd, &vector, 1, flags, TRANSPORT_SOCKET, caller, send(fd, bytes, size, flags));
}

PFSWRAP_EXPORT ssize_t send(int fd, const void *bytes, size_t size, int flags)
{
    REAL_OR_KNOWN(fd, send(fd, bytes, size, flags), send_known(fd, bytes, size, flags, CALLER));
}
PFSWRAP_ALIAS(__send, send);

KNOWN_CALL ssize_t sendto_known(int fd, const void *bytes, size_t size, int flags, const struct sockaddr *address,
                                socklen_t length, const void *caller)
{
    const struct iovec vector = vector_of(bytes, size);
    SEND_KNOWN(fd, &vector, 1, flags, TRANSPORT_SOCKET, caller, sendto(fd, bytes, size, flags, address, length));
}

PFSWRAP_EXPORT ssize_t sendto(int fd, const void *bytes, size_t size, int flags, const struct sockaddr *address,
                              socklen_t length)
{
    if (__builtin_expect((flags & MSG_FASTOPEN) != 0, false)) {
        if (connect_before_fast(fd, address, length, &flags) != 0)
            return -1;
        if ((flags & MSG_FASTOPEN) == 0)
            return send(fd, bytes, size, flags);
    }
    REAL_OR_KNOWN(fd, sendto(fd, bytes, size, flags, address, length),
                  sendto_known(fd, bytes, size, flags, address, length, CALLER));
}

/* If a descriptor cannot be passed on, nothing is sent. TCP cannot carry descriptors, so `fd` has no plane. */
static __attribute__((noinline)) ssize_t send_with_descriptors(int fd, const struct msghdr *message, int flags)
{
    ssize_t count;
    struct scm_rights *scm_rights = workspace_take();
    if (scm_rights == NULL) {
        errno = ENOMEM;
        return -1;
    }
    pthread_cleanup_push(workspace_give, scm_rights); /* sendmsg(2) is a cancellation point */
    count = fd_call_result(scm_rights_prepare(scm_rights, message));
    if (count == 0)
        count = real_libc()->sendmsg(fd, scm_rights->message, flags);
    scm_rights_finish(scm_rights, count >= 0);
    pthread_cleanup_pop(1);
    return count;
}

KNOWN_CALL ssize_t sendmsg_known(int fd, const struct msghdr *message, int flags, const void *caller)
{
    if (message->msg_name != NULL && (int)message->msg_namelen < 0 && fd_has_own_stream(fd)) {
        errno = EINVAL;
        return -1;
    }
    SEND_KNOWN(fd, message->msg_iov, (long)message->msg_iovlen, flags, TRANSPORT_MESSAGE, caller,
               sendmsg(fd, message, flags));
}

PFSWRAP_EXPORT ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    if (__builtin_expect(address_is_bad(message), false))
        return real_libc()->sendmsg(fd, message, flags);
    if (__builtin_expect((flags & MSG_FASTOPEN) != 0, false) &&
        connect_before_fast(fd, message->msg_name, message->msg_namelen, &flags) != 0)
        return -1;
    if (__builtin_expect(scm_rights_matters(message), false) && !fd_has_operations(fd))
        return send_with_descriptors(fd, message, flags);
    REAL_OR_KNOWN(fd, sendmsg(fd, message, flags), sendmsg_known(fd, message, flags, CALLER));
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

PFSWRAP_EXPORT int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, messages_flags call_flags)
{
    const int flags = (int)call_flags;
    if (count > 0 && address_is_bad(messages))
        return real_libc()->sendmmsg(fd, messages, count, call_flags);
    const bool connects = (flags & MSG_FASTOPEN) != 0 && planes_want();
    if (fd_has_operations(fd) || connects || any_scm_rights_matters(messages, count))
        return send_messages(fd, messages, count, flags);
    return real_libc()->sendmmsg(fd, messages, count, call_flags);
}
PFSWRAP_ALIAS(__sendmmsg, sendmmsg);
