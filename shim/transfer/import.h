/*
 * Takes over connections that another program under pfswrap has passed on in a handoff socket, by exec or in a
 * message. This process becomes a holder of them. For socket/adopt.c.
 */
#ifndef PFSWRAP_TRANSFER_IMPORT_H
#define PFSWRAP_TRANSFER_IMPORT_H

#include <stdbool.h>

/*
 * If `fd` is a handoff socket, it becomes the connection's socket, and sealed. If it cannot be opened, it becomes a
 * sealed number whose calls all fail with ECONNRESET, and the audit log says why. Returns whether it was a handoff
 * socket.
 */
bool import_take(int fd);

/*
 * If this process has a connection with this socket, `fd` becomes one more number of it. `fd` may be `socket`
 * itself. Returns whether this was so.
 */
bool import_join(int fd, int socket, bool cloexec);

#endif
