/*
 * Descriptors whose close has to wait until the peer's kernel has what was sent: a close with unread bytes in the
 * socket makes the kernel reset, and what is still in the send queue is lost. Calls ioctl(SIOCOUTQ) and waits;
 * knows nothing of what the bytes are.
 */
#ifndef PFSWRAP_SOCKET_LINGER_H
#define PFSWRAP_SOCKET_LINGER_H

/* A mark belongs to the process that made it: a child waits for no connection of its parent's. */
extern const struct process_observer linger_process_observer;

/* From now on closing `fd` in this process waits, at most LINGER_MS, until its send queue is empty. */
void linger_mark(int fd);

enum { LINGER_MS = 5000 };

/* To be called before `fd`, or each number in a range, is closed or replaced: a range waits LINGER_MS in all. Keeps
 * errno. */
void linger_before_close(int fd);
void linger_before_close_range(unsigned first, unsigned last);

#endif
