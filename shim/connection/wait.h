/*
 * Waiting for a socket as the program's own call would have: interrupted by the signals that interrupt it, ended by
 * SO_RCVTIMEO and SO_SNDTIMEO, and a cancellation point. Never under a lock.
 */
#ifndef PFSWRAP_CONNECTION_WAIT_H
#define PFSWRAP_CONNECTION_WAIT_H

#include <stdint.h>

/*
 * Until `fd` is ready for `events` (poll(2)) or the clock of clock_ms() says `until_ms`. `timeout_option`:
 * SO_RCVTIMEO or SO_SNDTIMEO, which counts from `began_ms`. Returns 0, or EINTR, or EAGAIN: the program's timeout.
 */
int wait_for(int fd, short events, uint64_t until_ms, int timeout_option, uint64_t began_ms);

/* Until there is something to receive. Restarted after signals exactly as recv(2), since it is one. Returns as
 * above. */
int wait_readable(int fd);

/* The same for a call that has waited before, since `began_ms`: SO_RCVTIMEO counts from there. */
int wait_readable_again(int fd, uint64_t began_ms);

#endif
