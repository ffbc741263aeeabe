/*
 * Re-handshakes inside the stream: when they are due, that both directions change keys, that data flows meanwhile,
 * and how they cross with FINAL.
 */
#include "pair.h"
#include "../suite.h"

static void tick_both(struct pair *pair, uint64_t now)
{
    pfswrap_seal_tick(&pair->client.channel, now);
    pfswrap_seal_tick(&pair->server.channel, now);
}

static uint32_t count(const struct end *end)
{
    struct pfswrap_seal_info info;

    ck_assert_int_eq(0, pfswrap_seal_describe(&end->channel, &info));
    return info.rehandshakes;
}

START_TEST(it_is_due_after_an_hour_in_every_pattern_and_changes_the_handshake_hash)
{
    struct pair *pair = pair_new();
    struct pfswrap_seal_info before, after;

    pair_set_pattern(pair, (enum pfswrap_seal_pattern)_i);
    pair_start(pair);
    ck_assert_int_eq(0, pair_settle(pair));
    ck_assert_int_eq(0, pfswrap_seal_describe(&pair->server.channel, &before));
    tick_both(pair, PAIR_NOW + 3599);
    ck_assert(!pfswrap_seal_owes(&pair->client.channel));
    for (uint32_t i = 1; i <= 3; i++) {
        tick_both(pair, PAIR_NOW + 3600 * i);
        ck_assert(pfswrap_seal_owes(&pair->client.channel));
        ck_assert(!pfswrap_seal_owes(&pair->server.channel));
        ck_assert_int_eq(PFSWRAP_SEAL_E_TAKE_FIRST, end_send(&pair->client, &pair->server.in, "x", 1));
        ck_assert_int_eq(0, pair_settle(pair));
        ck_assert_uint_eq(i, count(&pair->client));
        ck_assert_uint_eq(i, count(&pair->server));
        pair_check_transfer(&pair->client, &pair->server, "new keys", 8);
        pair_check_transfer(&pair->server, &pair->client, "both ways", 9);
    }
    ck_assert_int_eq(0, pfswrap_seal_describe(&pair->server.channel, &after));
    ck_assert_mem_ne(before.handshake_hash, after.handshake_hash, 32);
    ck_assert_int_eq(0, pfswrap_seal_close(&pair->client.channel));
    ck_assert_int_eq(0, pfswrap_seal_close(&pair->server.channel));
    ck_assert_int_eq(0, pair_settle(pair));
    ck_assert(pair->client.final && pair->server.final);
    pair_free(pair);
}
END_TEST

START_TEST(it_is_due_after_the_agreed_volume_in_either_direction)
{
    struct pair *pair = pair_new();
    static uint8_t data[10000];

    pair->client.config.rehandshake_bytes = 20000;
    pair_start(pair);
    ck_assert_int_eq(0, pair_settle(pair));
    pair_check_transfer(&pair->client, &pair->server, data, sizeof data);
    ck_assert(!pfswrap_seal_owes(&pair->client.channel));
    pair_check_transfer(&pair->server, &pair->client, data, sizeof data);
    ck_assert(pfswrap_seal_owes(&pair->client.channel));
    ck_assert_int_eq(0, pair_settle(pair));
    ck_assert_uint_eq(1, count(&pair->client));
    pair_free(pair);
}
END_TEST

START_TEST(time_that_runs_backwards_counts_as_age_and_the_largest_limits_mean_never)
{
    struct pair *pair = pair_open();

    tick_both(pair, PAIR_NOW - 1);
    ck_assert(pfswrap_seal_owes(&pair->client.channel));
    pair_free(pair);
    pair = pair_new();
    pair->client.config.rehandshake_seconds = UINT32_MAX;
    pair->client.config.rehandshake_bytes = UINT64_MAX;
    pair_start(pair);
    ck_assert_int_eq(0, pair_settle(pair));
    tick_both(pair, PAIR_NOW + ((uint64_t)1 << 40));
    ck_assert(!pfswrap_seal_owes(&pair->client.channel));
    pair_free(pair);
}
END_TEST

START_TEST(data_flows_both_ways_at_every_step_of_it)
{
    struct pair *pair = pair_open();
    struct end *client = &pair->client, *server = &pair->server;

    tick_both(pair, PAIR_NOW + 4000);
    ck_assert_int_gt(end_take(client, &server->in), 0);
    ck_assert_int_eq(0, end_send(client, &server->in, "a", 1));
    ck_assert_int_eq(0, end_send(server, &client->in, "1", 1));
    ck_assert_int_eq(0, end_open(server));
    ck_assert_int_eq(PFSWRAP_SEAL_E_TAKE_FIRST, end_send(server, &client->in, "x", 1));
    ck_assert_int_gt(end_take(server, &client->in), 0);
    ck_assert_int_eq(0, end_send(server, &client->in, "2", 1));
    ck_assert_int_eq(0, end_send(client, &server->in, "b", 1));
    ck_assert_int_eq(0, end_open(server));
    ck_assert_int_eq(0, end_open(client));
    ck_assert_int_eq(PFSWRAP_SEAL_E_TAKE_FIRST, end_send(client, &server->in, "x", 1));
    ck_assert_int_eq(3 + 24 + 17 + 1, end_take(client, &server->in));
    ck_assert_int_eq(0, end_send(client, &server->in, "c", 1));
    ck_assert_int_eq(0, end_send(server, &client->in, "3", 1));
    ck_assert_int_eq(0, end_open(server));
    ck_assert_int_eq(0, end_open(client));
    ck_assert_uint_eq(3, server->data_length);
    ck_assert_mem_eq("abc", server->data, 3);
    ck_assert_uint_eq(3, client->data_length);
    ck_assert_mem_eq("123", client->data, 3);
    ck_assert_uint_eq(1, count(server));
    pair_free(pair);
}
END_TEST

START_TEST(a_request_that_crosses_the_responders_FINAL_is_dropped)
{
    struct pair *pair = pair_open();
    struct end *client = &pair->client, *server = &pair->server;

    tick_both(pair, PAIR_NOW + 4000);
    ck_assert_int_gt(end_take(client, &server->in), 0);
    ck_assert_int_eq(0, pfswrap_seal_close(&server->channel));
    ck_assert_int_gt(end_take(server, &client->in), 0);
    ck_assert_int_eq(0, end_open(server));
    ck_assert_int_eq(0, end_open(client));
    ck_assert(client->final);
    ck_assert(!pfswrap_seal_owes(&client->channel));
    pair_check_transfer(client, server, "old keys, one way", 17);
    ck_assert_int_eq(0, pfswrap_seal_close(&client->channel));
    ck_assert_int_eq(0, pair_settle(pair));
    ck_assert(server->final);
    pair_free(pair);
}
END_TEST

START_TEST(an_initiator_that_closes_after_asking_still_reads_the_new_stream)
{
    struct pair *pair = pair_open();
    struct end *client = &pair->client, *server = &pair->server;

    tick_both(pair, PAIR_NOW + 4000);
    ck_assert_int_gt(end_take(client, &server->in), 0);
    ck_assert_int_eq(0, pfswrap_seal_close(&client->channel));
    ck_assert_int_eq(21, end_take(client, &server->in));
    ck_assert_int_eq(0, end_open(server));
    ck_assert(server->final);
    ck_assert_int_gt(end_take(server, &client->in), 0);
    pair_check_transfer(server, client, "answer", 6);
    ck_assert_int_eq(0, pfswrap_seal_close(&server->channel));
    ck_assert_int_eq(0, pair_settle(pair));
    ck_assert(client->final);
    pair_free(pair);
}
END_TEST

START_TEST(a_responder_that_closes_before_its_answer_still_answers)
{
    struct pair *pair = pair_open();
    struct end *client = &pair->client, *server = &pair->server;

    tick_both(pair, PAIR_NOW + 4000);
    ck_assert_int_gt(end_take(client, &server->in), 0);
    ck_assert_int_eq(0, end_open(server));
    ck_assert_int_eq(0, pfswrap_seal_close(&server->channel));
    ck_assert_int_eq(0, pair_settle(pair));
    ck_assert(client->final);
    pair_check_transfer(client, server, "new keys", 8);
    pair_free(pair);
}
END_TEST

START_TEST(a_key_that_expires_ends_the_connection_at_the_next_handshake)
{
    struct pair *pair = pair_new();
    struct pfswrap_keyring *short_lived = pfswrap_keyring_new();
    struct end *bent = _i == 0 ? &pair->server : &pair->client;
    const struct end *other = _i == 0 ? &pair->client : &pair->server;

    ck_assert_int_eq(0, pfswrap_keyring_add_identity(short_lived, bent->secret));
    ck_assert_int_eq(0, pfswrap_keyring_add_peer(short_lived, _i == 0 ? "client" : "server", other->public_key,
                                                 PAIR_NOW + 1000, NULL));
    bent->config.keyring = short_lived;
    pair_start(pair);
    ck_assert_int_eq(0, pair_settle(pair));
    tick_both(pair, PAIR_NOW + 4000);
    ck_assert_int_eq(PFSWRAP_SEAL_E_PEER_EXPIRED, pair_settle(pair));
    ck_assert_int_eq(PFSWRAP_SEAL_E_PEER_EXPIRED, pfswrap_seal_error(&bent->channel));
    pfswrap_keyring_free(short_lived);
    pair_free(pair);
}
END_TEST

START_TEST(an_identity_that_left_the_keyring_is_reported_without_an_end)
{
    struct pair *pair = pair_open();
    struct pfswrap_keyring *other = pfswrap_keyring_new();
    struct pfswrap_seal_config config = pair->client.config;
    uint8_t out[PFSWRAP_SEAL_TAKE_BYTES];

    ck_assert_int_eq(0, pfswrap_keyring_add_peer(other, "server", pair->server.public_key, PFSWRAP_NEVER, NULL));
    config.keyring = other;
    tick_both(pair, PAIR_NOW + 4000);
    ck_assert_int_eq(PFSWRAP_SEAL_E_NO_IDENTITY,
                     pfswrap_seal_take(&pair->client.channel, &config, out, sizeof out));
    ck_assert_int_eq(0, pair_settle(pair));
    ck_assert_uint_eq(1, count(&pair->client));
    pfswrap_keyring_free(other);
    pair_free(pair);
}
END_TEST

static TCase *cases(void)
{
    TCase *tc = tcase_create("rehandshake");

    tcase_add_loop_test(tc, it_is_due_after_an_hour_in_every_pattern_and_changes_the_handshake_hash,
                        PFSWRAP_SEAL_IK, pair_patterns_end());
    tcase_add_test(tc, it_is_due_after_the_agreed_volume_in_either_direction);
    tcase_add_test(tc, time_that_runs_backwards_counts_as_age_and_the_largest_limits_mean_never);
    tcase_add_test(tc, data_flows_both_ways_at_every_step_of_it);
    tcase_add_test(tc, a_request_that_crosses_the_responders_FINAL_is_dropped);
    tcase_add_test(tc, an_initiator_that_closes_after_asking_still_reads_the_new_stream);
    tcase_add_test(tc, a_responder_that_closes_before_its_answer_still_answers);
    tcase_add_loop_test(tc, a_key_that_expires_ends_the_connection_at_the_next_handshake, 0, 2);
    tcase_add_test(tc, an_identity_that_left_the_keyring_is_reported_without_an_end);
    return tc;
}

int main(void)
{
    return run_suite(cases(), "rehandshake");
}
