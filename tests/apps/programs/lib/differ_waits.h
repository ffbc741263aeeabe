/*
 * Stories of calls that wait, and are interrupted, time out, are cancelled or shut down. Each makes its own
 * connections. A part of sock_differ.
 */
#ifndef PFSWRAP_TESTS_DIFFER_WAITS_H
#define PFSWRAP_TESTS_DIFFER_WAITS_H

/*
 * A receive that waits is interrupted. It goes on, fails with EINTR, or the handler jumps out of it; then the bytes
 * are received.
 */
void story_interrupt(void);

/* Timeouts of the socket, and of poll, while nothing arrives. */
void story_time_out(void);

/* A thread that waits is cancelled, and the connection goes on. */
void story_cancel(void);

/* A thread waits in accept(), recv() or poll() on a socket that another thread shuts down. */
void story_shut_under_waiter(void);

#endif
