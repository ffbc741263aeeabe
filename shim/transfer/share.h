/*
 * Connections over a fork: those that are open when a process forks move to a mapping that just these processes
 * share; what is opened later stays private to who opened it. Also who holds a shared connection, and whether they
 * are still there.
 */
#ifndef PFSWRAP_TRANSFER_SHARE_H
#define PFSWRAP_TRANSFER_SHARE_H

#include <stdbool.h>

#include "base/fork.h"
#include "connection/endpoint.h"

/* Moves the open connections to shared memory before a fork, and makes the child one of their holders after it. */
extern const struct process_observer share_process_observer;

/*
 * Before vfork(), whose child shares our memory but not our descriptors: a segment stands ready for what the child
 * passes on to the program it executes.
 */
void share_before_vfork(void);

/*
 * Has one connection kept in shared memory for a process that is about to be made, and counts that process in.
 * False: no memory. Locked before and after.
 */
bool share_connection(struct endpoint *endpoint, struct connection *connection);

/*
 * A handoff socket (handoff.h) has the connection, one more holder. False: it is not kept where another program
 * could map it, and cannot be moved there, or there are too many holders. Locked.
 */
bool share_with_handoff(struct endpoint *endpoint, struct connection *connection, struct holder handoff);

/* Whether another program could map the connection, perhaps after it has been moved. Locked. */
bool share_is_portable(struct endpoint *endpoint, struct connection *connection);

/* For shim/order.c. */
extern const struct endpoint_observer share_endpoint_observer;

#endif
