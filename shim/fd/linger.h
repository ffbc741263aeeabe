/*
 * Descriptors whose close, or a thread after it, waits until the peer's kernel has acknowledged what was sent. If a
 * socket has unread bytes when it is closed, the kernel resets the connection, and what is still in the send queue
 * is lost. The TLS modules mark such sockets; the interposed calls that close descriptors wait for them.
 */
#ifndef PFSWRAP_FD_LINGER_H
#define PFSWRAP_FD_LINGER_H

#include "base/fork.h"

/*
 * From now on, closing `fd` in this process waits at most LINGER_MS milliseconds for its send queue to become
 * empty. If the descriptor is non-blocking, the close does not wait, and a hidden duplicate keeps the socket for
 * that time. Ignored for a sealed number, whose close waits anyway, and for a number above the table of
 * descriptors.
 */
void linger_mark(int fd);

enum { LINGER_MS = 5000 };

/*
 * To be called before `fd`, or each descriptor in [first, last], is closed or replaced. Waits if it is marked; a
 * range waits LINGER_MS in total. The mark is gone afterwards. Keeps errno.
 */
void linger_before_close(int fd);
void linger_before_close_range(unsigned first, unsigned last);

/* For shim/order.c. A mark belongs to the process that made it: a child that closes its copy does not wait. */
extern const struct process_observer linger_process_observer;

#endif
