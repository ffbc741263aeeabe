/*
 * The names of handoff sockets (transfer/handoff.h), in the abstract namespace (unix(7)). As long as a name is
 * taken, the handoff socket exists, in a process or in a message on its way: so it counts as a holder of its
 * connection. A name is a struct holder with a negative `pid`. Makes system calls only, and keeps errno.
 */
#ifndef PFSWRAP_CONNECTION_HANDOFF_NAME_H
#define PFSWRAP_CONNECTION_HANDOFF_NAME_H

#include <stdbool.h>

#include "connection/connection.h"

enum {
    HANDOFF_NAMESPACE_BITS = 0x00ffffff, /* of the network namespace's number, in struct holder's `space` */
    HANDOFF_NAMESPACE_SHIFT = 8,
};

/* Whether a holder is a handoff socket, and not a process. */
static inline bool handoff_is_holder(struct holder holder)
{
    return holder.pid < 0;
}

/* The network namespace of the socket `fd`, as far as a name has room for it; 0: not known (before Linux 5.14). */
uint32_t handoff_name_namespace(int fd);

/* Gives the socket `fd` the name. Returns 0 or a negated errno. */
long handoff_name_bind(int fd, struct holder name);

/* Whether the socket `fd` has such a name. */
bool handoff_name_is(int fd);

/* Whether the name is free: the handoff socket is closed everywhere. False where this cannot be found out. */
bool handoff_name_is_free(struct holder name);

#endif
