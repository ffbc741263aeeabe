/*
 * Sealing in two steps: the valid arguments of sent(), what each does to the key stream, and that no order of calls
 * repeats a nonce or loses bytes.
 */
#include "pair.h"
#include "../suite.h"

static uint8_t out[PFSWRAP_SEAL_CHUNK_MAX + PFSWRAP_SEAL_BEGIN_OVERHEAD];

static int begin(struct end *end, const void *data, size_t length)
{
    size_t accepted;

    return pfswrap_seal_begin(&end->channel, data, length, out, sizeof out, &accepted);
}

START_TEST(a_frame_of_which_nothing_was_taken_is_rolled_back_and_wiped)
{
    struct pair *pair = pair_open();
    int length = begin(&pair->client, "never sent", 10);

    ck_assert_int_eq(31, length);
    ck_assert(!sodium_is_zero(out, (size_t)length));
    ck_assert_int_eq(0, pfswrap_seal_sent(&pair->client.channel, out, 0));
    ck_assert(sodium_is_zero(out, (size_t)length));
    pair_check_transfer(&pair->client, &pair->server, "sent instead", 12);
    pair_free(pair);
}
END_TEST

START_TEST(rolling_back_the_first_frame_keeps_its_header_owed)
{
    struct pair *pair = pair_new();

    pair_start_handshake(pair);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(24 + 21 + 5, begin(&pair->client, "early", 5));
        ck_assert_int_eq(0, pfswrap_seal_sent(&pair->client.channel, out, 0));
    }
    ck_assert(pfswrap_seal_owes(&pair->client.channel));
    pair_check_transfer(&pair->client, &pair->server, "early", 5);
    pair_check_transfer(&pair->client, &pair->server, "later", 5);
    pair_free(pair);
}
END_TEST

START_TEST(rollback_does_not_upset_a_longer_rekey_interval)
{
    struct pair *pair = pair_new();

    pair->client.config.rekey = pair->server.config.rekey = 3;
    pair_start(pair);
    ck_assert_int_eq(0, pair_settle(pair));
    for (int i = 0; i < 20; i++) {
        for (int j = 0; j < i % 4; j++) {
            ck_assert_int_gt(begin(&pair->client, "again", 5), 0);
            ck_assert_int_eq(0, pfswrap_seal_sent(&pair->client.channel, out, 0));
        }
        pair_check_transfer(&pair->client, &pair->server, "once", 4);
    }
    pair_free(pair);
}
END_TEST

START_TEST(a_frame_partly_taken_is_committed_and_the_rest_must_be_reported_first)
{
    struct pair *pair = pair_open();
    uint8_t take[PFSWRAP_SEAL_TAKE_BYTES];
    const int length = begin(&pair->client, "in two pieces", 13);

    wire_append(&pair->server.in, out, (size_t)length);
    ck_assert_int_eq(0, pfswrap_seal_sent(&pair->client.channel, out, 20));
    ck_assert_int_eq(PFSWRAP_SEAL_E_UNSENT, begin(&pair->client, "next", 4));
    ck_assert_int_eq(0, pfswrap_seal_close(&pair->client.channel));
    ck_assert_int_eq(PFSWRAP_SEAL_E_UNSENT,
                     pfswrap_seal_take(&pair->client.channel, &pair->client.config, take, sizeof take));
    ck_assert_int_eq(0, pfswrap_seal_sent(&pair->client.channel, NULL, (size_t)length - 21));
    ck_assert_int_eq(0, pfswrap_seal_sent(&pair->client.channel, NULL, 0));
    ck_assert_int_eq(PFSWRAP_SEAL_E_UNSENT,
                     pfswrap_seal_take(&pair->client.channel, &pair->client.config, take, 512));
    ck_assert_int_eq(0, pfswrap_seal_sent(&pair->client.channel, NULL, 1));
    ck_assert_int_eq(0, pair_settle(pair));
    ck_assert_mem_eq(pair->server.data, "in two pieces", 13);
    ck_assert(pair->server.final);
    pair_free(pair);
}
END_TEST

START_TEST(a_begin_that_was_never_answered_poisons_the_next_call)
{
    struct pair *pair = pair_open();
    uint8_t take[PFSWRAP_SEAL_TAKE_BYTES];
    struct end *client = &pair->client;

    ck_assert_int_gt(begin(client, "left by longjmp", 15), 0);
    switch (_i) {
    case 0:
        ck_assert_int_eq(PFSWRAP_SEAL_E_POISONED, begin(client, "x", 1));
        break;
    case 1:
        ck_assert_int_eq(PFSWRAP_SEAL_E_POISONED, pfswrap_seal_close(&client->channel));
        break;
    default:
        pfswrap_seal_poison(&client->channel);
        break;
    }
    ck_assert_int_eq(PFSWRAP_SEAL_E_POISONED, pfswrap_seal_error(&client->channel));
    ck_assert_int_eq(PFSWRAP_SEAL_E_POISONED, begin(client, "x", 1));
    ck_assert_int_eq(PFSWRAP_SEAL_E_POISONED, pfswrap_seal_sent(&client->channel, out, 0));
    ck_assert_int_eq(PFSWRAP_SEAL_E_POISONED,
                     pfswrap_seal_take(&client->channel, &client->config, take, sizeof take));
    ck_assert_int_eq(PFSWRAP_SEAL_E_POISONED, pfswrap_seal_end(&client->channel));
    ck_assert(!pfswrap_seal_ready(&client->channel));
    ck_assert(!pfswrap_seal_owes(&client->channel));
    pair_free(pair);
}
END_TEST

START_TEST(reporting_too_many_bytes_poisons)
{
    struct pair *pair = pair_open();
    int length = begin(&pair->client, "abc", 3);

    if (_i == 0) {
        ck_assert_int_eq(PFSWRAP_SEAL_E_POISONED,
                         pfswrap_seal_sent(&pair->client.channel, out, (size_t)length + 1));
    } else {
        ck_assert_int_eq(0, pfswrap_seal_sent(&pair->client.channel, out, (size_t)length - 1));
        ck_assert_int_eq(PFSWRAP_SEAL_E_POISONED, pfswrap_seal_sent(&pair->client.channel, NULL, 2));
    }
    ck_assert_int_eq(PFSWRAP_SEAL_E_POISONED, begin(&pair->client, "x", 1));
    pair_free(pair);
}
END_TEST

START_TEST(no_two_frames_that_leave_share_a_key_stream)
{
    struct pair *pair = pair_open();
    static uint8_t zero[1024], first[1024 + 21];

    ck_assert_int_eq(1045, begin(&pair->client, zero, sizeof zero));
    memcpy(first, out, sizeof first);
    ck_assert_int_eq(0, pfswrap_seal_sent(&pair->client.channel, out, 1));
    ck_assert_int_eq(0, pfswrap_seal_sent(&pair->client.channel, NULL, 1044));
    ck_assert_int_eq(1045, begin(&pair->client, zero, sizeof zero));
    for (size_t i = 4; i + 32 < 1028; i += 32)
        ck_assert_mem_ne(first + i, out + i, 32);
    pair_free(pair);
}
END_TEST

START_TEST(closing_refuses_more_data_and_repeating_it_does_nothing)
{
    struct pair *pair = pair_open();

    ck_assert_int_eq(0, pfswrap_seal_close(&pair->client.channel));
    ck_assert_int_eq(PFSWRAP_SEAL_E_CLOSED, begin(&pair->client, "x", 1));
    ck_assert_int_eq(21, end_take(&pair->client, &pair->server.in));
    ck_assert_int_eq(0, pfswrap_seal_close(&pair->client.channel));
    ck_assert_int_eq(0, end_take(&pair->client, &pair->server.in));
    ck_assert_int_eq(0, end_open(&pair->server));
    ck_assert(pair->server.final);
    pair_free(pair);
}
END_TEST

START_TEST(invalid_arguments_change_nothing)
{
    struct pair *pair = pair_open();
    struct pfswrap_seal_opened opened;
    struct pfswrap_seal_config config = pair->client.config;
    struct pfswrap_seal other;
    uint8_t binding[33] = {0};
    size_t accepted;

    ck_assert_int_eq(PFSWRAP_SEAL_E_ARGUMENT, begin(&pair->client, "x", 0));
    ck_assert_int_eq(PFSWRAP_SEAL_E_ARGUMENT,
                     pfswrap_seal_begin(&pair->client.channel, "x", 1, out, PFSWRAP_SEAL_OVERHEAD, &accepted));
    ck_assert_int_eq(PFSWRAP_SEAL_E_ARGUMENT,
                     pfswrap_seal_open(&pair->client.channel, NULL, out, 1, out, 1, &opened));
    ck_assert_int_eq(PFSWRAP_SEAL_E_ARGUMENT,
                     pfswrap_seal_open(&pair->client.channel, &config, NULL, 1, out, 1, &opened));
    ck_assert_int_eq(PFSWRAP_SEAL_E_ARGUMENT,
                     pfswrap_seal_init(&other, (enum pfswrap_seal_role)3, &config, NULL, 0, 0, PAIR_NOW));
    ck_assert_int_eq(PFSWRAP_SEAL_E_ARGUMENT,
                     pfswrap_seal_init(&other, PFSWRAP_SEAL_INITIATOR, &config, binding, 33, 0, PAIR_NOW));
    ck_assert_int_eq(PFSWRAP_SEAL_E_ARGUMENT,
                     pfswrap_seal_init(&other, PFSWRAP_SEAL_INITIATOR, NULL, NULL, 0, 0, PAIR_NOW));
    config.name_count = 0;
    ck_assert_int_eq(PFSWRAP_SEAL_E_NO_PEER,
                     pfswrap_seal_init(&other, PFSWRAP_SEAL_INITIATOR, &config, NULL, 0, 0, PAIR_NOW));
    ck_assert(sodium_is_zero((const uint8_t *)&other, sizeof other));
    ck_assert_int_eq(PFSWRAP_SEAL_E_CHANNEL, pfswrap_seal_error(&other));
    ck_assert_int_eq(PFSWRAP_SEAL_E_CHANNEL,
                     pfswrap_seal_open(&other, &pair->client.config, NULL, 0, NULL, 0, &opened));
    pair_check_transfer(&pair->client, &pair->server, "unharmed", 8);
    pair_free(pair);
}
END_TEST

START_TEST(without_an_identity_or_a_peer_there_is_no_channel)
{
    struct pair *pair = pair_new();
    struct pfswrap_keyring *empty = pfswrap_keyring_new();
    struct pfswrap_seal_config config = pair->client.config;
    static const char *const unknown[] = {"unknown"};
    struct pfswrap_seal channel;

    config.keyring = empty;
    ck_assert_int_eq(PFSWRAP_SEAL_E_NO_IDENTITY,
                     pfswrap_seal_init(&channel, PFSWRAP_SEAL_INITIATOR, &config, NULL, 0, 0, PAIR_NOW));
    ck_assert_int_eq(PFSWRAP_SEAL_E_NO_IDENTITY,
                     pfswrap_seal_init(&channel, PFSWRAP_SEAL_RESPONDER, &config, NULL, 0, 0, PAIR_NOW));
    config = pair->client.config;
    config.names = unknown;
    ck_assert_int_eq(PFSWRAP_SEAL_E_NO_PEER,
                     pfswrap_seal_init(&channel, PFSWRAP_SEAL_INITIATOR, &config, NULL, 0, 0, PAIR_NOW));
    pfswrap_keyring_free(empty);
    pair_free(pair);
}
END_TEST

static TCase *cases(void)
{
    TCase *tc = tcase_create("sender");

    tcase_add_test(tc, a_frame_of_which_nothing_was_taken_is_rolled_back_and_wiped);
    tcase_add_test(tc, rolling_back_the_first_frame_keeps_its_header_owed);
    tcase_add_test(tc, rollback_does_not_upset_a_longer_rekey_interval);
    tcase_add_test(tc, a_frame_partly_taken_is_committed_and_the_rest_must_be_reported_first);
    tcase_add_loop_test(tc, a_begin_that_was_never_answered_poisons_the_next_call, 0, 3);
    tcase_add_loop_test(tc, reporting_too_many_bytes_poisons, 0, 2);
    tcase_add_test(tc, no_two_frames_that_leave_share_a_key_stream);
    tcase_add_test(tc, closing_refuses_more_data_and_repeating_it_does_nothing);
    tcase_add_test(tc, invalid_arguments_change_nothing);
    tcase_add_test(tc, without_an_identity_or_a_peer_there_is_no_channel);
    return tc;
}

int main(void)
{
    return run_suite(cases(), "sender");
}
