/*
 * A handoff socket: a sealed connection on its way to a program that can go on with it. It is a socket at the
 * number where the connection is to be, with one message in its queue that holds the TCP socket and the memory
 * where the connection is kept (SCM_RIGHTS, unix(7)); its other end is closed. It survives exec, and goes in
 * messages, like any descriptor. A program without us finds neither plaintext in it nor a way to send any: reading
 * says where it is from, and then ECONNRESET, and writing is EPIPE.
 */
#ifndef PFSWRAP_TRANSFER_HANDOFF_H
#define PFSWRAP_TRANSFER_HANDOFF_H

#include "connection/endpoint.h"
#include "connection/handoff_name.h"

/*
 * Makes one for the endpoint's connection, which another program can map (share_is_portable()); `fd` is its socket.
 * Returns the descriptor, with close-on-exec, and *name, by which it is counted as a holder; or a negated errno.
 * Locked.
 */
int handoff_make(const struct endpoint *endpoint, const struct connection *connection, int fd, struct holder *name);

/* Whether `fd` is a handoff socket. Keeps errno. */
static inline bool handoff_is(int fd)
{
    return handoff_name_is(fd);
}

/* What is in it. The descriptors are the caller's, with close-on-exec. */
struct handoff {
    int socket, memory;
    size_t at; /* where in the memory */
    struct holder name;
};

/*
 * Opens the handoff socket at `fd`, which stays as it is: other numbers may be the same. Returns NULL, or why it
 * cannot be opened, in words for the audit log.
 */
const char *handoff_open(int fd, struct handoff *handoff);

#endif
