/*
 * Page sizes. The kernel rounds the length of a mapping up to whole pages, whatever their size is; only addresses
 * and offsets in files must be multiples of it. Variables whose pages mprotect(2) changes are aligned to the
 * largest page size of the machine, and fill whole pages of that size.
 */
#ifndef PFSWRAP_BASE_PAGE_H
#define PFSWRAP_BASE_PAGE_H

enum {
    PAGE_SMALLEST = 4096, /* a stride that misses no page; the length of a mapping of one page */
#if defined(__x86_64__) || defined(__i386__)
    PAGE_LARGEST = 4096,
#else
    PAGE_LARGEST = 65536, /* 64-bit ARM has pages of 4, 16 or 64 KiB */
#endif
};

#define PAGE_ROUND_UP(bytes) (((bytes) + PAGE_LARGEST - 1) / PAGE_LARGEST * PAGE_LARGEST)

#endif
