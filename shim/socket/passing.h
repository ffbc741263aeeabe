/*
 * Descriptors that leave the process in a message (SCM_RIGHTS, unix(7)).
 */
#ifndef PFSWRAP_SOCKET_PASSING_H
#define PFSWRAP_SOCKET_PASSING_H

#include <stdbool.h>
#include <sys/socket.h>

#include "connection/endpoint.h"

/* Whether a message that is being sent may carry sealed descriptors. */
static inline bool passing_matters(const struct msghdr *message)
{
    return message->msg_controllen > 0 && atomic_load_explicit(&endpoint_count, memory_order_relaxed) > 0;
}

/* Relays every sealed connection of which `message` carries a descriptor. Returns 0, or -1 with errno of
 * sendmsg(2). */
int passing_relay(const struct msghdr *message);

#endif
