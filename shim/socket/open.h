/*
 * How a connection becomes a sealed one: by connect and accept, if a rule of the policy says so.
 */
#ifndef PFSWRAP_SOCKET_OPEN_H
#define PFSWRAP_SOCKET_OPEN_H

#include <stdbool.h>
#include <sys/socket.h>

/*
 * Before a call that connects and sends in one (MSG_FASTOPEN): a connection that is to be sealed is connected here,
 * without data. Returns 0, also for one that is not; or -1 with errno of connect(2).
 */
int open_before_fast(int fd, const struct sockaddr *address, socklen_t length);

/*
 * A connection that nothing seals is looked at from here on, whatever numbers the program has for it. Returns -1
 * with ECONNRESET for one that is cut, since stdio moves its bytes.
 */
int open_watched(int fd, const struct sockaddr *address, socklen_t length);

/* Whether `fd` is a TCP (or multipath TCP) socket. */
bool open_is_tcp(int fd);

#endif
