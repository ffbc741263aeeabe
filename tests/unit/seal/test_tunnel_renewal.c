/* Tunnels that renew their keys while data passes, in one direction or in both. */
#include "../clock.h"
#include "../suite.h"
#include "tunnels.h"

#include <stdlib.h>

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
    ends_converse(ends);
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
        clock_ahead += 3600;
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

int main(void)
{
    TCase *cases = tcase_create("tunnel_renewal");
    tcase_add_loop_test(cases, keys_are_renewed_in_the_middle_of_a_conversation, 0,
                        pfswrap_seal_has_post_quantum() ? 5 : 4);
    tcase_add_test(cases, a_client_that_only_writes_renews_the_keys);
    tcase_add_test(cases, data_that_comes_before_the_answer_is_kept_for_the_next_read);
    tcase_add_test(cases, a_client_that_only_reads_renews_the_keys);
    return run_suite(cases, "tunnel_renewal");
}
