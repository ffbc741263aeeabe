/*
 * What passes inside TLS on a connection with the layer, counted where `pfswrap status` reads it. A tunnel counts
 * for itself; this adds to the process's counters what is new since the last call.
 */
#include <string.h>

#include "audit/addresses.h"
#include "config/snapshot.h"
#include "counters/counters.h"
#include "fd/program_socket.h"
#include "seal/tunnel_internal.h"
#include "tls/layer.h"

static uint16_t put_address(uint8_t to[16], uint16_t *port, int fd, enum program_socket_end end)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    if (fd < 0 || !program_socket_address(fd, end, &address, &length))
        return 0;
    if (address.ss_family == AF_INET) {
        const struct sockaddr_in *ipv4 = (const struct sockaddr_in *)&address;
        memcpy(to, &ipv4->sin_addr, sizeof ipv4->sin_addr);
        *port = ntohs(ipv4->sin_port);
        return 4;
    }
    const struct sockaddr_in6 *ipv6 = (const struct sockaddr_in6 *)&address;
    memcpy(to, &ipv6->sin6_addr, sizeof ipv6->sin6_addr);
    *port = ntohs(ipv6->sin6_port);
    return address.ss_family == AF_INET6 ? 6 : 0;
}

static void fill(struct layer *layer, struct counters_connection *entry, const struct pfswrap_seal_info *info)
{
    const int fd = layer->lib->SSL_get_rfd(layer->ssl);
    counters_begin_entry(entry);
    entry->rule = layer->rule_number;
    entry->flags = (uint8_t)(COUNTERS_IS_LAYER | (layer->role[0] == 'c' ? COUNTERS_IS_CLIENT : 0));
    entry->pattern = (uint8_t)info->pattern;
    entry->since = (int64_t)layer->opened_at;
    entry->owner = (uint64_t)(uintptr_t)layer;
    (void)put_address(entry->local, &entry->local_port, fd, PROGRAM_SOCKET_LOCAL);
    entry->family = put_address(entry->peer, &entry->peer_port, fd, PROGRAM_SOCKET_PEER);
    memcpy(entry->peer_name, info->peer_name, sizeof info->peer_name);
    counters_end_entry(entry);
}

/* The layer's entry; NULL: none. A child of a fork has inherited the pointer, but not the entry. */
static struct counters_connection *entry_of(const struct layer *layer)
{
    struct counters_connection *entry = layer->entry;
    return entry != NULL && entry->owner == (uint64_t)(uintptr_t)layer ? entry : NULL;
}

void layer_count_opened(struct layer *layer)
{
    struct pfswrap_seal_info info;
    layer->rule_number = snapshot_number(layer->snapshot, (size_t)(layer->rule - layer->snapshot->policy->rules));
    layer->opened_at = time(NULL);
    if (pfswrap_tunnel_describe(layer->tunnel, &info) != 0)
        return;
    layer->entry = counters_take();
    if (layer->entry != NULL)
        fill(layer, layer->entry, &info);
    layer_count(layer);
}

void layer_count(struct layer *layer)
{
    const struct pfswrap_tunnel_counts now = pfswrap_tunnel_count(layer->tunnel);
    struct counters_flow *flow = counters_flow(layer->rule_number);
    struct counters_connection *entry = entry_of(layer);
    counters_increase(&flow->sent_bytes, now.sent_bytes - layer->counted.sent_bytes);
    counters_increase(&flow->sent_chunks, now.sent_chunks - layer->counted.sent_chunks);
    counters_increase(&flow->received_bytes, now.received_bytes - layer->counted.received_bytes);
    counters_increase(&flow->received_chunks, now.received_chunks - layer->counted.received_chunks);
    layer->counted = now;
    if (entry == NULL)
        return;
    counters_set(&entry->sent_bytes, now.sent_bytes);
    counters_set(&entry->sent_chunks, now.sent_chunks);
    counters_set(&entry->received_bytes, now.received_bytes);
    counters_set(&entry->received_chunks, now.received_chunks);
    counters_set(&entry->rehandshakes, tunnel_rehandshakes(layer->tunnel));
    counters_set(&entry->renewed, tunnel_keyed_at(layer->tunnel));
}

void layer_count_closed(struct layer *layer)
{
    layer_count(layer);
    struct counters_connection *entry = entry_of(layer);
    layer->entry = NULL;
    if (entry != NULL)
        counters_give(entry);
}
