/*
 * A system call filter may forbid getrandom(2), or answer EINTR each time.
 */
#include "base/random.h"

#include <errno.h>
#include <fcntl.h>

#include "base/raw_syscall.h"

static long read_device(void *bytes, size_t size)
{
    const long fd = raw_syscall(SYS_openat, AT_FDCWD, "/dev/urandom", O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return fd;
    const long count = raw_syscall(SYS_read, fd, bytes, size);
    (void)raw_syscall(SYS_close, fd);
    return count;
}

long random_read(void *bytes, size_t size, unsigned flags)
{
    long count;
    int interrupted = 0;
    do
        count = raw_syscall(SYS_getrandom, bytes, size, flags);
    while (raw_is_interrupted(count, &interrupted));
    /* The caller's own mistakes stay errors. */
    return count >= 0 || count == -EINVAL || count == -EFAULT ? count : read_device(bytes, size);
}
