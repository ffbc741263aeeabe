/*
 * A handoff socket carries a sealed connection to another program under pfswrap. It is a Unix socket at the number
 * where the connection will be. Its other end is closed, and its queue holds one message with the TCP socket and
 * the shared segment's file (SCM_RIGHTS, unix(7)). Like any descriptor it survives exec, and can be sent in
 * messages. A program without pfswrap finds no plaintext in it, and cannot send any: reads return a line that says
 * what it is, and then ECONNRESET; writes fail with EPIPE.
 */
#ifndef PFSWRAP_TRANSFER_HANDOFF_H
#define PFSWRAP_TRANSFER_HANDOFF_H

#include "connection/endpoint.h"
#include "connection/handoff_name.h"

/*
 * Makes a handoff socket for the endpoint's connection, which another program can map (share_is_portable()). `fd`
 * is the connection's socket. Returns the descriptor, with close-on-exec, and *name, its name as a holder; or a
 * negative errno value. Locked.
 */
int handoff_make(const struct endpoint *endpoint, const struct connection *connection, int fd, struct holder *name);

/* Whether `fd` is a handoff socket. Keeps errno. */
static inline bool handoff_is(int fd)
{
    return handoff_name_is(fd);
}

/* The content of a handoff socket. The caller closes the descriptors, which have close-on-exec. */
struct handoff {
    int socket, memory; /* the TCP socket; the shared segment's file */
    size_t at;          /* the byte offset of the slot in that file */
    struct holder name;
    const struct policy_rule *rule; /* the rule of this process's policy that the connection has */
};

/*
 * Reads the handoff socket at `fd`. The message stays in its queue, since other descriptors may refer to it.
 * Returns NULL, or for the audit log why it cannot be used.
 */
const char *handoff_open(int fd, struct handoff *handoff);

#endif
