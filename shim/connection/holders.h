/*
 * Who holds a shared connection: the processes that have a descriptor of it, and handoff sockets
 * (transfer/handoff.h) on their way to one. The list is in the connection itself, in shared memory. A connection
 * that only this process has is not shared, and has no list to keep. All functions need the connection's lock.
 */
#ifndef PFSWRAP_CONNECTION_HOLDERS_H
#define PFSWRAP_CONNECTION_HOLDERS_H

#include "connection/connection.h"

/*
 * Around a fork. Expect: before it, the parent counts its child. Withdraw: the fork has failed. Arrive: the child
 * enters itself into the list; `is_expected`: the parent has counted it, as far as the child knows. If the parent
 * has not, or has withdrawn that, the child counts itself. Arrive returns false if the connection has no holder any
 * more: then it has ended, and the child has no part in it.
 *
 * A fork that has made a child may look as if it had failed (base/fork.c). Such a child is counted all the same.
 */
void holders_expect(struct connection *connection);
void holders_withdraw(struct connection *connection);
bool holders_arrive(struct connection *connection, bool is_expected);

/* Enters this process into the list. holder_count has it already. */
void holders_join(struct connection *connection);

/* Removes this process. Returns whether another holder still has the connection. */
bool holders_release(struct connection *connection);

/* Undoes holders_release(). Does nothing if this process is a holder. */
void holders_rejoin(struct connection *connection);

/* Whether no other holder has the connection. Holders that are gone are removed first. */
bool holders_is_alone(struct connection *connection);

/*
 * Whether only handoff sockets have the connection, apart from this process. This process may then stay a holder
 * while it waits for them: it leaves the list, but holder_count still has it, so that it can open one of them
 * itself. holders_end_waiting() is its holders_release().
 */
bool holders_are_handoffs(struct connection *connection);
void holders_wait(struct connection *connection);
bool holders_end_waiting(struct connection *connection);

/* Adds a handoff socket. False: the list is full. */
bool holders_add_handoff(struct connection *connection, struct holder handoff);

/* A handoff socket replaces this process as a holder, and the reverse. False: this process is not in the list. */
bool holders_pass_to_handoff(struct connection *connection, struct holder handoff);
void holders_take_from_handoff(struct connection *connection, struct holder handoff);

/* Removes a handoff socket, which no longer exists. */
void holders_drop_handoff(struct connection *connection, struct holder handoff);

/* This process has opened a handoff socket: replaces it as a holder. If this process already is one, removes it. */
void holders_open_handoff(struct connection *connection, struct holder handoff);

#endif
