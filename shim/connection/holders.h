/*
 * Who holds a shared connection: the processes that have a descriptor of it, and handoff sockets
 * (transfer/handoff.h) on their way to one. The list is in the connection itself, in shared memory. A connection
 * that only this process has is not shared, and has no list to keep. All functions need the connection's lock.
 */
#ifndef PFSWRAP_CONNECTION_HOLDERS_H
#define PFSWRAP_CONNECTION_HOLDERS_H

#include "connection/connection.h"

/* This process, as a holder. */
struct holder holders_this_process(void);

/* This process has the connection now; it was counted before it was made. */
void holders_join(struct connection *connection);

/* This process gives the connection up. Returns whether another holder still has it. */
bool holders_release(struct connection *connection);

/* Undoes holders_release(), if it was called. */
void holders_rejoin(struct connection *connection);

/* Whether no other holder has the connection. Holders that are gone are removed first. */
bool holders_is_alone(struct connection *connection);

/* A handoff socket is one more holder. False: the list is full. */
bool holders_add_handoff(struct connection *connection, struct holder handoff);

/* A handoff socket takes this process's place; and the reverse. */
bool holders_pass_to_handoff(struct connection *connection, struct holder handoff);
void holders_take_from_handoff(struct connection *connection, struct holder handoff);

/* The handoff socket is gone. */
void holders_drop_handoff(struct connection *connection, struct holder handoff);

/* This process has opened the handoff socket, and takes its place; or only drops it, if it already is a holder. */
void holders_open_handoff(struct connection *connection, struct holder handoff);

#endif
