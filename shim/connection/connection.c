/*
 * What every file about connections shares: their memory, how they move between processes, and how they end. The
 * buffers of a private connection come from a pool and are held only while there is something in them; those of a
 * shared one lie behind it.
 */
#include "connection/connection.h"

#include <errno.h>
#include <poll.h>
#include <sodium.h>
#include <string.h>
#include <time.h>

#include "connection/carrier.h"
#include "connection/endpoint.h"
#include "connection/memory.h"
#include "connection/process.h"
#include "init.h"
#include "keys.h"

static struct memory_pool buffers = {.piece = CONNECTION_BUFFER_BYTES, .per_chunk = 16, .secret = true};

uint64_t connection_now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

const struct policy_rule *connection_rule(const struct connection *connection)
{
    return &pfswrap_policy()->rules[connection->rule];
}

const struct pfswrap_seal_config *connection_config(const struct connection *connection)
{
    return keys_config(connection_rule(connection));
}

static uint8_t *shared_buffer(struct connection *connection, int number)
{
    return (uint8_t *)connection + CONNECTION_PIECE_BYTES + (size_t)number * CONNECTION_BUFFER_BYTES;
}

static uint8_t *buffer(struct connection *connection, int32_t *index, int number)
{
    if (connection->shared)
        return shared_buffer(connection, number);
    if (*index == CONNECTION_NO_BUFFER && (*index = memory_take(&buffers)) < 0) {
        *index = CONNECTION_NO_BUFFER;
        return NULL;
    }
    return memory_at(&buffers, *index);
}

uint8_t *connection_rx(struct connection *connection)
{
    return buffer(connection, &connection->rx_index, 0);
}

uint8_t *connection_tx(struct connection *connection)
{
    return buffer(connection, &connection->tx_index, 1);
}

uint8_t *connection_borrow(int32_t *index)
{
    *index = memory_take(&buffers);
    return *index < 0 ? NULL : memory_at(&buffers, *index);
}

void connection_return(int32_t index)
{
    memory_give(&buffers, index);
}

static void give_back(int32_t *index)
{
    if (*index != CONNECTION_NO_BUFFER)
        memory_give(&buffers, *index);
    *index = CONNECTION_NO_BUFFER;
}

void connection_trim(struct connection *connection)
{
    if (span_length(connection->rx_plain) == 0 && span_length(connection->rx_cipher) == 0) {
        connection->rx_plain = connection->rx_cipher = (struct span){0};
        give_back(&connection->rx_index);
    }
    if (span_length(connection->tx) == 0 && span_length(connection->early) == 0) {
        connection->tx = connection->early = (struct span){0};
        give_back(&connection->tx_index);
    }
}

void connection_init(struct connection *connection, uint16_t rule, bool initiator, bool nonblocking)
{
    const size_t behind_lock = sizeof connection->lock;
    memset((uint8_t *)connection + behind_lock, 0, sizeof *connection - behind_lock);
    connection->nonblocking = nonblocking;
    connection->initiator = initiator;
    connection->rule = rule;
    connection->rx_index = connection->tx_index = CONNECTION_NO_BUFFER;
    connection->holder_count = 1;
    connection->holders[0] = (struct holder){process_id(), process_thread().space};
    connection->deadline_ms = connection->queue_at_ms = UINT64_MAX;
}

void connection_clear(struct connection *connection)
{
    const size_t behind_lock = sizeof connection->lock;
    give_back(&connection->rx_index);
    give_back(&connection->tx_index);
    sodium_memzero((uint8_t *)connection + behind_lock, sizeof *connection - behind_lock);
}

bool connection_move(struct connection *from, struct connection *to, bool shared)
{
    const size_t behind_lock = sizeof from->lock;
    connection_trim(from);
    uint8_t *rx = span_length(from->rx_plain) + span_length(from->rx_cipher) > 0 ? connection_rx(from) : NULL;
    uint8_t *tx = span_length(from->tx) + span_length(from->early) > 0 ? connection_tx(from) : NULL;
    memcpy((uint8_t *)to + behind_lock, (uint8_t *)from + behind_lock, sizeof *to - behind_lock);
    to->shared = shared;
    to->rx_index = to->tx_index = CONNECTION_NO_BUFFER;
    uint8_t *to_rx = rx != NULL ? connection_rx(to) : NULL;
    uint8_t *to_tx = tx != NULL ? connection_tx(to) : NULL;
    if ((rx != NULL && to_rx == NULL) || (tx != NULL && to_tx == NULL)) {
        connection_clear(to);
        return false;
    }
    if (rx != NULL)
        memcpy(to_rx, rx, from->rx_cipher.end > from->rx_plain.end ? from->rx_cipher.end : from->rx_plain.end);
    if (tx != NULL)
        memcpy(to_tx, tx, from->early.end > from->tx.end ? from->early.end : from->tx.end);
    connection_clear(from);
    return true;
}

/* A peer that is still sending must not be told by a reset that takes away what it has yet to read. */
static void drain(int fd)
{
    enum { DRAIN_BYTES = 4096, DRAIN_ROUNDS = 64 };
    uint8_t waste[DRAIN_BYTES];
    for (int i = 0; i < DRAIN_ROUNDS && !process_sandboxed; i++)
        if (carrier_receive(fd, waste, sizeof waste) <= 0)
            return;
}

void connection_fail(struct connection *connection, int fd, int error, const char *reason)
{
    if (connection->phase == CONNECTION_FAILED)
        return;
    if (connection->confirmed)
        connection_report_closed(connection, "error", reason);
    else
        connection_report_refused(connection, reason);
    pfswrap_seal_poison(&connection->channel);
    connection->phase = CONNECTION_FAILED;
    connection->error = error;
    /* What is open and authentic is still delivered, before the error. */
    connection->rx_cipher = connection->tx = connection->early = (struct span){0};
    connection->finishing = false;
    connection->wants = 0;
    connection_trim(connection);
    drain(fd);
    carrier_shut(fd, SHUT_RDWR);
    endpoint_settle(fd, connection);
}

void connection_fail_seal(struct connection *connection, int fd, int seal_error)
{
    connection_fail(connection, fd, ECONNRESET, pfswrap_seal_error_text(seal_error));
}
