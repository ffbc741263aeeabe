/* The tunnel over transports that behave badly. */
#include "../suite.h"
#include "tunnels.h"

#include <stdlib.h>

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

START_TEST(every_byte_arrives_in_order_however_the_transport_cuts_them)
{
    struct ends *ends = ends_new();

    srand(7 + (unsigned)_i);
    ends->up.ragged = ends->down.ragged = _i > 0;
    ends->up.room = ends->down.room = _i > 2 ? 5000 : PAIR_WIRE;
    ends_start(ends);
    ends_shake_hands(ends);
    ends_converse(ends);
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
