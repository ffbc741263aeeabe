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

/* This process has it now, and was counted in before it was made. Locked. */
void share_join(struct connection *connection);

/* This process lets go of it. Returns whether another one still has it. Locked. */
bool share_release(struct connection *connection);

/* Whether no other process has it. Locked. */
bool share_is_alone(struct connection *connection);

/* Undoes share_release(), if it was called. Locked. */
void share_rejoin(struct connection *connection);

/*
 * A handoff socket (handoff.h) has the connection, one more holder. False: it is not kept where another program
 * could map it, and cannot be moved there, or there are too many holders. Locked.
 */
bool share_with_handoff(struct endpoint *endpoint, struct connection *connection, struct holder handoff);

/* The same in place of this process, which is about to execute another program; and the reverse. Locked. */
bool share_pass_to_handoff(struct connection *connection, struct holder handoff);
void share_take_from_handoff(struct connection *connection, struct holder handoff);

/* The handoff socket is no more. Locked. */
void share_without_handoff(struct connection *connection, struct holder handoff);

/* This process has opened the handoff socket, and takes its place; or joins, if another has been faster. Locked. */
void share_join_by_handoff(struct connection *connection, struct holder handoff);

/* Whether another program could map the connection, perhaps after it has been moved. Locked. */
bool share_is_portable(struct endpoint *endpoint, struct connection *connection);

/* The endpoint no longer uses its segment (endpoint_free()). */
void share_leave(struct endpoint *endpoint);

#endif
