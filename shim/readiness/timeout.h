/*
 * How long a call that waits for descriptors may still wait: what the program allows, and in pieces no longer than
 * handshakes under way can do without being looked at. Reads the clock, nothing else.
 */
#ifndef PFSWRAP_READINESS_TIMEOUT_H
#define PFSWRAP_READINESS_TIMEOUT_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "readiness/readiness.h"

enum {
    NS_PER_SECOND = 1000000000, /* in nanoseconds, like everything here */
    NS_PER_MS = 1000000,
    NS_PER_US = 1000,
    /* Between two looks at descriptors whose handshake another thread or process may complete meanwhile. */
    TIMEOUT_SLICE = 100 * NS_PER_MS,
};
#define TIMEOUT_NEVER UINT64_MAX

struct deadline {
    uint64_t end; /* CLOCK_MONOTONIC; 0: has been at an end from the beginning; or TIMEOUT_NEVER */
};

static inline uint64_t deadline_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

static inline struct deadline deadline_after(uint64_t allowed)
{
    struct deadline deadline = {allowed};
    if (allowed != 0 && allowed != TIMEOUT_NEVER) {
        const uint64_t now = deadline_now();
        deadline.end = allowed < TIMEOUT_NEVER - now ? now + allowed : TIMEOUT_NEVER;
    }
    return deadline;
}

/* For poll's and epoll_wait's timeouts; negative: endless. */
static inline uint64_t timeout_from_ms(int ms)
{
    return ms < 0 ? TIMEOUT_NEVER : (uint64_t)ms * NS_PER_MS;
}

/* For ppoll's, pselect's and epoll_pwait2's; NULL: endless. An invalid one is the real call's to refuse. */
static inline bool timeout_is_valid(const struct timespec *time)
{
    return time == NULL || (time->tv_sec >= 0 && time->tv_nsec >= 0 && time->tv_nsec < NS_PER_SECOND);
}

static inline uint64_t timeout_from(const struct timespec *time)
{
    if (time == NULL || (uint64_t)time->tv_sec >= TIMEOUT_NEVER / NS_PER_SECOND)
        return TIMEOUT_NEVER;
    return (uint64_t)time->tv_sec * NS_PER_SECOND + (uint64_t)time->tv_nsec;
}

static inline uint64_t deadline_left(const struct deadline *deadline)
{
    if (deadline->end == 0 || deadline->end == TIMEOUT_NEVER)
        return deadline->end;
    const uint64_t now = deadline_now();
    return now < deadline->end ? deadline->end - now : 0;
}

/* How long to wait at once; `held_back`: for descriptors in their handshake, too. May be TIMEOUT_NEVER. */
static inline uint64_t deadline_slice(const struct deadline *deadline, bool held_back)
{
    uint64_t piece = deadline_left(deadline);
    const uint64_t due_ms = readiness_due_ms();
    if (held_back && piece > TIMEOUT_SLICE)
        piece = TIMEOUT_SLICE;
    if (piece != 0 && due_ms != UINT64_MAX) {
        const uint64_t now = deadline_now(), due = due_ms * NS_PER_MS;
        const uint64_t until = due > now ? due - now : 0;
        piece = until < piece ? until : piece;
    }
    return piece;
}

/* As a timeout of poll and epoll_wait: rounded up, so that it never wakes early and spins. */
static inline int timeout_to_ms(uint64_t time)
{
    if (time == TIMEOUT_NEVER)
        return -1;
    const uint64_t ms = (time + NS_PER_MS - 1) / NS_PER_MS;
    return ms < INT_MAX ? (int)ms : INT_MAX;
}

/* As one of ppoll, pselect and epoll_pwait2. Returns NULL for an endless one. */
static inline const struct timespec *timeout_to(uint64_t time, struct timespec *room)
{
    *room = (struct timespec){(time_t)(time / NS_PER_SECOND), (long)(time % NS_PER_SECOND)};
    return time == TIMEOUT_NEVER ? NULL : room;
}

#endif
