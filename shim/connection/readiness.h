/*
 * How a sealed descriptor takes part in poll, select and epoll. Until its handshake is complete it is neither
 * readable nor writable, and waiting for it drives the handshake; a blocking one for which only a part of a frame
 * has come is not readable yet. The kernel's own events are otherwise the right ones.
 */
#ifndef PFSWRAP_CONNECTION_READINESS_H
#define PFSWRAP_CONNECTION_READINESS_H

#include <stdbool.h>
#include <stdint.h>

#include "connection/endpoint.h"

/* Whether anything in this process has to be looked at when it waits; else the real call is right as it is. */
static inline bool readiness_matters(void)
{
    return __builtin_expect(atomic_load_explicit(&endpoint_attention, memory_order_relaxed) != 0, false);
}

/*
 * Before waiting: which events to ask the kernel for, where the program asks for `events` (poll(2)'s). A handshake
 * is taken as far as it goes first. *until_ms is lowered to when (CLOCK_MONOTONIC, milliseconds) to come back even
 * if nothing happens. A descriptor that is not sealed keeps its events.
 */
short readiness_ask(int fd, short events, uint64_t *until_ms);

/*
 * After waiting: what the program is told, where the kernel said `revents` to what readiness_ask() asked and the
 * program asked for `events`. 0: nothing, go on waiting (and ask anew: what to ask for may have changed).
 */
short readiness_answer(int fd, short events, short revents);

#endif
