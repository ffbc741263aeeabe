/*
 * The operations of sealed descriptors: the program receives and sends plaintext, and the socket has ciphertext.
 * Invalid arguments get the same errors as from the kernel.
 */
#include "sealed/operations.h"

#include <errno.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/address_check.h"
#include "base/iov_check.h"
#include "base/raw_file.h"
#include "connection/connection.h"
#include "connection/stream.h"
#include "fd/table.h"
#include "transfer/relay.h"

/* All buffers are invalid. The kernel reports that when there is something to receive, and does not consume it. */
static ssize_t receive_into_bad_buffers(int fd, int flags)
{
    const ssize_t count = stream_receive(fd, NULL, 0, flags & MSG_DONTWAIT, TRANSPORT_SOCKET);
    if (count != 0 || stream_available(fd) <= 0)
        return count;
    errno = EFAULT;
    return -1;
}

ssize_t sealed_receive(int fd, const struct iovec *vectors, long count, int flags, enum transport_call call)
{
    if (count > 0 && address_is_bad(vectors))
        return FD_FOREIGN; /* the kernel refuses before it looks at the socket */
    const int error = iov_check(vectors, count, call == TRANSPORT_MESSAGE, (flags & MSG_TRUNC) == 0);
    if (__builtin_expect(error == 0, true))
        return stream_receive(fd, vectors, (size_t)count, flags, call);
    for (long i = 0; error == -EFAULT && i < count; i++)
        if (vectors[i].iov_len > 0 && !address_is_kernels(vectors[i].iov_base))
            return receive_into_bad_buffers(fd, flags);
    return fd_call_result(error);
}

ssize_t sealed_send(int fd, const struct iovec *vectors, long count, int flags, enum transport_call call)
{
    if (count > 0 && address_is_bad(vectors))
        return FD_FOREIGN; /* the kernel refuses before it looks at the socket */
    const int error = iov_check(vectors, count, call == TRANSPORT_MESSAGE, true);
    if (__builtin_expect(error == 0, true))
        return stream_send(fd, vectors, (size_t)count, flags, call);
    for (long i = 0; error == -EFAULT && i < count; i++) {
        if (vectors[i].iov_len == 0 || address_is_kernels(vectors[i].iov_base))
            continue;
        /* An error of the connection is reported before the invalid buffer. */
        const ssize_t result = stream_send(fd, NULL, 0, flags, TRANSPORT_SOCKET);
        if (result != 0)
            return result;
    }
    return fd_call_result(error);
}

/* Reads at the program's offset, or at the file's own. Returns a count or a negative errno value. */
static long read_file(int fd, void *bytes, size_t size, const int64_t *offset)
{
    return offset != NULL ? raw_pread(fd, bytes, size, (uint64_t)*offset) : raw_syscall(SYS_read, fd, bytes, size);
}

/* The last `count` bytes were read, but not sent: moves the file's offset back. */
static void step_back(int fd, size_t count)
{
    int64_t now;
    if (count > 0)
        (void)raw_lseek(fd, -(int64_t)count, SEEK_CUR, &now);
}

/* sendfile(2), with a copy through a buffer. */
ssize_t sealed_send_file(int fd, int file, int64_t *offset, size_t count)
{
    int32_t index;
    int64_t now;
    size_t sent = 0;
    if (raw_lseek(file, 0, SEEK_CUR, &now) == -ESPIPE) {
        errno = EINVAL; /* a pipe or a socket, from which sendfile(2) does not read */
        return -1;
    }
    uint8_t *bytes = connection_borrow(&index);
    if (bytes == NULL) {
        errno = ENOMEM;
        return -1;
    }
    ssize_t result = 0;
    while (sent < count) {
        const size_t left = count - sent;
        const size_t wanted = left < CONNECTION_PREHANDSHAKE_MAX ? left : CONNECTION_PREHANDSHAKE_MAX;
        const long got = read_file(file, bytes, wanted, offset);
        if (got <= 0) {
            errno = got < 0 ? (int)-got : errno;
            result = got < 0 ? -1 : 0;
            break;
        }
        const struct iovec vector = {.iov_base = bytes, .iov_len = (size_t)got};
        result = stream_send(fd, &vector, 1, 0, TRANSPORT_SOCKET);
        const size_t taken = result > 0 ? (size_t)result : 0;
        if (offset != NULL)
            *offset += (int64_t)taken;
        else
            step_back(file, (size_t)got - taken);
        sent += taken;
        if (taken < (size_t)got)
            break;
    }
    connection_return(index);
    return sent > 0 ? (ssize_t)sent : result;
}

/* Libc will write without interposed calls, so a relay seals its bytes. */
int sealed_before_unseen(int fd, const void *caller)
{
    (void)caller;
    return fd_call_result(relay_require(fd));
}

bool sealed_refuses_unseen(int fd)
{
    (void)fd;
    return true;
}
