/*
 * The tunnel over transports that behave badly: they take a few bytes, none, or all, and return as they like. Two
 * tunnels in one process, with a buffer for each direction between them.
 */
#include <pfswrap/tunnel.h>

#include <stdlib.h>

#include <time.h>

#include "../suite.h"
#include "pair.h"
#include "seal/tunnel_internal.h"

/* The clock of the tunnels: time(2), and what the test adds. */
static time_t ahead;

time_t time(time_t *result)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    now.tv_sec += ahead;
    if (result != NULL)
        *result = now.tv_sec;
    return now.tv_sec;
}

struct lane {
    struct wire wire;
    size_t room;  /* the most that the wire holds */
    bool ended;   /* no more will come */
    bool closed;  /* takes nothing at the moment */
    bool ragged;  /* moves a random number of bytes at a time, and sometimes none */
    size_t calls; /* that moved something */
    const void *stopped_at;
    size_t stopped_length;
};

struct side {
    struct lane *in, *out;
};

struct ends {
    struct pair *pair;
    struct lane up, down;
    struct side client_side, server_side;
    struct pfswrap_tunnel *client, *server;
    uint8_t binding[2][32];
};

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

static int lane_write(void *context, const void *data, size_t length)
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

static struct ends *ends_new(void)
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

static void ends_start(struct ends *ends)
{
    ends->client = tunnel_make(ends, true);
    ends->server = tunnel_make(ends, false);
}

static void ends_shake_hands(struct ends *ends)
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

static void ends_free(struct ends *ends)
{
    pfswrap_tunnel_free(ends->client);
    pfswrap_tunnel_free(ends->server);
    pair_free(ends->pair);
    free(ends);
}

static struct ends *ends_open(void)
{
    struct ends *ends = ends_new();

    ends_start(ends);
    ends_shake_hands(ends);
    return ends;
}

START_TEST(the_handshake_costs_one_round_trip_and_the_confirm)
{
    struct ends *ends = ends_new();

    ends_start(ends);
    ck_assert_int_eq(PFSWRAP_TUNNEL_STOPPED, pfswrap_tunnel_handshake(ends->client));
    ck_assert_uint_eq(1, ends->up.calls);
    ck_assert_int_eq(PFSWRAP_TUNNEL_STOPPED, pfswrap_tunnel_handshake(ends->server));
    ck_assert_uint_eq(1, ends->down.calls);
    ck_assert_int_eq(1, pfswrap_tunnel_handshake(ends->client));
    ck_assert_uint_eq(2, ends->up.calls);
    ck_assert_int_eq(1, pfswrap_tunnel_handshake(ends->server));
    ck_assert_uint_eq(1, ends->down.calls);
    ck_assert_uint_eq(0, ends->up.wire.length);
    ends_free(ends);
}
END_TEST

START_TEST(another_binding_on_the_other_side_ends_the_handshake_on_both)
{
    struct ends *ends = ends_new();
    int error;

    ends->binding[0][31] = 1;
    ends_start(ends);
    ck_assert_int_eq(PFSWRAP_TUNNEL_STOPPED, pfswrap_tunnel_handshake(ends->client));
    error = pfswrap_tunnel_handshake(ends->server);
    ck_assert_int_eq(PFSWRAP_SEAL_E_HANDSHAKE, error);
    ck_assert_uint_eq(0, ends->down.wire.length);
    ends->down.ended = true;
    ck_assert_int_eq(PFSWRAP_SEAL_E_TRUNCATED, pfswrap_tunnel_handshake(ends->client));
    ends_free(ends);
}
END_TEST

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

static void converse(struct ends *ends)
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

START_TEST(every_byte_arrives_in_order_however_the_transport_cuts_them)
{
    struct ends *ends = ends_new();

    srand(7 + (unsigned)_i);
    ends->up.ragged = ends->down.ragged = _i > 0;
    ends->up.room = ends->down.room = _i > 2 ? 5000 : PAIR_WIRE;
    ends_start(ends);
    ends_shake_hands(ends);
    converse(ends);
    ends_free(ends);
}
END_TEST

START_TEST(keys_are_renewed_in_the_middle_of_a_conversation)
{
    struct ends *ends = ends_new();
    struct pfswrap_seal_info info;

    srand(99 + (unsigned)_i);
    ends->pair->client.config.rehandshake_bytes = 100000;
    if (_i == 4)
        ends->pair->client.config.post_quantum = ends->pair->server.config.post_quantum =
            PFSWRAP_SEAL_POST_QUANTUM_REQUIRE;
    ends->up.ragged = ends->down.ragged = true;
    ends->up.room = ends->down.room = 3000 + 7000 * (size_t)_i;
    ends_start(ends);
    ends_shake_hands(ends);
    converse(ends);
    ck_assert_int_eq(0, pfswrap_tunnel_describe(ends->client, &info));
    ck_assert_uint_gt(info.rehandshakes, 3);
    ends_free(ends);
}
END_TEST

static uint32_t renewed(const struct pfswrap_tunnel *tunnel)
{
    struct pfswrap_seal_info info;

    ck_assert_int_eq(0, pfswrap_tunnel_describe(tunnel, &info));
    return info.rehandshakes;
}

START_TEST(a_client_that_only_writes_renews_the_keys)
{
    struct ends *ends = ends_new();
    uint8_t buffer[2000] = {0};

    ends->pair->client.config.rehandshake_bytes = 50000;
    ends_start(ends);
    ends_shake_hands(ends);
    for (int i = 0; i < 200; i++) {
        ck_assert_int_eq(1000, pfswrap_tunnel_write(ends->client, buffer, 1000));
        ck_assert_int_eq(1000, pfswrap_tunnel_read(ends->server, buffer, sizeof buffer));
    }
    ck_assert_uint_eq(3, renewed(ends->client));
    ck_assert_uint_eq(3, renewed(ends->server));
    ends_free(ends);
}
END_TEST

START_TEST(data_that_comes_before_the_answer_is_kept_for_the_next_read)
{
    struct ends *ends = ends_new();
    uint8_t buffer[100] = {0};

    ends->pair->client.config.rehandshake_bytes = 1000;
    ends_start(ends);
    ends_shake_hands(ends);
    ck_assert_int_eq(5, pfswrap_tunnel_write(ends->server, "early", 5));
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(100, pfswrap_tunnel_write(ends->client, buffer, 100));
        ck_assert_int_eq(100, pfswrap_tunnel_read(ends->server, buffer, sizeof buffer));
    }
    ck_assert_uint_eq(0, renewed(ends->client));
    ck_assert_uint_eq(5, pfswrap_tunnel_pending(ends->client));
    ck_assert_int_eq(5, pfswrap_tunnel_read(ends->client, buffer, sizeof buffer));
    ck_assert_mem_eq("early", buffer, 5);
    ck_assert_int_eq(PFSWRAP_TUNNEL_STOPPED, pfswrap_tunnel_read(ends->client, buffer, sizeof buffer));
    ck_assert_uint_eq(1, renewed(ends->client));
    ends_free(ends);
}
END_TEST

START_TEST(a_client_that_only_reads_renews_the_keys)
{
    struct ends *ends = ends_open();
    uint8_t buffer[100];

    for (uint32_t hours = 1; hours <= 3; hours++) {
        ahead += 3600;
        for (int i = 0; i < 3; i++) {
            ck_assert_int_eq(4, pfswrap_tunnel_write(ends->server, "news", 4));
            ck_assert_int_eq(4, pfswrap_tunnel_read(ends->client, buffer, sizeof buffer));
            ck_assert_int_eq(PFSWRAP_TUNNEL_STOPPED, pfswrap_tunnel_peek(ends->server, buffer, 1));
        }
        ck_assert_int_eq(PFSWRAP_TUNNEL_STOPPED, pfswrap_tunnel_read(ends->client, buffer, sizeof buffer));
        ck_assert_int_eq(PFSWRAP_TUNNEL_STOPPED, pfswrap_tunnel_peek(ends->server, buffer, 1));
        ck_assert_uint_eq(hours, renewed(ends->client));
        ck_assert_uint_eq(hours, renewed(ends->server));
    }
    ends_free(ends);
}
END_TEST

START_TEST(closing_before_the_handshake_closes_nothing_and_says_so)
{
    struct ends *ends = ends_new();

    ends_start(ends);
    ck_assert_int_eq(PFSWRAP_SEAL_E_NOT_READY, pfswrap_tunnel_close(ends->client));
    ck_assert_int_eq(PFSWRAP_SEAL_E_NOT_READY, pfswrap_tunnel_close(ends->server));
    ck_assert_uint_eq(0, ends->up.wire.length + ends->down.wire.length);
    ck_assert_int_eq(PFSWRAP_TUNNEL_STOPPED, pfswrap_tunnel_handshake(ends->client));
    ck_assert_int_eq(PFSWRAP_TUNNEL_STOPPED, pfswrap_tunnel_handshake(ends->server));
    ck_assert_int_eq(PFSWRAP_SEAL_E_NOT_READY, pfswrap_tunnel_close(ends->client));
    ck_assert_int_eq(PFSWRAP_SEAL_E_NOT_READY, pfswrap_tunnel_close(ends->server));
    ends_shake_hands(ends);
    ck_assert_int_eq(1, pfswrap_tunnel_close(ends->client));
    ck_assert_int_eq(1, pfswrap_tunnel_close(ends->server));
    ends_free(ends);
}
END_TEST

static int read_too_many(void *context, void *buffer, size_t size)
{
    (void)context;
    memset(buffer, 0, size);
    return (int)size + 1;
}

START_TEST(a_transport_that_claims_more_than_it_was_asked_for_ends_it)
{
    struct ends *ends = ends_new();
    const struct pfswrap_tunnel_transport transport = {
        .read = read_too_many, .write = lane_write, .context = &ends->client_side};
    int error;

    ends->client =
        pfswrap_tunnel_new(PFSWRAP_SEAL_INITIATOR, &ends->pair->client.config, NULL, 0, 0, &transport, &error);
    ck_assert_int_eq(PFSWRAP_SEAL_E_POISONED, pfswrap_tunnel_handshake(ends->client));
    ck_assert_int_eq(PFSWRAP_SEAL_E_POISONED, pfswrap_tunnel_error(ends->client));
    ends_free(ends);
}
END_TEST

START_TEST(a_pending_write_completes_once_and_only_with_at_least_the_same_bytes)
{
    struct ends *ends = ends_open();
    uint8_t buffer[200];

    ends->up.closed = true;
    ck_assert_int_eq(PFSWRAP_TUNNEL_STOPPED, pfswrap_tunnel_write(ends->client, "twelve bytes", 12));
    ck_assert_uint_eq(12, pfswrap_tunnel_kept(ends->client));
    ck_assert_int_eq(PFSWRAP_SEAL_E_ARGUMENT, pfswrap_tunnel_write(ends->client, "twelve", 6));
    ck_assert_int_eq(PFSWRAP_TUNNEL_STOPPED, pfswrap_tunnel_write(ends->client, "other bytes, more", 17));
    ends->up.closed = false;
    ck_assert_int_eq(12, pfswrap_tunnel_write(ends->client, "other bytes, more", 17));
    ck_assert_uint_eq(0, pfswrap_tunnel_kept(ends->client));
    ck_assert_int_eq(12, pfswrap_tunnel_read(ends->server, buffer, sizeof buffer));
    ck_assert_mem_eq("twelve bytes", buffer, 12);
    ck_assert_int_eq(PFSWRAP_TUNNEL_STOPPED, pfswrap_tunnel_read(ends->server, buffer, sizeof buffer));
    ends_free(ends);
}
END_TEST

START_TEST(reading_continues_while_a_write_is_pending)
{
    struct ends *ends = ends_open();
    uint8_t buffer[200];

    ends->up.closed = true;
    ck_assert_int_eq(PFSWRAP_TUNNEL_STOPPED, pfswrap_tunnel_write(ends->client, "question", 8));
    ck_assert_int_eq(6, pfswrap_tunnel_write(ends->server, "answer", 6));
    ck_assert_int_eq(6, pfswrap_tunnel_read(ends->client, buffer, sizeof buffer));
    ends->up.closed = false;
    ck_assert_int_eq(8, pfswrap_tunnel_write(ends->client, "question", 8));
    ends_free(ends);
}
END_TEST

START_TEST(a_transport_that_ends_without_FINAL_is_truncation)
{
    struct ends *ends = ends_open();
    uint8_t buffer[200];

    ck_assert_int_eq(4, pfswrap_tunnel_write(ends->client, "last", 4));
    ends->up.ended = true;
    ck_assert_int_eq(4, pfswrap_tunnel_read(ends->server, buffer, sizeof buffer));
    ck_assert_int_eq(PFSWRAP_SEAL_E_TRUNCATED, pfswrap_tunnel_read(ends->server, buffer, sizeof buffer));
    ck_assert_int_eq(PFSWRAP_SEAL_E_TRUNCATED, pfswrap_tunnel_read(ends->server, buffer, sizeof buffer));
    ck_assert_int_eq(PFSWRAP_SEAL_E_TRUNCATED, pfswrap_tunnel_error(ends->server));
    ends_free(ends);
}
END_TEST

START_TEST(one_direction_can_be_closed_while_the_other_continues)
{
    struct ends *ends = ends_open();
    uint8_t buffer[200];

    ck_assert_int_eq(1, pfswrap_tunnel_close(ends->client));
    ck_assert_int_eq(1, pfswrap_tunnel_close(ends->client));
    ends->up.ended = true;
    ck_assert_int_eq(PFSWRAP_TUNNEL_END, pfswrap_tunnel_read(ends->server, buffer, sizeof buffer));
    ck_assert_int_eq(PFSWRAP_TUNNEL_END, pfswrap_tunnel_read(ends->server, buffer, sizeof buffer));
    ck_assert_int_eq(6, pfswrap_tunnel_write(ends->server, "answer", 6));
    ck_assert_int_eq(6, pfswrap_tunnel_read(ends->client, buffer, sizeof buffer));
    ck_assert_int_eq(PFSWRAP_SEAL_E_CLOSED, pfswrap_tunnel_write(ends->client, "more", 4));
    ends_free(ends);
}
END_TEST

START_TEST(FINAL_is_the_end_though_the_transport_does_not_end)
{
    struct ends *ends = ends_open();
    uint8_t buffer[200];

    ck_assert_int_eq(4, pfswrap_tunnel_write(ends->client, "data", 4));
    ck_assert(!tunnel_ends_next(ends->server));
    ck_assert_int_eq(1, pfswrap_tunnel_close(ends->client));
    ck_assert_int_eq(3, pfswrap_tunnel_read(ends->server, buffer, 3)); /* both frames are in the tunnel now */
    ck_assert(!tunnel_ends_next(ends->server));
    ck_assert_int_eq(1, pfswrap_tunnel_read(ends->server, buffer, sizeof buffer));
    ck_assert(tunnel_ends_next(ends->server));
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(PFSWRAP_TUNNEL_END, pfswrap_tunnel_read(ends->server, buffer, sizeof buffer));
        ck_assert(tunnel_ends_next(ends->server));
    }
    ends_free(ends);
}
END_TEST

START_TEST(a_byte_changed_on_the_way_ends_it)
{
    struct ends *ends = ends_open();
    uint8_t buffer[200];

    ck_assert_int_eq(4, pfswrap_tunnel_write(ends->client, "last", 4));
    ends->up.wire.bytes[10] ^= 1;
    ck_assert_int_eq(PFSWRAP_SEAL_E_FRAME, pfswrap_tunnel_read(ends->server, buffer, sizeof buffer));
    ck_assert_int_eq(PFSWRAP_SEAL_E_FRAME, pfswrap_tunnel_write(ends->server, "x", 1));
    ends_free(ends);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("tunnel");

    tcase_add_test(cases, the_handshake_costs_one_round_trip_and_the_confirm);
    tcase_add_test(cases, another_binding_on_the_other_side_ends_the_handshake_on_both);
    tcase_add_loop_test(cases, every_byte_arrives_in_order_however_the_transport_cuts_them, 0, 6);
    tcase_add_loop_test(cases, keys_are_renewed_in_the_middle_of_a_conversation, 0,
                        pfswrap_seal_has_post_quantum() ? 5 : 4);
    tcase_add_test(cases, a_client_that_only_writes_renews_the_keys);
    tcase_add_test(cases, data_that_comes_before_the_answer_is_kept_for_the_next_read);
    tcase_add_test(cases, a_client_that_only_reads_renews_the_keys);
    tcase_add_test(cases, closing_before_the_handshake_closes_nothing_and_says_so);
    tcase_add_test(cases, a_transport_that_claims_more_than_it_was_asked_for_ends_it);
    tcase_add_test(cases, a_pending_write_completes_once_and_only_with_at_least_the_same_bytes);
    tcase_add_test(cases, reading_continues_while_a_write_is_pending);
    tcase_add_test(cases, a_transport_that_ends_without_FINAL_is_truncation);
    tcase_add_test(cases, one_direction_can_be_closed_while_the_other_continues);
    tcase_add_test(cases, FINAL_is_the_end_though_the_transport_does_not_end);
    tcase_add_test(cases, a_byte_changed_on_the_way_ends_it);
    return run_suite(cases, "tunnel");
}
