/*
 * The entries of sealed connections in the list that others read. See counting.h.
 */
#include "connection/counting.h"

#include <string.h>

#include "connection/endpoint.h"
#include "seal/channel.h"

/* Copies an address to the 16 bytes at `to`, and its port. Returns the family as the list has it. */
static uint16_t put_address(uint8_t to[16], uint16_t *port, const struct sockaddr_in6 *address)
{
    if (address->sin6_family == AF_INET) {
        const struct sockaddr_in *ipv4 = (const struct sockaddr_in *)(const void *)address;
        memcpy(to, &ipv4->sin_addr, sizeof ipv4->sin_addr);
        *port = ntohs(ipv4->sin_port);
        return 4;
    }
    memcpy(to, &address->sin6_addr, sizeof address->sin6_addr);
    *port = ntohs(address->sin6_port);
    return address->sin6_family == AF_INET6 ? 6 : 0;
}

void counting_update(struct connection *connection)
{
    struct counters_connection *entry = connection->entry;
    if (entry == NULL)
        return;
    const struct channel *channel = &connection->channel;
    counters_set(&entry->sent_bytes, connection->sent.bytes);
    counters_set(&entry->sent_chunks, connection->sent.chunks);
    counters_set(&entry->received_bytes, connection->received.bytes);
    counters_set(&entry->received_chunks, connection->received.chunks);
    counters_set(&entry->rehandshakes, channel->rehandshakes);
    counters_set(&entry->renewed, channel->keyed_at);
}

void counting_begin(struct connection *connection, const struct endpoint *endpoint)
{
    struct pfswrap_seal_info info;
    if (connection->entry != NULL || !connection->confirmed || connection->phase != CONNECTION_OPEN ||
        channel_describe(&connection->channel, &info) != 0)
        return;
    struct counters_connection *entry = counters_take();
    if (entry == NULL)
        return;
    counters_begin_entry(entry);
    entry->rule = snapshot_number(connection->binding->snapshot, connection->binding->rule);
    entry->flags = connection->initiator ? COUNTERS_IS_CLIENT : 0;
    entry->pattern = (uint8_t)info.pattern;
    entry->identity = endpoint != NULL ? endpoint->identity : 0;
    entry->since = (int64_t)connection->opened_at;
    (void)put_address(entry->local, &entry->local_port, &connection->self);
    entry->family = put_address(entry->peer, &entry->peer_port, &connection->peer);
    memcpy(entry->peer_name, info.peer_name, sizeof info.peer_name);
    connection->entry = entry;
    counting_update(connection);
    counters_end_entry(entry);
}
_Static_assert((int)COUNTERS_NAME_MAX >= (int)PFSWRAP_NAME_BYTES, "a peer's name fits an entry");

void counting_discard(struct connection *connection, const struct flow *received)
{
    struct counters_flow *flow = counting_flow(connection);
    counters_increase(&flow->received_bytes, received->bytes - connection->received.bytes);
    counters_increase(&flow->received_chunks, received->chunks - connection->received.chunks);
    connection->received = *received;
    counting_update(connection);
}

void counting_end(struct connection *connection)
{
    struct counters_connection *entry = connection->entry;
    connection->entry = NULL;
    if (entry != NULL)
        counters_give(entry);
}
