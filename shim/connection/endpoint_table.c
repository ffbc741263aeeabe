/*
 * Which descriptor is which endpoint's, hidden, or closing: one word each, read without a lock by every call.
 */
#include "connection/endpoint_table.h"

#include "real/kernel.h"

_Atomic uint32_t endpoint_table[ENDPOINT_FDS];
atomic_int endpoint_reserved;

static atomic_int highest; /* no descriptor in the table has ever had a higher number */

void endpoint_table_put(int fd, uint32_t value)
{
    int before = atomic_load_explicit(&highest, memory_order_relaxed);
    while (fd > before && !atomic_compare_exchange_weak(&highest, &before, fd))
        continue;
    atomic_store_explicit(&endpoint_table[fd], value, memory_order_release);
}

int endpoint_next(unsigned first)
{
    for (unsigned fd = first; fd <= (unsigned)atomic_load(&highest) && fd < ENDPOINT_FDS; fd++)
        if (atomic_load(&endpoint_table[fd]) != 0)
            return (int)fd;
    return -1;
}

int endpoint_number(const struct endpoint *endpoint, int from)
{
    for (int fd = from; fd <= atomic_load(&highest); fd++)
        if (endpoint_of(fd) == endpoint)
            return fd;
    return -1;
}

void endpoint_vacate(int fd)
{
    uint32_t closing = ENDPOINT_CLOSING;
    if ((unsigned)fd < ENDPOINT_FDS)
        (void)atomic_compare_exchange_strong(&endpoint_table[fd], &closing, 0);
}

void endpoint_vacate_range(unsigned first, unsigned last)
{
    for (int fd = endpoint_next(first); fd >= 0 && (unsigned)fd <= last; fd = endpoint_next((unsigned)fd + 1))
        endpoint_vacate(fd);
}

bool endpoint_cloexec(int fd)
{
    return (atomic_load(&endpoint_table[fd]) & ENDPOINT_CLOEXEC) != 0;
}

void endpoint_set_cloexec(int fd, bool cloexec)
{
    if (cloexec)
        atomic_fetch_or(&endpoint_table[fd], ENDPOINT_CLOEXEC);
    else
        atomic_fetch_and(&endpoint_table[fd], ~(uint32_t)ENDPOINT_CLOEXEC);
}

void endpoint_set_cloexec_range(unsigned first, unsigned last)
{
    for (int fd = endpoint_next(first); fd >= 0 && (unsigned)fd <= last; fd = endpoint_next((unsigned)fd + 1))
        endpoint_set_cloexec(fd, true);
}

int endpoint_lowest_hidden(unsigned first, unsigned last)
{
    if (atomic_load(&endpoint_count) == 0 && atomic_load(&endpoint_reserved) == 0)
        return -1;
    for (int fd = endpoint_next(first); fd >= 0 && (unsigned)fd <= last; fd = endpoint_next((unsigned)fd + 1))
        if (endpoint_is_hidden(fd))
            return fd;
    return -1;
}

void endpoint_reserve(int fd)
{
    atomic_fetch_add(&endpoint_reserved, 1);
    endpoint_table_put(fd, ENDPOINT_HIDDEN);
}

void endpoint_unreserve(int fd, bool close)
{
    atomic_fetch_sub(&endpoint_reserved, 1);
    endpoint_table_put(fd, ENDPOINT_CLOSING);
    if (close)
        (void)KERNEL_1(SYS_close, fd);
    endpoint_vacate(fd);
}

void endpoint_unhide(int fd)
{
    endpoint_table_put(fd, ENDPOINT_CLOSING);
}
