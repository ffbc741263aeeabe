/*
 * sendfile, splice, copy_file_range. A descriptor with operations (fd/operations.h) may send a file in its own way.
 * splice and copy_file_range move bytes within the kernel. If the bytes must pass an interposed call, these fail
 * with EINVAL, as for files that do not support them, and programs continue with read and write.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "base/interposed.h"
#include "socket/data_call.h"

KNOWN_CALL ssize_t sendfile_known(int fd, int file, off_t *offset, size_t count, const void *caller)
{
    const struct fd_operations *operations = fd_operations_of(fd);
    if (operations != NULL && operations->send_file != NULL) {
        const ssize_t sent = operations->send_file(fd, file, offset, count);
        if (sent != FD_FOREIGN)
            return sent;
        operations = fd_operations_of(fd);
    }
    const bool is_unseen = operations != NULL && operations->send_file == NULL && operations->before_unseen != NULL;
    if (is_unseen && operations->before_unseen(fd, caller) != 0)
        return -1;
    return real_libc()->sendfile(fd, file, offset, count);
}

PFSWRAP_EXPORT ssize_t sendfile(int fd, int file, off_t *offset, size_t count)
{
    REAL_OR_KNOWN(fd, sendfile(fd, file, offset, count), sendfile_known(fd, file, offset, count, CALLER));
}

PFSWRAP_EXPORT ssize_t sendfile64(int fd, int file, off64_t *offset, size_t count)
{
    return sendfile(fd, file, offset, count);
}

static bool is_refused(int fd, int other)
{
    if (!fd_refuses_unseen(fd) && !fd_refuses_unseen(other))
        return false;
    errno = EINVAL;
    return true;
}

PFSWRAP_EXPORT ssize_t splice(int fd, off64_t *offset, int other, off64_t *other_offset, size_t count,
                              unsigned flags)
{
    return is_refused(fd, other) ? -1 : real_libc()->splice(fd, offset, other, other_offset, count, flags);
}

PFSWRAP_EXPORT ssize_t copy_file_range(int fd, off64_t *offset, int other, off64_t *other_offset, size_t count,
                                       unsigned flags)
{
    return is_refused(fd, other) ? -1 : real_libc()->copy_file_range(fd, offset, other, other_offset, count, flags);
}
