/*
 * Pointers that no program has: into the first page, which NULL and members of a structure at NULL are in, and into
 * the kernel's half, which the kernel refuses before it does anything else. The rest of the bad ones cannot be told
 * without asking the kernel each time.
 */
#ifndef PFSWRAP_BASE_ADDRESS_CHECK_H
#define PFSWRAP_BASE_ADDRESS_CHECK_H

#include <stdbool.h>
#include <stdint.h>

static inline bool address_is_kernels(const void *pointer)
{
    return (intptr_t)pointer < 0;
}

static inline bool address_is_bad(const void *pointer)
{
    return (uintptr_t)pointer < 4096 || address_is_kernels(pointer);
}

#endif
