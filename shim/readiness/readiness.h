/*
 * How a sealed descriptor takes part in poll, select and epoll. Until its handshake is complete it is not readable,
 * and writable only where what is sent would be kept; waiting for it drives the handshake. Afterwards the kernel's
 * own events are the right ones, but for two: while only a part of a frame has come it is not readable yet, and
 * while the rest of one still has to go out it is not writable. A program may take its word and not be ready for
 * EAGAIN, or be blocking. For epoll see registration.h.
 */
#ifndef PFSWRAP_READINESS_READINESS_H
#define PFSWRAP_READINESS_READINESS_H

#include <stdbool.h>
#include <stdint.h>

#include "connection/endpoint.h"

/* Whether anything in this process has to be looked at when it waits; else the real call is right as it is. */
static inline bool readiness_matters(void)
{
    return __builtin_expect(atomic_load_explicit(&endpoint_filtered, memory_order_relaxed) != 0, false);
}

/* Whether `fd` has: it is sealed, and in its handshake or open; or its number is not the program's. */
bool readiness_concerns(int fd);

/*
 * Before waiting for `fd`, which readiness_concerns(): which events to ask the kernel for, where the program asks
 * for `events` (poll(2)'s). A handshake is taken as far as it goes first; *held_back becomes true if it is not
 * complete.
 */
short readiness_ask(int fd, short events, bool *held_back);

/*
 * After waiting: what the program is told, where the kernel said `revents` to what readiness_ask() asked and the
 * program asked for `events`. 0: nothing, go on waiting (and ask anew: what to ask for may have changed).
 */
short readiness_answer(int fd, short events, short revents);

/*
 * Of poll(2)'s POLLIN, POLLOUT and their like, which are epoll(7)'s as well, those in `events` that the kernel says
 * of an open connection (locked) and that do not hold: a read would have to wait, or a send. Takes in and sends
 * what that needs.
 */
uint32_t readiness_spurious(struct connection *connection, int fd, uint32_t events);

/*
 * Handshakes have a time at which to give up, or to go on otherwise, even if nothing happens. readiness_schedule()
 * notes that of a connection (locked); readiness_due_ms() is the earliest, by clock_ms(), or UINT64_MAX;
 * readiness_sweep() does what is due. Whoever waits for descriptors comes back at that time and sweeps.
 */
void readiness_schedule(const struct connection *connection);
uint64_t readiness_due_ms(void);
void readiness_sweep(void);

/*
 * Both ends may be this process's, or this thread's: where few handshakes with peers on this host are under way,
 * they are taken as far as they go before a wait, so that both ends become ready together.
 */
void readiness_drive(void);
void readiness_note(const struct endpoint *endpoint);

#endif
