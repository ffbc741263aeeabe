/*
 * Whether this process may still use a connection's keys. After a fork two processes hold the same keys and the
 * same count of what was sealed with them, and a key stream used twice protects nothing. A count in memory that the
 * two share tells: the first one to use the connection moves it on, and the other one's no longer fits. However the
 * process was copied (fork, raw clone), nothing has to notice it.
 */
#ifndef PFSWRAP_TLS_FORK_GUARD_H
#define PFSWRAP_TLS_FORK_GUARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct fork_guard {
    _Atomic uint64_t *shared; /* a page of its own: a child cannot reach the connections its parent makes later */
    uint64_t mine;
    bool
        entered; /* a call is under way, or never came back, or was under way in a thread when this copy was made */
};

/* Returns false: no memory. */
bool fork_guard_make(struct fork_guard *guard);
void fork_guard_free(struct fork_guard *guard);

/* In front of and behind each use. enter returns false if the keys must not be used, now or ever. */
bool fork_guard_enter(struct fork_guard *guard);
void fork_guard_leave(struct fork_guard *guard);

#endif
