/*
 * The loop of the calls that wait for descriptors: poll(2), select(2), epoll_wait(2). The kernel's answer may
 * consist of spurious events, or the wait may end for a handshake and not for the program. Then the call waits
 * again. The loop is inline, so that the three steps of a call are ordinary calls and no pointers are followed.
 */
#ifndef PFSWRAP_SOCKET_WAIT_LOOP_H
#define PFSWRAP_SOCKET_WAIT_LOOP_H

#include <errno.h>

#include "fd/events.h"
#include "socket/timeout.h"

/* The steps of one kind of call. `call` is what the caller of wait_loop() passed. */
struct wait_steps {
    /* Fills in what the kernel is asked. Sets *held_back as events_ask() does. Returns false with errno to fail.
     */
    bool (*ask)(void *call, bool *held_back);
    /* The real call, with `slice` as its timeout (timeout.h). Returns what the call returns. */
    int (*wait)(void *call, uint64_t slice);
    /* Removes spurious events from the `reported` ones. Returns how many are left. */
    int (*answer)(void *call, int reported);
};

/*
 * Waits until events are left after `answer`, the deadline passes, or the call fails. Returns the number of events;
 * 0: the deadline has passed; -1 with errno. Leaves errno as it was if it does not fail.
 */
__attribute__((always_inline)) static inline int wait_loop(const struct wait_steps *steps, void *call,
                                                           const struct deadline *deadline)
{
    const int saved = errno;
    for (bool last = false;;) {
        bool held_back = false;
        events_before_wait();
        if (!steps->ask(call, &held_back))
            return -1;
        const int reported = steps->wait(call, deadline_slice(deadline, held_back));
        if (reported < 0)
            return reported;
        const int ready = reported > 0 ? steps->answer(call, reported) : 0;
        const bool over = ready == 0 && deadline_left(deadline) == 0;
        if (ready > 0 || (over && (reported == 0 || last))) {
            errno = saved;
            return ready;
        }
        last = over; /* once more: a handshake that has continued may have made a descriptor ready */
    }
}

#endif
