/*
 * The monotonic clock (clock_gettime(2), CLOCK_MONOTONIC), through the vDSO where there is one.
 */
#ifndef PFSWRAP_BASE_CLOCK_H
#define PFSWRAP_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Milliseconds since an arbitrary start. */
static inline uint64_t clock_ms(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* The same with the precision of the kernel's timer interrupt, 1 to 10 ms, for a third of the time. */
static inline uint64_t clock_coarse_ms(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

#endif
