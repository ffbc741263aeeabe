/*
 * mlock(2) and munlock(2) for libsodium, which locks the memory of keys and calls libc by these names. The linker
 * finds these first. A filter may end the process for either call (base/probe.h). libsodium ignores that memory
 * cannot be locked, as under RLIMIT_MEMLOCK: then keys may get into the swap area.
 */
#include <errno.h>
#include <sys/mman.h>

#include "base/filter.h"
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
