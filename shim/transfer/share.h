/*
 * Moves connections to shared segments (transfer/segment.h). A fork moves all open connections to one segment,
 * which parent and child share; connections that are opened later stay private. Handoff sockets and relays need a
 * segment, too.
 */
#ifndef PFSWRAP_TRANSFER_SHARE_H
#define PFSWRAP_TRANSFER_SHARE_H

#include <stdbool.h>

#include "base/fork.h"
#include "connection/endpoint.h"

/* For shim/order.c: before a fork, moves the open connections; after it, makes the child a holder of them. */
extern const struct process_observer share_process_observer;

/*
 * Before vfork(): prepares a segment for connections that the child passes on to the program that it executes. The
 * child shares this process's memory, but not its descriptors, so it could not make a segment for both.
 */
void share_before_vfork(void);

/*
 * Moves one connection to a shared segment, and counts a process that is about to be made as a holder. False: no
 * memory. Locked before and after.
 */
bool share_connection(struct endpoint *endpoint, struct connection *connection);

/*
 * Makes a handoff socket (transfer/handoff.h) one more holder of the connection. False: the connection cannot be
 * moved to a segment that other programs can map, or it has too many holders. Locked.
 */
bool share_with_handoff(struct endpoint *endpoint, struct connection *connection, struct holder handoff);

/*
 * Moves the connection to a segment that other programs can map, if it is private. Returns whether they can.
 * Locked.
 */
bool share_is_portable(struct endpoint *endpoint, struct connection *connection);

/* For shim/order.c. */
extern const struct endpoint_observer share_endpoint_observer;

#endif
