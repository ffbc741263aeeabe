/*
 * The names of handoff sockets (transfer/handoff.h) in the abstract namespace (unix(7)). While a name is taken, its
 * handoff socket exists, in a process or in a message that nobody has received yet. So the socket counts as a
 * holder of its connection. A name is a struct holder with a negative `pid`. Makes system calls only, and keeps
 * errno.
 */
#ifndef PFSWRAP_CONNECTION_HANDOFF_NAME_H
#define PFSWRAP_CONNECTION_HANDOFF_NAME_H

#include <stdbool.h>

#include "connection/connection.h"

enum {
    HANDOFF_NAMESPACE_BITS = 0x00ffffff, /* bits of the network namespace's number that `space` has room for */
    HANDOFF_NAMESPACE_SHIFT = 8,         /* where they are in `space` */
};

/* Whether a holder is a handoff socket, and not a process. */
static inline bool handoff_is_holder(struct holder holder)
{
    return holder.pid < 0;
}

/* The network namespace of the socket `fd`: its HANDOFF_NAMESPACE_BITS. 0: not known (before Linux 5.14). */
uint32_t handoff_name_namespace(int fd);

/* Binds the socket `fd` to the name. Returns 0 or a negative errno value. */
long handoff_name_bind(int fd, struct holder name);

/* Whether the socket `fd` is bound to the name of a handoff socket. */
bool handoff_name_is(int fd);

/* Whether the name is free: the handoff socket is closed everywhere. False if this cannot be known. */
bool handoff_name_is_free(struct holder name);

#endif
