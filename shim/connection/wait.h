/*
 * Waiting for a socket as the program's own call would wait: the same signals interrupt it, SO_RCVTIMEO and
 * SO_SNDTIMEO end it, and it is a cancellation point. Never call this with a connection's lock.
 */
#ifndef PFSWRAP_CONNECTION_WAIT_H
#define PFSWRAP_CONNECTION_WAIT_H

#include <stdint.h>

/*
 * Waits until `fd` is ready for `events` (poll(2)), or until clock_ms() is `until_ms`. `timeout_option`:
 * SO_RCVTIMEO or SO_SNDTIMEO, which counts from `began_ms`. Returns 0; -EINTR; or -EAGAIN: the program's timeout
 * has expired.
 */
int wait_for(int fd, short events, uint64_t until_ms, int timeout_option, uint64_t began_ms);

/*
 * The same for a caller that has called signals_pin() (base/signals.h). While it waits, signals come as before
 * that, and the thread can be cancelled.
 */
int wait_pinned(int fd, short events, uint64_t until_ms, int timeout_option, uint64_t began_ms);

/* Waits until there is something to receive. A signal restarts it exactly as it restarts recv(2). Returns as above.
 */
int wait_readable(int fd);

/* The same for a call that has waited before. SO_RCVTIMEO counts from `began_ms`. */
int wait_readable_again(int fd, uint64_t began_ms);

#endif
