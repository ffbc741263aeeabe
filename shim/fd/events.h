/*
 * What the calls that wait for descriptors ask the planes: poll(2), select(2), epoll_wait(2). Behind a number that
 * a plane has, the kernel's events need not be the program's: a handshake waits for other events, and a part of a
 * frame is no data. And something may be due without an event. Nothing here waits.
 */
#ifndef PFSWRAP_FD_EVENTS_H
#define PFSWRAP_FD_EVENTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "fd/plane.h"

/* Whether a plane filters events of any number. If not, the kernel's answer is right for all of them. */
static inline bool events_are_filtered(void)
{
    return __builtin_expect(atomic_load_explicit(&planes_filtering, memory_order_relaxed) != 0, false);
}

/* Whether `fd` needs the functions below: its plane filters its events, or the number is hidden. */
static inline bool events_concern(int fd)
{
    if (!fd_is_known(fd))
        return false;
    const struct fd_operations *operations = fd_operations_of(fd);
    return (operations != NULL && operations->poll_concerns != NULL && operations->poll_concerns(fd)) ||
           fd_is_hidden(fd);
}

/*
 * Before a wait for `fd`, and after it: `poll_ask` and `poll_answer` of its plane (fd/operations.h). Other threads
 * may change the number at any time; without a plane, the kernel's events are the program's.
 */
static inline short events_ask(int fd, short events, bool *held_back)
{
    const struct fd_operations *operations = fd_operations_if_known(fd);
    if (operations == NULL || operations->poll_ask == NULL)
        return events;
    return operations->poll_ask(fd, events, held_back);
}
static inline short events_answer(int fd, short events, short revents)
{
    const struct fd_operations *operations = fd_operations_if_known(fd);
    if (operations == NULL || operations->poll_answer == NULL)
        return revents;
    return operations->poll_answer(fd, events, revents);
}

/*
 * The program gets `count` events of the epoll instance `epoll`, which the kernel reported in this epoch. Each
 * plane removes those that are not the program's. Returns how many are left, at the beginning of the array.
 */
static inline int events_of_epoll(int epoll, struct epoll_event *events, int count, uint64_t epoch)
{
    PLANES_EACH(plane, epoll_reported)
    count = plane->epoll_reported(epoll, events, count, epoch);
    return count;
}

/*
 * A counter. A plane increases it when it gives the kernel other events for a number in epoll(7): an event that was
 * reported before may be out of date. events_next_epoch() returns the new value.
 */
extern _Atomic uint64_t events_epochs;
static inline uint64_t events_epoch(void)
{
    return atomic_load(&events_epochs);
}
static inline uint64_t events_next_epoch(void)
{
    return atomic_fetch_add(&events_epochs, 1) + 1;
}

/*
 * Something is due at this time (clock_ms()), even if no event comes: a handshake fails at its deadline. A call
 * that waits returns at the earliest such time, events_due_ms() (UINT64_MAX: there is none), and waits again.
 */
extern _Atomic uint64_t events_next_due_ms;
static inline uint64_t events_due_ms(void)
{
    return atomic_load(&events_next_due_ms);
}
void events_schedule(uint64_t due_ms);

/* Before each wait in a process whose events are filtered: `sweep`, if something is due, and `before_wait`. */
void events_before_wait(void);

#endif
