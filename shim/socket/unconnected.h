/*
 * Notes about TCP sockets that are not connected yet: their duplicates, and stdio streams on them. When the socket
 * is connected, all its numbers get the plane of the connection. For the calls that duplicate and connect sockets.
 */
#ifndef PFSWRAP_SOCKET_UNCONNECTED_H
#define PFSWRAP_SOCKET_UNCONNECTED_H

#include <stdbool.h>
#include <stdint.h>

/*
 * `fd` is being duplicated. Notes its id, and returns it, to be noted for the duplicate, too; 0: there is nothing
 * to note. Keeps errno.
 */
uint32_t unconnected_copied(int fd);

/* Notes that stdio will have a stream on `fd`. Keeps errno. */
void unconnected_streamed(int fd);

/*
 * Returns the other numbers of the socket behind the foreign number `fd`, one in each call, and then -1. *next must
 * be 0 in the first call, and unchanged between the calls.
 */
int unconnected_next(int fd, int *next);

/* Whether stdio has a stream on the socket behind `fd`. */
bool unconnected_has_stream(int fd);

#endif
