/*
 * Parts of connect(2) for other calls that connect a socket: sendto(2), sendmsg(2) and sendmmsg(2) with
 * MSG_FASTOPEN.
 */
#ifndef PFSWRAP_SOCKET_CONNECT_H
#define PFSWRAP_SOCKET_CONNECT_H

#include <sys/socket.h>

/*
 * To be called before a call that connects and sends at once. A connection that must be sealed is connected here,
 * without data. CONNECT_FAST_DONE: the caller must send without MSG_FASTOPEN, whatever the descriptor is by then,
 * since the kernel must not connect it. CONNECT_FAST_FAILED: with errno of connect(2).
 */
enum connect_fast { CONNECT_FAST_FOREIGN, CONNECT_FAST_DONE, CONNECT_FAST_FAILED };
enum connect_fast connect_before_fast(int fd, const struct sockaddr *address, socklen_t length);

/*
 * `fd` is or will be connected to `address`, and no rule seals it: all its numbers are inspected from now on.
 * Returns 0; or -1 with ECONNRESET: it was cut, since a stdio stream would send plaintext on it.
 */
int connect_inspected(int fd, const struct sockaddr *address, socklen_t length);

#endif
