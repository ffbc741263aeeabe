/*
 * Timeouts of calls that wait for descriptors. A call waits in slices: each ends when the program's timeout
 * expires, or when something is due without an event (events_due_ms()). All times are in nanoseconds,
 * except where a name says otherwise. Reads the clock, and does nothing else.
 */
#ifndef PFSWRAP_SOCKET_TIMEOUT_H
#define PFSWRAP_SOCKET_TIMEOUT_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "fd/events.h"

enum {
    NS_PER_SECOND = 1000000000,
    NS_PER_MS = 1000000,
    NS_PER_US = 1000,
    /* The longest slice during a handshake, which another thread or process may complete without an event here. */
    TIMEOUT_SLICE = 100 * NS_PER_MS,
};
#define TIMEOUT_NEVER UINT64_MAX

struct deadline {
    uint64_t end; /* CLOCK_MONOTONIC; 0: the call does not wait; or TIMEOUT_NEVER */
};

static inline uint64_t deadline_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

/* The deadline of a call that begins now. */
static inline struct deadline deadline_after(uint64_t timeout)
{
    struct deadline deadline = {timeout};
    if (timeout != 0 && timeout != TIMEOUT_NEVER) {
        const uint64_t now = deadline_now();
        deadline.end = timeout < TIMEOUT_NEVER - now ? now + timeout : TIMEOUT_NEVER;
    }
    return deadline;
}

/* From the timeout of poll(2) and epoll_wait(2) in milliseconds; negative: none. */
static inline uint64_t timeout_from_ms(int ms)
{
    return ms < 0 ? TIMEOUT_NEVER : (uint64_t)ms * NS_PER_MS;
}

/* Whether the timeout of ppoll(2), pselect(2) and epoll_pwait2(2) is valid. NULL: none. The kernel refuses others.
 */
static inline bool timeout_is_valid(const struct timespec *time)
{
    return time == NULL || (time->tv_sec >= 0 && time->tv_nsec >= 0 && time->tv_nsec < NS_PER_SECOND);
}

/* From such a timeout, which is valid. */
static inline uint64_t timeout_from(const struct timespec *time)
{
    if (time == NULL || (uint64_t)time->tv_sec >= TIMEOUT_NEVER / NS_PER_SECOND)
        return TIMEOUT_NEVER;
    return (uint64_t)time->tv_sec * NS_PER_SECOND + (uint64_t)time->tv_nsec;
}

/* The time until the deadline; 0: it has passed; or TIMEOUT_NEVER. */
static inline uint64_t deadline_left(const struct deadline *deadline)
{
    if (deadline->end == 0 || deadline->end == TIMEOUT_NEVER)
        return deadline->end;
    const uint64_t now = deadline_now();
    return now < deadline->end ? deadline->end - now : 0;
}

/* The length of the next slice, or TIMEOUT_NEVER. `held_back`: it also waits for handshakes (events_ask()). */
static inline uint64_t deadline_slice(const struct deadline *deadline, bool held_back)
{
    uint64_t slice = deadline_left(deadline);
    const uint64_t due_ms = events_due_ms();
    if (held_back && slice > TIMEOUT_SLICE)
        slice = TIMEOUT_SLICE;
    if (slice != 0 && due_ms != UINT64_MAX) {
        const uint64_t now = deadline_now(), due = due_ms * NS_PER_MS;
        const uint64_t until = due > now ? due - now : 0;
        slice = until < slice ? until : slice;
    }
    return slice;
}

/* To the timeout of poll(2) and epoll_wait(2): rounded up, so that the call does not return early and spin. */
static inline int timeout_to_ms(uint64_t time)
{
    if (time == TIMEOUT_NEVER)
        return -1;
    const uint64_t ms = (time + NS_PER_MS - 1) / NS_PER_MS;
    return ms < INT_MAX ? (int)ms : INT_MAX;
}

/* To the timeout of ppoll(2), pselect(2) and epoll_pwait2(2), in *storage. NULL for TIMEOUT_NEVER. */
static inline const struct timespec *timeout_to(uint64_t time, struct timespec *storage)
{
    *storage = (struct timespec){(time_t)(time / NS_PER_SECOND), (long)(time % NS_PER_SECOND)};
    return time == TIMEOUT_NEVER ? NULL : storage;
}

#endif
