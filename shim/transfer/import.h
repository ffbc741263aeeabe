/*
 * Connections that another program of ours has passed on, over an exec or in a message: this process joins those
 * who have them.
 */
#ifndef PFSWRAP_TRANSFER_IMPORT_H
#define PFSWRAP_TRANSFER_IMPORT_H

#include <stdbool.h>

/*
 * If `fd` is a handoff socket it becomes the connection's own socket, and a sealed descriptor. One that cannot be
 * opened is one, too, whose calls all fail (ECONNRESET), and the audit log says why. Returns whether it was a
 * handoff socket.
 */
bool import_take(int fd);

/*
 * If `socket` is that of a connection which this process has, `fd`, the same socket or a number that is to become
 * it, is another number for it. Returns whether it is.
 */
bool import_join(int fd, int socket, bool cloexec);

#endif
