/*
 * Connections over a fork: those that are open when a process forks move to a mapping that just these processes
 * share; what is opened later stays private to who opened it. Also who holds a shared connection, and whether they
 * are still there.
 */
#ifndef PFSWRAP_CONNECTION_SHARE_H
#define PFSWRAP_CONNECTION_SHARE_H

#include <stdbool.h>

#include "connection/endpoint.h"

/*
 * Before the first connection, once: learns who this process is, and registers for fork(3) and what libc builds on
 * it (pthread_atfork(3)). Returns 0, or -1 with errno.
 */
int share_start(void);

/*
 * Around a fork that libc does not tell of (_Fork, clone() without CLONE_VM): before it, and after it in the child,
 * or in the parent if there is no child. Between the two nothing needs to be held.
 */
void share_before_fork(void);
void share_after_fork_child(void);
void share_fork_failed(void);

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

/* The endpoint no longer uses its region (endpoint_free()). */
void share_leave(struct endpoint *endpoint);

#endif
