/*
 * Closed connections whose peer has not proved its identity. Such a peer may be a sealed client that was slow,
 * which gets an orderly end if its handshake is completed after close(2). But it may also be a stranger that sends
 * nothing. So hidden descriptors keep only as many of these connections as leave the program enough numbers: at
 * most a quarter of those that were free, and never more than UNPROVED_MAX. The oldest ones are dropped. The audit
 * log gets one line in a second, with the count.
 */
#ifndef PFSWRAP_CONNECTION_UNPROVED_H
#define PFSWRAP_CONNECTION_UNPROVED_H

#include <limits.h>

#include "connection/endpoint.h"

enum {
    UNPROVED_MIN = 4, /* also where no number is free: the last clients that a full server turned away */
    UNPROVED_MAX = 128,
};

/* From this number on, a new descriptor means that too many of them are kept; INT_MAX: there are few. */
extern atomic_int unproved_threshold;

/* A hidden duplicate keeps this connection from now on. Locked; unproved_make_room() follows without the lock. */
void unproved_add(const struct endpoint *endpoint);

/* The connection has ended. Does nothing if it is not one of them. Locked. */
void unproved_remove(const struct endpoint *endpoint);

/*
 * The kernel gives out the lowest free number, and `fd` is one that it has given out. So about `fd` descriptors are
 * open. Drops the oldest of these connections until few enough are left. unproved_check() makes no system call, and
 * costs one load if nothing has to be dropped. Keeps errno.
 */
void unproved_make_room(int fd);
static inline void unproved_check(int fd)
{
    if (__builtin_expect(fd >= atomic_load_explicit(&unproved_threshold, memory_order_relaxed), false))
        unproved_make_room(fd);
}

/* No number is free: drops the oldest one. Returns whether there was one. Keeps errno. */
bool unproved_drop(void);

/* A connection could not be kept at all, since no number is free. Locked. */
void unproved_report(const struct connection *connection);

/* Reports what was dropped since the last line of the log. */
void unproved_report_rest(void);

/* In a child of a fork, which has closed its copies. */
void unproved_forget(void);

#endif
