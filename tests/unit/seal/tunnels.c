/* See tunnels.h. */
#include "tunnels.h"

#include <stdlib.h>

static size_t some(const struct lane *lane, size_t size)
{
    if (!lane->ragged || size == 0)
        return size;
    return rand() % 3 == 0 ? 0 : (size_t)rand() % size + 1;
}

static int lane_read(void *context, void *buffer, size_t size)
{
    struct lane *lane = ((struct side *)context)->in;
    const size_t length = some(lane, size < lane->wire.length ? size : lane->wire.length);

    if (length == 0)
        return lane->ended && lane->wire.length == 0 ? 0 : -1;
    memcpy(buffer, lane->wire.bytes, length);
    wire_consume(&lane->wire, length);
    return (int)length;
}

int lane_write(void *context, const void *data, size_t length)
{
    struct lane *lane = ((struct side *)context)->out;
    const size_t room = lane->closed ? 0 : lane->room - lane->wire.length;
    const size_t taken = some(lane, length < room ? length : room);

    if (lane->stopped_at != NULL) { /* as the header guarantees: the same bytes at the same address */
        ck_assert_ptr_eq(lane->stopped_at, data);
        ck_assert_uint_eq(lane->stopped_length, length);
    }
    lane->stopped_at = taken == 0 ? data : NULL;
    lane->stopped_length = length;
    wire_append(&lane->wire, data, taken);
    lane->calls += taken > 0;
    return taken > 0 ? (int)taken : -1;
}

static struct pfswrap_tunnel *tunnel_make(struct ends *ends, bool client)
{
    const struct pfswrap_tunnel_transport transport = {
        .read = lane_read, .write = lane_write, .context = client ? &ends->client_side : &ends->server_side};
    const struct end *end = client ? &ends->pair->client : &ends->pair->server;
    int error;
    struct pfswrap_tunnel *tunnel =
        pfswrap_tunnel_new(client ? PFSWRAP_SEAL_INITIATOR : PFSWRAP_SEAL_RESPONDER, &end->config,
                           ends->binding[client], 32, 0, &transport, &error);

    ck_assert_int_eq(0, error);
    ck_assert_ptr_nonnull(tunnel);
    return tunnel;
}

struct ends *ends_new(void)
{
    struct ends *ends = calloc(1, sizeof *ends);

    ck_assert_ptr_nonnull(ends);
    ends->pair = pair_new();
    ends->pair->client.config.transport_max = ends->pair->server.config.transport_max = PFSWRAP_SEAL_TLS_RECORD;
    ends->up.room = ends->down.room = PAIR_WIRE;
    ends->client_side = (struct side){.in = &ends->down, .out = &ends->up};
    ends->server_side = (struct side){.in = &ends->up, .out = &ends->down};
    return ends;
}

void ends_start(struct ends *ends)
{
    ends->client = tunnel_make(ends, true);
    ends->server = tunnel_make(ends, false);
}

void ends_shake_hands(struct ends *ends)
{
    int client = 0, server = 0;

    for (int i = 0; i < 10000 && (client != 1 || server != 1); i++) {
        client = client == 1 ? 1 : pfswrap_tunnel_handshake(ends->client);
        server = server == 1 ? 1 : pfswrap_tunnel_handshake(ends->server);
        ck_assert(client == 1 || client == PFSWRAP_TUNNEL_STOPPED);
        ck_assert(server == 1 || server == PFSWRAP_TUNNEL_STOPPED);
    }
    ck_assert_int_eq(1, client);
    ck_assert_int_eq(1, server);
}

void ends_free(struct ends *ends)
{
    pfswrap_tunnel_free(ends->client);
    pfswrap_tunnel_free(ends->server);
    pair_free(ends->pair);
    free(ends);
}

struct ends *ends_open(void)
{
    struct ends *ends = ends_new();

    ends_start(ends);
    ends_shake_hands(ends);
    return ends;
}

/* One direction of a conversation: random lengths in, random lengths out. */
struct flow {
    const uint8_t *data;
    uint8_t *got;
    size_t length, written, read;
    bool closed, ended;
};

static void flow_step(struct flow *flow, struct pfswrap_tunnel *from, struct pfswrap_tunnel *to)
{
    uint8_t buffer[20000], seen[64];
    const size_t kept = pfswrap_tunnel_kept(from);
    size_t most = flow->length - flow->written, wanted = (size_t)rand() % 40000 + 1;
    int result;

    if (most > 0) {
        wanted = wanted < kept ? kept : wanted;
        result = pfswrap_tunnel_write(from, flow->data + flow->written, wanted < most ? wanted : most);
        ck_assert(result > 0 || result == PFSWRAP_TUNNEL_STOPPED);
        if (result > 0)
            flow->written += (size_t)result;
    } else if (!flow->closed) {
        flow->closed = pfswrap_tunnel_close(from) == 1;
    }
    const size_t pending = pfswrap_tunnel_pending(to);
    const int peeked = rand() % 2 ? pfswrap_tunnel_peek(to, seen, sizeof seen) : 0;
    result = pfswrap_tunnel_read(to, buffer, (size_t)rand() % sizeof buffer + 1);
    if (result > 0) {
        ck_assert_uint_le((size_t)result, flow->length - flow->read);
        memcpy(flow->got + flow->read, buffer, (size_t)result);
        flow->read += (size_t)result;
        if (peeked > 0)
            ck_assert_mem_eq(buffer, seen, (size_t)(peeked < result ? peeked : result));
    } else {
        if (result != PFSWRAP_TUNNEL_STOPPED)
            ck_assert_int_eq(PFSWRAP_TUNNEL_END, result);
        ck_assert_uint_eq(0, pending);
        ck_assert(peeked <= 0);
        flow->ended = result == PFSWRAP_TUNNEL_END;
    }
}

void ends_converse(struct ends *ends)
{
    enum { UP = 900000, DOWN = 700000 };
    static uint8_t data[UP], got[2][UP];
    struct flow up = {.data = data, .got = got[0], .length = UP},
                down = {.data = data, .got = got[1], .length = DOWN};

    fill(data, sizeof data);
    for (int i = 0; i < 1000000 && (!up.ended || !down.ended); i++) {
        if (!up.ended)
            flow_step(&up, ends->client, ends->server);
        if (!down.ended)
            flow_step(&down, ends->server, ends->client);
    }
    ck_assert(up.ended && down.ended);
    ck_assert_uint_eq(UP, up.read);
    ck_assert_mem_eq(data, got[0], UP);
    ck_assert_uint_eq(DOWN, down.read);
    ck_assert_mem_eq(data, got[1], DOWN);
    const struct pfswrap_tunnel_counts counts = pfswrap_tunnel_count(ends->client);
    ck_assert_uint_eq(UP, counts.sent_bytes);
    ck_assert_uint_ge(counts.sent_chunks, UP / PFSWRAP_SEAL_CHUNK_MAX);
    ck_assert_uint_eq(DOWN, counts.received_bytes);
    ck_assert_uint_eq(pfswrap_tunnel_count(ends->server).sent_chunks, counts.received_chunks);
}
