/*
 * Whether memory can be read. A pointer of the program's may be invalid, and the shim must not crash where the
 * kernel would return EFAULT.
 */
#ifndef PFSWRAP_BASE_READABLE_H
#define PFSWRAP_BASE_READABLE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address_check.h"
#include "base/filter.h"
#include "base/page.h"
#include "base/raw_syscall.h"

/*
 * Whether the kernel can read the eight bytes at the address. rt_sigprocmask(2) reads them before it refuses its
 * first argument. It is one of the calls that every program with threads makes.
 */
static inline bool readable_word(uintptr_t address)
{
    enum { NO_SUCH_CHANGE = -1, SIGNAL_SET_BYTES = 8 };
    return raw_syscall(SYS_rt_sigprocmask, NO_SUCH_CHANGE, address, NULL, SIGNAL_SET_BYTES) != -EFAULT;
}

/*
 * Whether `size` bytes can be read, as far as it can be found out: a filter may not allow the question. Asks once
 * for each page.
 */
static inline bool readable(const void *pointer, size_t size)
{
    enum { WORD = 8 };
    const uintptr_t begin = (uintptr_t)pointer, last = begin + (size > 0 ? size - 1 : 0);
    if (address_is_bad(pointer) || last < begin || address_is_kernels((const void *)last))
        return false;
    if (!filter_allows(SYS_rt_sigprocmask))
        return true;
    for (uintptr_t at = begin; at / PAGE_SMALLEST < last / PAGE_SMALLEST; at += PAGE_SMALLEST)
        if (!readable_word(at & ~(uintptr_t)(WORD - 1)))
            return false;
    return readable_word(last & ~(uintptr_t)(WORD - 1));
}

#endif
