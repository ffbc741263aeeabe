/*
 * What passes on sealed connections, counted where `pfswrap status` and `pfswrap connections` read it
 * (counters/counters.h). All functions need the connection's lock.
 */
#ifndef PFSWRAP_CONNECTION_COUNTING_H
#define PFSWRAP_CONNECTION_COUNTING_H

#include "config/snapshot.h"
#include "connection/connection.h"
#include "counters/counters.h"

struct endpoint;

/* Enters an open connection into the list of this process, if it is not there. `endpoint`: NULL if it has none. */
void counting_begin(struct connection *connection, const struct endpoint *endpoint);

/* Removes it: it has ended, or this process no longer has it. */
void counting_end(struct connection *connection);

/* Writes how much has passed to the connection's entry. */
void counting_update(struct connection *connection);

/* Bytes received since then do not count: the program did not get them. */
void counting_discard(struct connection *connection, const struct flow *received);

/* Where this thread counts what passes under the connection's rule. */
static inline struct counters_flow *counting_flow(const struct connection *connection)
{
    return counters_flow(snapshot_number(connection->binding->snapshot, connection->binding->rule));
}

/* A chunk with `length` bytes of plaintext was sent, or received. */
static inline void counting_sent(struct connection *connection, size_t length)
{
    struct counters_flow *flow = counting_flow(connection);
    connection->sent.bytes += length;
    connection->sent.chunks++;
    counters_increase(&flow->sent_bytes, length);
    counters_increase(&flow->sent_chunks, 1);
    counting_update(connection);
}

static inline void counting_received(struct connection *connection, size_t length)
{
    struct counters_flow *flow = counting_flow(connection);
    connection->received.bytes += length;
    connection->received.chunks++;
    counters_increase(&flow->received_bytes, length);
    counters_increase(&flow->received_chunks, 1);
    counting_update(connection);
}

#endif
