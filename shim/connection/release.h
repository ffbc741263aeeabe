/*
 * The end of a connection as the program means it: shutdown and close. What was accepted is sent, FINAL and the
 * kernel's FIN follow, and the socket is held until the peer's kernel has it all.
 */
#ifndef PFSWRAP_CONNECTION_RELEASE_H
#define PFSWRAP_CONNECTION_RELEASE_H

#include "connection/endpoint.h"

/* Once, before the first connection. */
void release_start(void);

/*
 * The program closes `fd`, a sealed descriptor. Closes it, or keeps a hidden duplicate until all is sent. Returns
 * what close(2) does, or RELEASE_NOT_OURS: make the real call. In a child of vfork() only the descriptor goes.
 */
enum { RELEASE_NOT_OURS = -2 };
int release_close(int fd);

/*
 * `fd` is about to be replaced (dup2): as release_close(), but closing it is left to that call. A number that the
 * shim has hidden there moves out of the way.
 */
void release_before_replace(int fd);

/* The same for every sealed descriptor in a range that is about to be closed. */
void release_before_close_range(unsigned first, unsigned last);

/* shutdown(2) of a sealed descriptor; or RELEASE_NOT_OURS. */
int release_shutdown(int fd, int how);

/*
 * Goes on with a connection that is finishing, in the background. Returns true when there is nothing left to do:
 * the endpoint is free and its hidden descriptor closed, or the program still has it and it is where it should be.
 * Called with the lock held, which is given back.
 */
bool release_advance(struct endpoint *endpoint, struct connection *connection);

/* At exit: every connection of this process is closed, as the kernel would close it; then waited for. */
void release_all(void);

#endif
