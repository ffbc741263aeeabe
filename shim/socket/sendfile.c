/*
 * sendfile, copy_file_range. A descriptor with operations (fd/operations.h) may send a file in its own way.
 * copy_file_range is for files. On a descriptor whose bytes must pass an interposed call it fails with EINVAL, as
 * on every socket. sendfile from a socket fails in the same way, except into a pipe, where it is splice(2)
 * (Linux 5.12).
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "base/interposed.h"
#include "socket/data_call.h"
#include "socket/splice.h"
#include "socket/wide_offset.h"

KNOWN_CALL ssize_t sendfile_known(int fd, int file, off64_t *offset, size_t count, const void *caller)
{
    const struct fd_operations *operations = fd_operations_of(fd);
    if (operations != NULL && operations->send_file != NULL) {
        int64_t at = offset != NULL ? *offset : 0;
        const ssize_t sent = operations->send_file(fd, file, offset != NULL ? &at : NULL, count);
        if (offset != NULL)
            *offset = at;
        if (sent != FD_FOREIGN)
            return sent;
        operations = fd_operations_of(fd);
    }
    const bool is_unseen = operations != NULL && operations->send_file == NULL && operations->before_unseen != NULL;
    if (is_unseen && operations->before_unseen(fd, caller) != 0)
        return -1;
    return real_libc()->WIDE_SENDFILE(fd, file, offset, count);
}

/* sendfile(2) from a connection, whose bytes the kernel must not move. */
static ssize_t send_from_connection(int fd, int file, bool has_offset, size_t count)
{
    if (splice_is_pipe(fd) && !has_offset)
        return count > 0 ? splice_into_pipe(file, fd, count, 0) : 0;
    errno = has_offset ? ESPIPE : EINVAL;
    return -1;
}

PFSWRAP_EXPORT ssize_t sendfile64(int fd, int file, off64_t *offset, size_t count)
{
    if (__builtin_expect(fd_refuses_unseen(file), false))
        return send_from_connection(fd, file, offset != NULL, count);
    REAL_OR_KNOWN(fd, WIDE_SENDFILE(fd, file, offset, count), sendfile_known(fd, file, offset, count, CALLER));
}

#if defined(__i386__)

/* An offset of 32 bits. The kernel makes one of 64 bits of it, and returns EOVERFLOW beyond 2 GiB. */
KNOWN_CALL ssize_t sendfile_narrow(int fd, int file, off_t *offset, size_t count, const void *caller)
{
    off64_t wide = offset != NULL ? *offset : 0;
    const ssize_t sent = sendfile_known(fd, file, offset != NULL ? &wide : NULL, count, caller);
    if (offset != NULL)
        *offset = (off_t)wide;
    return sent;
}

PFSWRAP_EXPORT ssize_t sendfile(int fd, int file, off_t *offset, size_t count)
{
    if (__builtin_expect(fd_refuses_unseen(file), false))
        return send_from_connection(fd, file, offset != NULL, count);
    REAL_OR_KNOWN(fd, sendfile(fd, file, offset, count), sendfile_narrow(fd, file, offset, count, CALLER));
}

#else

PFSWRAP_EXPORT ssize_t sendfile(int fd, int file, off_t *offset, size_t count)
{
    return sendfile64(fd, file, (off64_t *)offset, count);
}

#endif

PFSWRAP_EXPORT ssize_t copy_file_range(int fd, off64_t *offset, int other, off64_t *other_offset, size_t count,
                                       unsigned flags)
{
    if (!fd_refuses_unseen(fd) && !fd_refuses_unseen(other))
        return real_libc()->copy_file_range(fd, offset, other, other_offset, count, flags);
    errno = EINVAL;
    return -1;
}
