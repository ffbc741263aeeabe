/*
 * A connect(2) that is under way on a sealed number. It refers to its connection by endpoint and generation, never
 * by number: other threads may close the number meanwhile, and get it again for another file. For connect.c.
 */
#ifndef PFSWRAP_SEALED_DIAL_H
#define PFSWRAP_SEALED_DIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "connection/endpoint.h"

struct policy_rule;

struct dial {
    struct endpoint *endpoint;
    uint32_t generation;
    bool is_new;      /* this call has registered the number */
    bool needs_relay; /* there is a stdio stream on it, or it is 0, 1 or 2 */
};

/*
 * Registers the foreign number `fd` under `rule` before the kernel connects it, so no other thread finds the
 * connection plain. Returns 0, or a negative errno value; -EALREADY: another thread has registered the number.
 */
int dial_new(int fd, const struct policy_rule *rule, struct dial *dial);

/* Begins a connect(2) on a sealed number. Returns as endpoint_enter(); -EALREADY: another thread has begun one. */
int dial_again(int fd, struct dial *dial);

/* Locks the connection again. NULL: its last number has been closed. */
struct connection *dial_enter(const struct dial *dial);

/*
 * The kernel has refused to connect. The number becomes foreign again if there is no connection, and no other
 * thread is about to make one. There may be a connection: a call with invalid arguments leaves it as it is, and it
 * must stay sealed. Called locked; unlocked on return.
 */
void dial_failed(struct endpoint *endpoint, struct connection *connection);

/* The kernel has disconnected the socket: it becomes foreign. Called locked; unlocked on return. */
void dial_disconnected(struct endpoint *endpoint, struct connection *connection);

#endif
