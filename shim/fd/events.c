/*
 * The times at which something is due without an event, and the planes' events before a wait. Makes no system call
 * of its own.
 */
#include "fd/events.h"

#include "base/clock.h"

enum { SWEEP_MIN_MS = 10 }; /* the shortest time between two sweeps */

_Atomic uint64_t events_epochs;
_Atomic uint64_t events_next_due_ms = UINT64_MAX;

void events_schedule(uint64_t due_ms)
{
    uint64_t before = atomic_load(&events_next_due_ms); /* in order with the filter, which a sweep reads */
    while (due_ms < before && !atomic_compare_exchange_weak(&events_next_due_ms, &before, due_ms))
        continue;
}

static void sweep(uint64_t due)
{
    /* While this sweep runs, other threads that wait come back soon. */
    const uint64_t now = clock_ms();
    uint64_t soon = now + SWEEP_MIN_MS, next = UINT64_MAX;
    if (now < due || !atomic_compare_exchange_strong(&events_next_due_ms, &due, soon))
        return;
    PLANES_EACH(plane, sweep)
    {
        const uint64_t plane_due = plane->sweep(now);
        next = plane_due < next ? plane_due : next;
    }
    if (next > soon)
        (void)atomic_compare_exchange_strong(&events_next_due_ms, &soon, next);
}

void events_before_wait(void)
{
    const uint64_t due = events_due_ms();
    if (due != UINT64_MAX)
        sweep(due);
    PLANES_EACH(plane, before_wait)
    plane->before_wait();
}
