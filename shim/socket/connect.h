/*
 * Parts of connect(2) for other calls that connect a socket: sendto(2), sendmsg(2) and sendmmsg(2) with
 * MSG_FASTOPEN.
 */
#ifndef PFSWRAP_SOCKET_CONNECT_H
#define PFSWRAP_SOCKET_CONNECT_H

#include <sys/socket.h>

/*
 * To be called before a call that connects and sends at once. If a plane makes the connection, it does so here,
 * without data, and MSG_FASTOPEN is removed from *flags: the kernel must not connect the descriptor, whatever it is
 * by then. Returns 0, or -1 with errno of connect(2).
 */
int connect_before_fast(int fd, const struct sockaddr *address, socklen_t length, int *flags);

#endif
