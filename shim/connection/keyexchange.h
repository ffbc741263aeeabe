/*
 * The memory for the state of a Noise handshake (seal/noise.h). A connection has it only during an exchange of
 * keys, its first or a later one. All functions need the connection's lock.
 */
#ifndef PFSWRAP_CONNECTION_KEYEXCHANGE_H
#define PFSWRAP_CONNECTION_KEYEXCHANGE_H

#include "connection/connection.h"

/* The state; taken from the pool if there is none yet. NULL: no memory. */
struct noise_handshake *keyexchange_take(struct connection *connection);

/* The same; NULL if there is none yet. */
struct noise_handshake *keyexchange_of(const struct connection *connection);

/* Wipes the state and gives its memory back. */
void keyexchange_drop(struct connection *connection);

/* The same, if no exchange of keys is under way. */
static inline void keyexchange_trim(struct connection *connection)
{
    if (__builtin_expect(connection->exchange != 0, false) && !channel_is_exchanging(&connection->channel))
        keyexchange_drop(connection);
}

/* Wipes the state. Its memory is not used again: a thread that has lost the connection's lock may still use it. */
void keyexchange_forget(struct connection *connection);

/*
 * Copies the state from the connection's slot, and wipes it there; and back, and drops it. False: it is not valid,
 * or there is no memory.
 */
bool keyexchange_fetch(struct connection *connection, struct connection *slot);
void keyexchange_store(struct connection *connection, struct connection *slot);

/* Sees to it that the pool has memory. A process that did not begin its connections may be in a sandbox later. */
void keyexchange_prepare(void);

/* In a child of a fork: gives all memory back. No call of the child's only thread may be under way. */
void keyexchange_free_all(void);

#endif
