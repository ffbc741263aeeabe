/*
 * sendfile copies through a buffer where the receiver is sealed; splice and copy_file_range, which move pages that
 * nobody could seal, are refused there, as for files that cannot do it, and programs fall back to read and write.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connection/endpoint.h"
#include "connection/stream.h"
#include "base/interposed.h"
#include "base/raw_syscall.h"
#include "base/libc.h"
#include "inspect/inspect.h"

/* Reads where the program's offset, or the file's own, stands. Returns a count or a negated errno. */
static long read_file(int fd, void *bytes, size_t size, const off_t *offset)
{
    return offset != NULL ? raw_syscall(SYS_pread64, fd, bytes, size, *offset)
                          : raw_syscall(SYS_read, fd, bytes, size);
}

/* `count` bytes that were read have not been sent: the file's own offset goes back. */
static void step_back(int fd, size_t count)
{
    if (count > 0)
        (void)raw_syscall(SYS_lseek, fd, -(off_t)count, SEEK_CUR);
}

/* As sendfile(2), or STREAM_FOREIGN. */
static ssize_t send_file(int fd, int file, off_t *offset, size_t count)
{
    int32_t index;
    size_t sent = 0;
    if (raw_syscall(SYS_lseek, file, 0, SEEK_CUR) == -ESPIPE) {
        errno = EINVAL; /* no file: sendfile(2) does not read those either */
        return -1;
    }
    uint8_t *bytes = connection_borrow(&index);
    if (bytes == NULL) {
        errno = ENOMEM;
        return -1;
    }
    ssize_t result = 0;
    while (sent < count) {
        const size_t wanted =
            count - sent < CONNECTION_PREHANDSHAKE_MAX ? count - sent : CONNECTION_PREHANDSHAKE_MAX;
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
            *offset += (off_t)taken;
        else
            step_back(file, (size_t)got - taken);
        sent += taken;
        if (taken < (size_t)got)
            break;
    }
    connection_return(index);
    return sent > 0 ? (ssize_t)sent : result;
}

PFSWRAP_EXPORT ssize_t sendfile(int fd, int file, off_t *offset, size_t count)
{
    if (fd_is_sealed(fd)) {
        ssize_t sent = send_file(fd, file, offset, count);
        if (sent != STREAM_FOREIGN)
            return sent;
    }
    if (fd_is_inspected(fd) && inspect_before_file(fd, INSPECT_CALLER) != 0)
        return -1;
    return real_libc()->sendfile(fd, file, offset, count);
}

PFSWRAP_EXPORT ssize_t sendfile64(int fd, int file, off64_t *offset, size_t count)
{
    return sendfile(fd, file, offset, count);
}

/* Whether a call that moves pages must not be made. */
static bool refuses(int fd, int other)
{
    if (!fd_is_sealed(fd) && !fd_is_sealed(other) && !inspect_refuses_unseen(fd) && !inspect_refuses_unseen(other))
        return false;
    errno = EINVAL;
    return true;
}

PFSWRAP_EXPORT ssize_t splice(int fd, off64_t *offset, int other, off64_t *other_offset, size_t count,
                              unsigned flags)
{
    return refuses(fd, other) ? -1 : real_libc()->splice(fd, offset, other, other_offset, count, flags);
}

PFSWRAP_EXPORT ssize_t copy_file_range(int fd, off64_t *offset, int other, off64_t *other_offset, size_t count,
                                       unsigned flags)
{
    return refuses(fd, other) ? -1 : real_libc()->copy_file_range(fd, offset, other, other_offset, count, flags);
}
