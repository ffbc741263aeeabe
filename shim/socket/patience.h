/*
 * How long a call that waits for descriptors may still wait: what the program allows, and in pieces no longer than
 * handshakes under way can do without being looked at. Reads the clock, nothing else.
 */
#ifndef PFSWRAP_SOCKET_PATIENCE_H
#define PFSWRAP_SOCKET_PATIENCE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "connection/readiness.h"

enum {
    PATIENCE_SECOND = 1000000000, /* in nanoseconds, like everything here */
    PATIENCE_MILLISECOND = 1000000,
    PATIENCE_MICROSECOND = 1000,
    /* Between two looks at descriptors whose handshake another thread or process may complete meanwhile. */
    PATIENCE_SLICE = 100 * PATIENCE_MILLISECOND,
};
#define PATIENCE_ENDLESS UINT64_MAX

struct patience {
    uint64_t end; /* CLOCK_MONOTONIC; 0: has been at an end from the beginning; or PATIENCE_ENDLESS */
};

static inline uint64_t patience_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * PATIENCE_SECOND + (uint64_t)now.tv_nsec;
}

static inline struct patience patience_of(uint64_t allowed)
{
    struct patience patience = {allowed};
    if (allowed != 0 && allowed != PATIENCE_ENDLESS) {
        const uint64_t now = patience_now();
        patience.end = allowed < PATIENCE_ENDLESS - now ? now + allowed : PATIENCE_ENDLESS;
    }
    return patience;
}

/* For poll's and epoll_wait's timeouts; negative: endless. */
static inline uint64_t patience_from_ms(int ms)
{
    return ms < 0 ? PATIENCE_ENDLESS : (uint64_t)ms * PATIENCE_MILLISECOND;
}

/* For ppoll's, pselect's and epoll_pwait2's; NULL: endless. An invalid one is the real call's to refuse. */
static inline bool patience_is_valid(const struct timespec *time)
{
    return time == NULL || (time->tv_sec >= 0 && time->tv_nsec >= 0 && time->tv_nsec < PATIENCE_SECOND);
}

static inline uint64_t patience_from(const struct timespec *time)
{
    if (time == NULL || (uint64_t)time->tv_sec >= PATIENCE_ENDLESS / PATIENCE_SECOND)
        return PATIENCE_ENDLESS;
    return (uint64_t)time->tv_sec * PATIENCE_SECOND + (uint64_t)time->tv_nsec;
}

static inline uint64_t patience_left(const struct patience *patience)
{
    if (patience->end == 0 || patience->end == PATIENCE_ENDLESS)
        return patience->end;
    const uint64_t now = patience_now();
    return now < patience->end ? patience->end - now : 0;
}

/* How long to wait at once; `held_back`: for descriptors in their handshake, too. May be PATIENCE_ENDLESS. */
static inline uint64_t patience_piece(const struct patience *patience, bool held_back)
{
    uint64_t piece = patience_left(patience);
    const uint64_t due_ms = readiness_due_ms();
    if (held_back && piece > PATIENCE_SLICE)
        piece = PATIENCE_SLICE;
    if (piece != 0 && due_ms != UINT64_MAX) {
        const uint64_t now = patience_now(), due = due_ms * PATIENCE_MILLISECOND;
        const uint64_t until = due > now ? due - now : 0;
        piece = until < piece ? until : piece;
    }
    return piece;
}

/* As a timeout of poll and epoll_wait: rounded up, so that it never wakes early and spins. */
static inline int patience_to_ms(uint64_t time)
{
    if (time == PATIENCE_ENDLESS)
        return -1;
    const uint64_t ms = (time + PATIENCE_MILLISECOND - 1) / PATIENCE_MILLISECOND;
    return ms < INT_MAX ? (int)ms : INT_MAX;
}

/* As one of ppoll, pselect and epoll_pwait2. Returns NULL for an endless one. */
static inline const struct timespec *patience_to(uint64_t time, struct timespec *room)
{
    *room = (struct timespec){(time_t)(time / PATIENCE_SECOND), (long)(time % PATIENCE_SECOND)};
    return time == PATIENCE_ENDLESS ? NULL : room;
}

#endif
