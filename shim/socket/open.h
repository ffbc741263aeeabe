/*
 * How a connection becomes a sealed one: by connect and accept, if a rule of the policy says so.
 */
#ifndef PFSWRAP_SOCKET_OPEN_H
#define PFSWRAP_SOCKET_OPEN_H

#include <stdbool.h>
#include <sys/socket.h>

/*
 * Before a call that connects and sends in one (MSG_FASTOPEN): a connection that is to be sealed is connected here,
 * without data. OPEN_FAST_DONE: the caller sends without the flag, whatever the descriptor is by then; the kernel
 * must not connect it to that address. OPEN_FAST_FAILED: errno of connect(2).
 */
enum open_fast { OPEN_FAST_FOREIGN, OPEN_FAST_DONE, OPEN_FAST_FAILED };
enum open_fast open_before_fast(int fd, const struct sockaddr *address, socklen_t length);

/*
 * A connection that nothing seals is looked at from here on, whatever numbers the program has for it. Returns -1
 * with ECONNRESET for one that is cut, since stdio moves its bytes.
 */
int open_inspected(int fd, const struct sockaddr *address, socklen_t length);

/* Whether `fd` is a TCP (or multipath TCP) socket; true where the kernel does not say. */
bool open_is_tcp(int fd);

#endif
