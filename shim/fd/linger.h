/*
 * Descriptors whose close waits until the peer's kernel has acknowledged what was sent. If a socket has unread
 * bytes when it is closed, the kernel resets the connection, and what is still in the send queue is lost.
 */
#ifndef PFSWRAP_FD_LINGER_H
#define PFSWRAP_FD_LINGER_H

/*
 * From now on, closing `fd` in this process waits at most LINGER_MS milliseconds for its send queue to become
 * empty. Numbers of 65,536 and above are ignored.
 */
void linger_mark(int fd);

enum { LINGER_MS = 5000 };

/*
 * To be called before `fd`, or each descriptor from `first` to `last`, is closed or replaced. A range waits
 * LINGER_MS in total. Keeps errno.
 */
void linger_before_close(int fd);
void linger_before_close_range(unsigned first, unsigned last);

#endif
