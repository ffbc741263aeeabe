/*
 * What a program does with a TCP socket before it connects it: other numbers for it, and streams of stdio's. They
 * are the connection's as soon as there is one.
 */
#ifndef PFSWRAP_SOCKET_UNCONNECTED_H
#define PFSWRAP_SOCKET_UNCONNECTED_H

#include <stdbool.h>
#include <stdint.h>

/*
 * `fd`, which is neither sealed nor inspected, has got another number. Returns the id under which that is to be
 * noted, too; 0: it need not be. Or fdopen(3) is about to make a stream of it. Keep errno.
 */
uint32_t unconnected_copied(int fd);
void unconnected_streamed(int fd);

/*
 * The next other number of the socket behind `fd`, which is foreign, or -1. *place: 0 at first, and then as the
 * last call has left it.
 */
int unconnected_next(int fd, int *place);

/* Whether there is a stream of the socket behind `fd`. */
bool unconnected_has_stream(int fd);

#endif
