/*
 * Two channels: handshakes in every pattern, data both ways in every size, what each side learns, and the orderly
 * end. Errors are in the other files.
 */
#include "pair.h"

#include "seal/noise.h"
#include "../suite.h"

static uint8_t pattern_data[100000];

START_TEST(every_pattern_carries_data_both_ways_and_closes)
{
    const enum pfswrap_seal_pattern pattern = (enum pfswrap_seal_pattern)_i;
    struct pair *pair = pair_new();
    struct pfswrap_seal_info client, server;

    fill(pattern_data, sizeof pattern_data);
    pair_set_pattern(pair, pattern);
    pair_start(pair);
    ck_assert_int_eq(0, pair_settle(pair));
    pair_check_transfer(&pair->client, &pair->server, "question", 8);
    pair_check_transfer(&pair->server, &pair->client, pattern_data, sizeof pattern_data);
    pair_check_transfer(&pair->client, &pair->server, pattern_data, sizeof pattern_data);

    ck_assert_int_eq(0, pfswrap_seal_describe(&pair->client.channel, &client));
    ck_assert_int_eq(0, pfswrap_seal_describe(&pair->server.channel, &server));
    ck_assert_int_eq(pattern, client.pattern);
    ck_assert_int_eq(pattern, server.pattern);
    ck_assert_str_eq("server", client.peer_name);
    ck_assert_mem_eq(client.peer_key, pair->server.public_key, 32);
    ck_assert_mem_eq(server.own_key, pair->server.public_key, 32);
    ck_assert_mem_eq(client.handshake_hash, server.handshake_hash, 32);
    ck_assert_mem_eq(client.psk_id, server.psk_id, 8);
    ck_assert(sodium_is_zero(client.psk_id, 8) == !noise_pattern_has_psk((enum noise_pattern)pattern));
    if (pair->client.config.anonymous) {
        ck_assert_str_eq("", server.peer_name);
        ck_assert(sodium_is_zero(server.peer_key, 32));
        ck_assert(sodium_is_zero(client.own_key, 32));
    } else {
        ck_assert_str_eq("client", server.peer_name);
        ck_assert_mem_eq(server.peer_key, pair->client.public_key, 32);
        ck_assert_mem_eq(client.own_key, pair->client.public_key, 32);
    }

    ck_assert_int_eq(0, pfswrap_seal_close(&pair->client.channel));
    ck_assert_int_eq(0, pair_settle(pair));
    ck_assert(pair->server.final);
    ck_assert(!pair->client.final);
    pair_check_transfer(&pair->server, &pair->client, "still here", 10);
    ck_assert_int_eq(0, pfswrap_seal_close(&pair->server.channel));
    ck_assert_int_eq(0, pair_settle(pair));
    ck_assert(pair->client.final);
    ck_assert_int_eq(0, pfswrap_seal_end(&pair->client.channel));
    ck_assert_int_eq(0, pfswrap_seal_end(&pair->server.channel));
    pair_free(pair);
}
END_TEST

START_TEST(every_size_of_chunk_survives)
{
    struct pair *pair = pair_open();

    fill(pattern_data, sizeof pattern_data);
    for (size_t length = 1; length <= PFSWRAP_SEAL_CHUNK_MAX; length += length < 200 ? 1 : 1009)
        pair_check_transfer(&pair->client, &pair->server, pattern_data, length);
    pair_check_transfer(&pair->client, &pair->server, pattern_data, PFSWRAP_SEAL_CHUNK_MAX);
    pair->server.frames = 0;
    pair_check_transfer(&pair->client, &pair->server, pattern_data, PFSWRAP_SEAL_CHUNK_MAX + 1);
    ck_assert_uint_eq(2, pair->server.frames);
    pair_free(pair);
}
END_TEST

START_TEST(the_responder_is_silent_until_a_frame_of_the_initiator_has_authenticated)
{
    struct pair *pair = pair_new();
    struct pfswrap_seal_info info;
    uint8_t out[128];
    size_t accepted;

    pair_start(pair);
    ck_assert_int_gt(end_take(&pair->client, &pair->server.in), 0);
    ck_assert_int_eq(0, end_open(&pair->server));
    ck_assert_int_gt(end_take(&pair->server, &pair->client.in), 0);
    ck_assert(!pfswrap_seal_ready(&pair->server.channel));
    ck_assert(!pfswrap_seal_owes(&pair->server.channel));
    ck_assert_int_eq(PFSWRAP_SEAL_E_NOT_READY,
                     pfswrap_seal_begin(&pair->server.channel, "no", 2, out, sizeof out, &accepted));
    ck_assert_int_eq(PFSWRAP_SEAL_E_NOT_READY, pfswrap_seal_describe(&pair->server.channel, &info));
    ck_assert_int_eq(0, pfswrap_seal_close(&pair->server.channel));
    ck_assert(!pfswrap_seal_owes(&pair->server.channel)); /* not even FINAL */
    ck_assert_int_eq(0, pair_settle(pair));
    ck_assert(pfswrap_seal_ready(&pair->server.channel));
    ck_assert(pair->client.final);
    pair_free(pair);
}
END_TEST

START_TEST(data_sent_at_once_takes_the_place_of_the_confirm)
{
    struct pair *pair = pair_new();

    pair_start_handshake(pair);
    ck_assert(pfswrap_seal_owes(&pair->client.channel));
    ck_assert_int_eq(0, end_send(&pair->client, &pair->server.in, "hello", 5));
    ck_assert_uint_eq(24 + 5 + 21, pair->server.in.length);
    ck_assert(!pfswrap_seal_owes(&pair->client.channel));
    ck_assert_int_eq(0, end_open(&pair->server));
    ck_assert(pfswrap_seal_ready(&pair->server.channel));
    ck_assert_mem_eq(pair->server.data, "hello", 5);
    pair_free(pair);
}
END_TEST

START_TEST(a_client_that_closes_without_data_is_still_authenticated)
{
    struct pair *pair = pair_new();

    pair_start_handshake(pair);
    ck_assert_int_eq(0, pfswrap_seal_close(&pair->client.channel));
    ck_assert_int_eq(24 + 21, end_take(&pair->client, &pair->server.in));
    ck_assert_int_eq(0, end_open(&pair->server));
    ck_assert(pair->server.final);
    ck_assert(pfswrap_seal_ready(&pair->server.channel));
    pair_free(pair);
}
END_TEST

START_TEST(the_smaller_rekey_interval_of_both_applies)
{
    struct pair *pair = pair_new();
    struct pfswrap_seal_info info;

    fill(pattern_data, sizeof pattern_data);
    pair->client.config.rekey = 7;
    pair->server.config.rekey = 100;
    pair_start(pair);
    ck_assert_int_eq(0, pair_settle(pair));
    ck_assert_int_eq(0, pfswrap_seal_describe(&pair->client.channel, &info));
    ck_assert_uint_eq(7, info.rekey);
    ck_assert_int_eq(0, pfswrap_seal_describe(&pair->server.channel, &info));
    ck_assert_uint_eq(7, info.rekey);
    for (size_t i = 1; i < 40; i++) {
        pair_check_transfer(&pair->client, &pair->server, pattern_data, i);
        pair_check_transfer(&pair->server, &pair->client, pattern_data, i);
    }
    pair_free(pair);
}
END_TEST

START_TEST(frames_for_tls_fit_one_record_even_with_the_header)
{
    struct pair *pair = pair_new();
    static uint8_t out[PFSWRAP_SEAL_CHUNK_MAX + PFSWRAP_SEAL_BEGIN_OVERHEAD];
    size_t accepted;

    fill(pattern_data, sizeof pattern_data);
    pair->client.config.transport_max = PFSWRAP_SEAL_TLS_RECORD;
    pair_start_handshake(pair);
    ck_assert_int_eq(16384, pfswrap_seal_begin(&pair->client.channel, pattern_data, sizeof pattern_data, out,
                                               sizeof out, &accepted));
    ck_assert_uint_eq(16384 - 24 - 21, accepted);
    ck_assert_int_eq(0, pfswrap_seal_sent(&pair->client.channel, out, 16384));
    ck_assert_int_eq(16384, pfswrap_seal_begin(&pair->client.channel, pattern_data, sizeof pattern_data, out,
                                               sizeof out, &accepted));
    ck_assert_uint_eq(16363, accepted);
    pair_free(pair);
}
END_TEST

START_TEST(service_and_binding_must_be_the_same_on_both_sides)
{
    struct pair *pair = pair_new();
    const uint8_t binding[32] = {1, 2, 3};

    pair->client.config.service = pair->server.config.service = "redis";
    ck_assert_int_eq(0, pfswrap_seal_init(&pair->client.channel, PFSWRAP_SEAL_INITIATOR, &pair->client.config,
                                          binding, sizeof binding, 0, PAIR_NOW));
    ck_assert_int_eq(0, pfswrap_seal_init(&pair->server.channel, PFSWRAP_SEAL_RESPONDER, &pair->server.config,
                                          binding, sizeof binding, 0, PAIR_NOW));
    ck_assert_int_eq(0, pair_settle(pair));
    pair_check_transfer(&pair->client, &pair->server, "x", 1);
    pair_free(pair);
}
END_TEST

START_TEST(keys_rotate_one_side_at_a_time)
{
    struct pair *pair = pair_new();
    uint8_t next[32], next_public[32], psk[3][32];
    struct pfswrap_seal_info info;

    /* The server has its next identity already; the client has both public keys and begins with either. */
    pfswrap_key_generate(next);
    pfswrap_key_derive_public(next_public, next);
    ck_assert_int_eq(0, pfswrap_keyring_add_identity(pair->server.keyring, next));
    ck_assert_int_eq(0, pfswrap_keyring_add_peer(pair->client.keyring, "server", next_public, PFSWRAP_NEVER, NULL));
    /* psk 0 is only the client's, psk 1 is common, psk 2 only the server's. */
    for (int i = 0; i < 3; i++)
        pfswrap_key_generate(psk[i]);
    ck_assert_int_eq(0, pfswrap_keyring_add_psk(pair->client.keyring, psk[0]));
    ck_assert_int_eq(0, pfswrap_keyring_add_psk(pair->client.keyring, psk[1]));
    ck_assert_int_eq(0, pfswrap_keyring_add_psk(pair->server.keyring, psk[2]));
    ck_assert_int_eq(0, pfswrap_keyring_add_psk(pair->server.keyring, psk[1]));
    for (unsigned candidate = 0; candidate < 4; candidate++) {
        pair_start(pair);
        ck_assert_int_eq(0, pfswrap_seal_init(&pair->client.channel, PFSWRAP_SEAL_INITIATOR, &pair->client.config,
                                              NULL, 0, candidate, PAIR_NOW));
        ck_assert_int_eq(0, pair_settle(pair));
        ck_assert_int_eq(0, pfswrap_seal_describe(&pair->client.channel, &info));
        ck_assert_mem_eq(info.peer_key, candidate % 2 ? next_public : pair->server.public_key, 32);
        pair_check_transfer(&pair->server, &pair->client, "rotated", 7);
    }
    pair_free(pair);
}
END_TEST

/* Moves both ends to another address and overwrites the old memory. */
static struct pair *move(struct pair *pair)
{
    struct pair *moved = malloc(sizeof *moved);

    ck_assert_ptr_nonnull(moved);
    memcpy(moved, pair, sizeof *moved);
    memset(pair, 0xEE, sizeof *pair);
    free(pair);
    return moved;
}

START_TEST(a_channel_can_be_moved_at_any_moment)
{
    struct pair *pair = pair_new();

    fill(pattern_data, sizeof pattern_data);
    pair_start(pair);
    for (int i = 0; i < 12; i++) {
        pair = move(pair);
        (void)end_take(&pair->client, &pair->server.in);
        pair = move(pair);
        ck_assert_int_eq(0, end_open(&pair->server));
        pair = move(pair);
        (void)end_take(&pair->server, &pair->client.in);
        pair = move(pair);
        ck_assert_int_eq(0, end_open(&pair->client));
        if (i > 4) {
            pfswrap_seal_tick(&pair->client.channel, PAIR_NOW + (uint64_t)i * 1000);
            pair = move(pair);
            ck_assert_int_eq(0, pair_settle(pair));
            pair_check_transfer(&pair->client, &pair->server, pattern_data, (size_t)i * 100);
            pair_check_transfer(&pair->server, &pair->client, pattern_data, (size_t)i * 100);
        }
    }
    pair_free(pair);
}
END_TEST

static TCase *cases(void)
{
    TCase *tc = tcase_create("channel");

    tcase_add_loop_test(tc, every_pattern_carries_data_both_ways_and_closes, PFSWRAP_SEAL_IK, pair_patterns_end());
    tcase_add_test(tc, every_size_of_chunk_survives);
    tcase_add_test(tc, the_responder_is_silent_until_a_frame_of_the_initiator_has_authenticated);
    tcase_add_test(tc, data_sent_at_once_takes_the_place_of_the_confirm);
    tcase_add_test(tc, a_client_that_closes_without_data_is_still_authenticated);
    tcase_add_test(tc, the_smaller_rekey_interval_of_both_applies);
    tcase_add_test(tc, frames_for_tls_fit_one_record_even_with_the_header);
    tcase_add_test(tc, service_and_binding_must_be_the_same_on_both_sides);
    tcase_add_test(tc, keys_rotate_one_side_at_a_time);
    tcase_add_test(tc, a_channel_can_be_moved_at_any_moment);
    return tc;
}

int main(void)
{
    return run_suite(cases(), "channel");
}
