/*
 * Invalid pointers that can be recognised without a system call: pointers into the first page (NULL, or a member of
 * a structure at NULL), and pointers into the kernel's half of the address space, which the kernel refuses before
 * it does anything else. On 64-bit ARM, bit 55 selects the half, and the byte above it may be a tag of the program
 * (Linux, Documentation/arch/arm64/tagged-pointers.rst). A 32-bit program under a 64-bit kernel has all but the
 * last page.
 */
#ifndef PFSWRAP_BASE_ADDRESS_CHECK_H
#define PFSWRAP_BASE_ADDRESS_CHECK_H

#include <stdbool.h>
#include <stdint.h>

static inline bool address_is_kernels(const void *pointer)
{
#if defined(__aarch64__)
    return ((uintptr_t)pointer >> 55 & 1) != 0;
#elif defined(__i386__)
    return (uintptr_t)pointer >= 0xfffff000;
#else
    return (intptr_t)pointer < 0;
#endif
}

/* Whether the pointer is certainly invalid. False does not mean that it is valid. */
static inline bool address_is_bad(const void *pointer)
{
    return (uintptr_t)pointer < 4096 || address_is_kernels(pointer);
}

#endif
