/*
 * The state of a Noise handshake is three times as long as the rest of a connection. So it has memory of its own,
 * and only as long as it is needed: at a responder within one call, at an initiator until message 2 has come. The
 * pool is secret, and every block in it is wiped before it is given back. Another process never says which block
 * that is: its bytes are copied to the slot after each call, and from there before the next one.
 */
#include "connection/keyexchange.h"

#include <sodium.h>
#include <string.h>

#include "base/memory.h"
#include "connection/endpoint.h"

MEMORY_TABLE(exchanges);
static struct memory_pool exchanges = {
    .table = &exchanges_table, .block = CONNECTION_EXCHANGE_BYTES, .per_chunk = 64, .secret = true};
_Static_assert(sizeof(struct noise_handshake) <= CONNECTION_EXCHANGE_BYTES, "a handshake fits its block of memory");

static struct noise_handshake *block_of(const struct connection *connection)
{
    return memory_at(&exchanges, (int32_t)(connection->exchange - 1));
}

struct noise_handshake *keyexchange_take(struct connection *connection)
{
    if (connection->exchange == 0) {
        const int32_t index = memory_take(&exchanges);
        if (index < 0)
            return NULL;
        connection->exchange = (uint32_t)index + 1;
    }
    return block_of(connection);
}

struct noise_handshake *keyexchange_of(const struct connection *connection)
{
    return connection->exchange != 0 ? block_of(connection) : NULL;
}

void keyexchange_forget(struct connection *connection)
{
    if (connection->exchange != 0)
        sodium_memzero(block_of(connection), sizeof(struct noise_handshake));
    connection->exchange = 0;
}

void keyexchange_drop(struct connection *connection)
{
    const uint32_t exchange = connection->exchange;
    keyexchange_forget(connection);
    if (exchange != 0)
        memory_give(&exchanges, (int32_t)(exchange - 1));
}

/* Where the slot has the state: behind its buffers. */
static struct noise_handshake *place_in(struct connection *slot)
{
    return (void *)((uint8_t *)slot + CONNECTION_SLOT_BYTES - CONNECTION_EXCHANGE_BYTES);
}

bool keyexchange_fetch(struct connection *connection, struct connection *slot)
{
    if (connection->phase < CONNECTION_HANDSHAKE || !channel_is_exchanging(&connection->channel))
        return true;
    struct noise_handshake *noise = keyexchange_take(connection);
    if (noise == NULL)
        return false;
    memcpy(noise, place_in(slot), sizeof *noise);
    sodium_memzero(place_in(slot), sizeof *noise);
    return channel_noise_is_sane(noise);
}

void keyexchange_store(struct connection *connection, struct connection *slot)
{
    if (connection->exchange != 0 && channel_is_exchanging(&connection->channel))
        memcpy(place_in(slot), block_of(connection), sizeof(struct noise_handshake));
    keyexchange_drop(connection);
}

void keyexchange_prepare(void)
{
    const int32_t index = memory_take(&exchanges);
    if (index >= 0)
        memory_give(&exchanges, index);
}

void keyexchange_free_all(void)
{
    memory_begin_rebuild(&exchanges);
    memory_end_rebuild(&exchanges);
}
