/*
 * Three functions of libc that libsodium calls. The linker finds these first. A filter may end the process for
 * mlock(2) or munlock(2), by which libsodium locks the memory of keys (base/probe.h). It ignores that memory cannot
 * be locked, as under RLIMIT_MEMLOCK: then keys may get into the swap area. For getrandom(2) it would wait forever
 * if a filter answers EINTR or EAGAIN each time.
 */
#include <errno.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "base/filter.h"
#include "base/random.h"
#include "base/raw_syscall.h"

static int call_if_allowed(long number, const void *address, size_t size)
{
    const long result = filter_allows(number) ? raw_syscall(number, address, size) : -ENOSYS;
    if (result == 0)
        return 0;
    errno = (int)-result;
    return -1;
}

int mlock(const void *address, size_t size)
{
    return call_if_allowed(SYS_mlock, address, size);
}

int munlock(const void *address, size_t size)
{
    return call_if_allowed(SYS_munlock, address, size);
}

ssize_t getrandom(void *bytes, size_t size, unsigned flags)
{
    const long count = random_read(bytes, size, flags);
    if (count >= 0)
        return count;
    errno = (int)-count;
    return -1;
}
