/*
 * The limits of a connection whose peer does not renew the keys, or renews them all the time (docs/WIRE.md, 2.11).
 * Time is what pfswrap_seal_tick() says. A peer that never asks, or never answers, is a channel whose own limits
 * are off, or whose frames the test does not deliver.
 */
#include "forge.h"
#include "../suite.h"

enum { HOUR = 3600, DAY = 86400, UP = 0, DOWN = 1 };

static uint64_t now;

static void go_on(uint64_t seconds)
{
    now += seconds;
    pfswrap_seal_tick(&pair->client.channel, now);
    pfswrap_seal_tick(&pair->server.channel, now);
}

/* A pair whose client never asks for new keys. */
static void start_without_asking(void)
{
    teardown();
    pair = pair_new();
    pair->client.config.rehandshake_seconds = UINT32_MAX;
    pair->client.config.rehandshake_bytes = UINT64_MAX;
    pair_start(pair);
    ck_assert_int_eq(0, pair_settle(pair));
    now = PAIR_NOW;
}

static void start(void)
{
    setup();
    now = PAIR_NOW;
}

/* One byte in this direction. Returns 0 or the first error. */
static int pass(int direction)
{
    struct end *from = direction == UP ? &pair->client : &pair->server;
    struct end *to = direction == UP ? &pair->server : &pair->client;
    const int error = end_send(from, &to->in, "x", 1);

    return error != 0 ? error : end_open(to);
}

/* The same after both sides have exchanged what they owe. */
static int converse(int direction)
{
    const int error = pass(direction);

    return error == PFSWRAP_SEAL_E_TAKE_FIRST ? pair_settle(pair) : error != 0 ? error : pair_settle(pair);
}

static uint32_t renewed(const struct end *end)
{
    struct pfswrap_seal_info info;

    ck_assert_int_eq(0, pfswrap_seal_describe(&end->channel, &info));
    return info.rehandshakes;
}

START_TEST(a_client_that_never_asks_loses_the_connection_a_day_after_it_was_due)
{
    start_without_asking();
    go_on(HOUR - 1);
    for (int minutes = 0; minutes <= 24 * 60; minutes++) {
        ck_assert_int_eq(0, pass(_i));
        go_on(60);
    }
    ck_assert_int_eq(PFSWRAP_SEAL_E_OVERDUE, pass(_i));
    ck_assert_int_eq(PFSWRAP_SEAL_E_OVERDUE, pfswrap_seal_error(&pair->server.channel));
    ck_assert_int_eq(PFSWRAP_SEAL_E_OVERDUE, pass(DOWN));
}
END_TEST

START_TEST(an_idle_connection_is_not_ended_and_renews_its_keys_with_the_next_byte)
{
    start();
    for (uint32_t month = 1; month <= 3; month++) {
        go_on(30 * DAY);
        ck_assert_int_eq(0, converse(_i));
        ck_assert_uint_eq(month, renewed(&pair->client));
        ck_assert_uint_eq(month, renewed(&pair->server));
    }
}
END_TEST

START_TEST(a_pause_counts_as_an_hour_so_a_machine_that_wakes_up_has_time_to_answer)
{
    start_without_asking();
    go_on(HOUR);
    for (int pauses = 0; pauses < 24; pauses++) {
        ck_assert_int_eq(0, pass(DOWN));
        go_on(30 * DAY);
    }
    ck_assert_int_eq(PFSWRAP_SEAL_E_OVERDUE, pass(DOWN));
    start_without_asking();
    go_on(HOUR);
    ck_assert_int_eq(0, pass(DOWN));
    now -= 2 * HOUR; /* the clock is set back */
    for (int i = 0; i < 100; i++) {
        go_on(0);
        ck_assert_int_eq(0, pass(DOWN));
    }
}
END_TEST

START_TEST(the_volume_ends_it_as_well_in_both_directions_together)
{
    start_without_asking();
    channel_of(&pair->server.channel)->volume = CHANNEL_REHANDSHAKE_BYTES + CHANNEL_OVERDUE_BYTES - 2;
    ck_assert_int_eq(0, pass(UP));
    ck_assert_int_eq(0, pass(DOWN));
    ck_assert_int_eq(PFSWRAP_SEAL_E_OVERDUE, pass(_i));
}
END_TEST

START_TEST(a_responder_whose_limits_are_off_ends_nothing)
{
    teardown();
    pair = pair_new();
    pair->client.config.rehandshake_seconds = pair->server.config.rehandshake_seconds = UINT32_MAX;
    pair->client.config.rehandshake_bytes = pair->server.config.rehandshake_bytes = UINT64_MAX;
    pair_start(pair);
    ck_assert_int_eq(0, pair_settle(pair));
    now = PAIR_NOW;
    channel_of(&pair->server.channel)->volume = UINT64_MAX - 100;
    for (int i = 0; i < 40; i++) {
        go_on(HOUR);
        ck_assert_int_eq(0, pass(i % 2));
    }
}
END_TEST

/* After FINAL there can be no re-handshake, so that nobody can be blamed for it. */
START_TEST(a_direction_that_continues_after_the_others_end_is_not_ended)
{
    struct end *closing, *open;

    start();
    closing = _i == UP ? &pair->server : &pair->client;
    open = _i == UP ? &pair->client : &pair->server;
    ck_assert_int_eq(0, pfswrap_seal_close(&closing->channel));
    ck_assert_int_gt(end_take(closing, &open->in), 0);
    ck_assert_int_eq(0, end_open(open));
    for (int hours = 0; hours < 50; hours++) {
        go_on(HOUR);
        ck_assert_int_eq(0, pass(_i));
    }
}
END_TEST

START_TEST(a_responder_that_never_answers_loses_the_connection_as_well)
{
    start();
    go_on(HOUR);
    ck_assert_int_gt(end_take(&pair->client, &wire), 0); /* what it asks is lost on the way */
    for (int minutes = 0; minutes < 24 * 60; minutes++) {
        ck_assert_int_eq(0, end_send(&pair->client, &wire, "x", 1));
        wire.length = 0;
        go_on(60);
    }
    ck_assert_int_eq(PFSWRAP_SEAL_E_OVERDUE, end_send(&pair->client, &wire, "x", 1));
}
END_TEST

START_TEST(the_end_of_the_stream_is_in_order_even_if_the_keys_are_too_old)
{
    start_without_asking();
    for (int hours = 0; hours < 24; hours++) {
        go_on(HOUR);
        ck_assert_int_eq(0, pass(DOWN));
    }
    go_on(HOUR);
    ck_assert_int_eq(0, pfswrap_seal_close(&pair->client.channel));
    ck_assert_int_gt(end_take(&pair->client, &pair->server.in), 0);
    ck_assert_int_eq(0, end_open(&pair->server));
    ck_assert(pair->server.final);
}
END_TEST

/* The keyring of one side again, in which the other's key expires an hour after the start. */
static struct pfswrap_keyring *short_lived(const struct end *end, const struct end *other, const char *name)
{
    struct pfswrap_keyring *keyring = pfswrap_keyring_new();

    ck_assert_int_eq(0, pfswrap_keyring_add_identity(keyring, end->secret));
    ck_assert_int_eq(0, pfswrap_keyring_add_peer(keyring, name, other->public_key, PAIR_NOW + HOUR, NULL));
    return keyring;
}

START_TEST(a_connection_ends_within_an_hour_after_its_key_has_expired_without_a_rehandshake)
{
    struct pfswrap_keyring *keyring;

    teardown();
    pair = pair_new();
    keyring = short_lived(&pair->server, &pair->client, "client");
    pair->server.config.keyring = keyring;
    pair->client.config.rehandshake_seconds = UINT32_MAX;
    pair_start(pair);
    ck_assert_int_eq(0, pair_settle(pair));
    now = PAIR_NOW;
    go_on(HOUR);
    ck_assert_int_eq(0, pass(_i));
    go_on(HOUR + 1);
    ck_assert_int_eq(PFSWRAP_SEAL_E_PEER_EXPIRED, pass(_i));
    ck_assert_int_eq(PFSWRAP_SEAL_E_PEER_EXPIRED, pfswrap_seal_error(&pair->server.channel));
    pfswrap_keyring_free(keyring);
}
END_TEST

START_TEST(a_key_that_expires_during_a_month_without_a_byte_ends_it_with_the_next_one)
{
    struct pfswrap_keyring *keyring;
    struct end *bent;

    teardown();
    pair = pair_new();
    bent = _i == 0 ? &pair->server : &pair->client;
    keyring = short_lived(bent, _i == 0 ? &pair->client : &pair->server, _i == 0 ? "client" : "server");
    bent->config.keyring = keyring;
    pair_start(pair);
    ck_assert_int_eq(0, pair_settle(pair));
    now = PAIR_NOW;
    go_on(30 * DAY);
    ck_assert_int_eq(PFSWRAP_SEAL_E_PEER_EXPIRED, end_send(&pair->server, &pair->client.in, "x", 1) != 0
                                                      ? pfswrap_seal_error(&pair->server.channel)
                                                      : end_open(&pair->client));
    pfswrap_keyring_free(keyring);
}
END_TEST

/* After a restart or an exec, the peers file may no longer have the line. */
START_TEST(a_line_that_left_the_peers_file_ends_the_connection_within_an_hour)
{
    struct pfswrap_keyring *keyring = pfswrap_keyring_new();

    start_without_asking();
    ck_assert_int_eq(0, pfswrap_keyring_add_identity(keyring, pair->server.secret));
    pair->server.config.keyring = keyring;
    go_on(HOUR - 1);
    ck_assert_int_eq(0, pass(UP));
    go_on(1);
    if (_i == UP)
        ck_assert_int_eq(PFSWRAP_SEAL_E_PEER_UNKNOWN, pass(UP));
    else /* nothing arrives, and the server looks for it */
        ck_assert_int_eq(PFSWRAP_SEAL_E_PEER_UNKNOWN, end_open(&pair->server));
    pfswrap_keyring_free(keyring);
}
END_TEST

START_TEST(a_name_that_the_rule_no_longer_admits_ends_the_connection_within_an_hour)
{
    static const char *const others[] = {"other"};

    start_without_asking();
    pair->server.config.names = others;
    pair->server.config.name_count = 1;
    go_on(HOUR);
    ck_assert_int_eq(PFSWRAP_SEAL_E_PEER_REFUSED, pass(UP));
}
END_TEST

START_TEST(data_in_the_old_stream_after_the_initiators_type_2_is_refused)
{
    struct channel_stream old;

    start();
    go_on(HOUR);
    ck_assert_int_gt(end_take(&pair->client, &pair->server.in), 0);
    ck_assert_int_eq(0, pass(UP)); /* behind its type 1: still in order */
    ck_assert_int_gt(end_take(&pair->server, &pair->client.in), 0);
    ck_assert_int_eq(0, pass(UP)); /* it has not read the server's type 2 */
    ck_assert_int_eq(0, end_open(&pair->client));
    old = channel_of(&pair->client.channel)->push;
    ck_assert_int_gt(end_take(&pair->client, &pair->server.in), 0);
    ck_assert_int_eq(0, end_open(&pair->server));
    channel_of(&pair->client.channel)->push = old;
    ck_assert_int_eq(PFSWRAP_SEAL_E_FRAME, pass(UP));
}
END_TEST

START_TEST(an_initiator_that_never_leaves_its_old_stream_loses_the_connection_after_a_day)
{
    start();
    go_on(HOUR);
    ck_assert_int_gt(end_take(&pair->client, &pair->server.in), 0);
    ck_assert_int_eq(0, end_open(&pair->server));
    ck_assert_int_gt(end_take(&pair->server, &wire), 0);                 /* the client never reads this */
    channel_of(&pair->client.channel)->rehandshake_seconds = UINT32_MAX; /* and it has no limit of its own */
    for (int minutes = 0; minutes < 24 * 60; minutes++) {
        ck_assert_int_eq(0, pass(UP));
        go_on(60);
    }
    ck_assert_int_eq(PFSWRAP_SEAL_E_OVERDUE, pass(UP));
}
END_TEST

/* The client asks, the server answers, the client switches. Returns 0 or the error. */
static int renew_now(void)
{
    struct channel *client = channel_of(&pair->client.channel);

    client->recent = 0; /* a client without a limit of its own */
    client->volume = client->rehandshake_bytes;
    return pair_settle(pair);
}

START_TEST(a_responder_serves_32_rehandshakes_in_a_row_and_then_one_each_second)
{
    start();
    for (int i = 0; i < 32; i++)
        ck_assert_int_eq(0, renew_now());
    for (int i = 0; i < 50; i++) {
        go_on(1);
        ck_assert_int_eq(0, renew_now());
    }
    ck_assert_uint_eq(82, renewed(&pair->server));
    ck_assert_int_eq(PFSWRAP_SEAL_E_TOO_OFTEN, renew_now());
    ck_assert_int_eq(PFSWRAP_SEAL_E_TOO_OFTEN, pfswrap_seal_error(&pair->server.channel));
    start();
    for (int i = 0; i < 32; i++)
        ck_assert_int_eq(0, renew_now());
    go_on(DAY);
    for (int i = 0; i < 32; i++)
        ck_assert_int_eq(0, renew_now());
    ck_assert_int_eq(PFSWRAP_SEAL_E_TOO_OFTEN, renew_now());
}
END_TEST

START_TEST(an_initiator_of_this_version_stays_below_the_rate_limit)
{
    teardown();
    pair = pair_new();
    pair->client.config.rehandshake_bytes = 1;
    pair_start(pair);
    ck_assert_int_eq(0, pair_settle(pair));
    now = PAIR_NOW;
    for (int i = 0; i < 4000; i++) {
        if (i % 100 == 99)
            go_on(1);
        ck_assert_int_eq(0, converse(i % 2));
    }
    ck_assert_uint_eq(16 + 40 / 2, renewed(&pair->client));
    ck_assert_uint_eq(16 + 40 / 2, renewed(&pair->server));
}
END_TEST

static TCase *cases(void)
{
    TCase *tc = tcase_create("limits");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, a_client_that_never_asks_loses_the_connection_a_day_after_it_was_due, UP, DOWN + 1);
    tcase_add_loop_test(tc, an_idle_connection_is_not_ended_and_renews_its_keys_with_the_next_byte, UP, DOWN + 1);
    tcase_add_test(tc, a_pause_counts_as_an_hour_so_a_machine_that_wakes_up_has_time_to_answer);
    tcase_add_loop_test(tc, the_volume_ends_it_as_well_in_both_directions_together, UP, DOWN + 1);
    tcase_add_test(tc, a_responder_whose_limits_are_off_ends_nothing);
    tcase_add_loop_test(tc, a_direction_that_continues_after_the_others_end_is_not_ended, UP, DOWN + 1);
    tcase_add_test(tc, a_responder_that_never_answers_loses_the_connection_as_well);
    tcase_add_test(tc, the_end_of_the_stream_is_in_order_even_if_the_keys_are_too_old);
    tcase_add_loop_test(tc, a_connection_ends_within_an_hour_after_its_key_has_expired_without_a_rehandshake, UP,
                        DOWN + 1);
    tcase_add_loop_test(tc, a_key_that_expires_during_a_month_without_a_byte_ends_it_with_the_next_one, 0, 2);
    tcase_add_loop_test(tc, a_line_that_left_the_peers_file_ends_the_connection_within_an_hour, UP, DOWN + 1);
    tcase_add_test(tc, a_name_that_the_rule_no_longer_admits_ends_the_connection_within_an_hour);
    tcase_add_test(tc, data_in_the_old_stream_after_the_initiators_type_2_is_refused);
    tcase_add_test(tc, an_initiator_that_never_leaves_its_old_stream_loses_the_connection_after_a_day);
    tcase_add_test(tc, a_responder_serves_32_rehandshakes_in_a_row_and_then_one_each_second);
    tcase_add_test(tc, an_initiator_of_this_version_stays_below_the_rate_limit);
    return tc;
}

int main(void)
{
    return run_suite(cases(), "limits");
}
