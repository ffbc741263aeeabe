/*
 * A re-handshake that is begun, answered or ended out of turn, with another key or with an invalid payload is
 * refused with its reason.
 */
#include "ephemeral.h"
#include "forge.h"
#include "../suite.h"

START_TEST(rehandshake_frames_out_of_turn_are_refused)
{
    uint8_t content[24 + 96] = {0};

    ck_assert_int_eq(PFSWRAP_SEAL_E_REHANDSHAKE, try_forged(&pair->client, &pair->server, 2, REKEY, content, 24));
    setup();
    ck_assert_int_eq(PFSWRAP_SEAL_E_REHANDSHAKE, try_forged(&pair->server, &pair->client, 1, REKEY, content, 96));
    setup();
    ck_assert_int_eq(PFSWRAP_SEAL_E_REHANDSHAKE, try_forged(&pair->server, &pair->client, 2, REKEY, content, 120));
    setup();
    ck_assert_int_eq(PFSWRAP_SEAL_E_HANDSHAKE, try_forged(&pair->client, &pair->server, 1, REKEY, content, 20));
    setup();
    content[0] = 9;
    ck_assert_int_eq(PFSWRAP_SEAL_E_HANDSHAKE, try_forged(&pair->client, &pair->server, 1, REKEY, content, 96));
}
END_TEST

START_TEST(a_second_request_and_an_answer_of_the_wrong_length_are_refused)
{
    struct channel *client = channel_of(&pair->client.channel);
    uint8_t content[24 + 10] = {0};

    pfswrap_seal_tick(&pair->client.channel, PAIR_NOW + 4000);
    ck_assert_int_gt(end_take(&pair->client, &wire), 0);
    client->renewal = RENEWAL_NONE; /* it forgets that it has asked */
    ck_assert_int_gt(end_take(&pair->client, &wire), 0);
    ck_assert_int_eq(PFSWRAP_SEAL_E_REHANDSHAKE, try_open(&pair->server, wire.bytes, wire.length));
    setup();
    pfswrap_seal_tick(&pair->client.channel, PAIR_NOW + 4000);
    ck_assert_int_gt(end_take(&pair->client, &pair->server.in), 0);
    ck_assert_int_eq(0, end_open(&pair->server));
    ck_assert_int_eq(PFSWRAP_SEAL_E_FRAME_LENGTH,
                     try_forged(&pair->server, &pair->client, 2, REKEY, content, sizeof content));
    setup();
    pfswrap_seal_tick(&pair->client.channel, PAIR_NOW + 4000);
    ck_assert_int_gt(end_take(&pair->client, &pair->server.in), 0);
    ck_assert_int_eq(0, end_open(&pair->server));
    ck_assert_int_gt(end_take(&pair->server, &pair->client.in), 0);
    ck_assert_int_eq(PFSWRAP_SEAL_E_FRAME_LENGTH, try_forged(&pair->client, &pair->server, 2, REKEY, content, 25));
}
END_TEST

START_TEST(a_message_1_longer_than_1024_bytes_is_refused_by_its_length)
{
    static const uint8_t content[1049] = {9}; /* a usable ephemeral key, and then a wrong tag */

    ck_assert_int_eq(PFSWRAP_SEAL_E_HANDSHAKE, try_forged(&pair->client, &pair->server, 1, REKEY, content, 1024));
    setup();
    for (size_t length = 1025; length <= sizeof content; length++) {
        const uint8_t prefix[3] = {1, (uint8_t)((length + 17) >> 8), (uint8_t)(length + 17)};

        ck_assert_int_eq(PFSWRAP_SEAL_E_FRAME_LENGTH, try_open(&pair->server, prefix, sizeof prefix));
    }
    const uint8_t longest[3] = {2, (1048 + 17) >> 8, (1048 + 17) & 255};
    const uint8_t too_long[3] = {2, (1049 + 17) >> 8, (1049 + 17) & 255};
    ck_assert_int_eq(0, try_open(&pair->client, longest, sizeof longest)); /* it waits for the rest */
    ck_assert_int_eq(PFSWRAP_SEAL_E_FRAME_LENGTH, try_open(&pair->client, too_long, sizeof too_long));
}
END_TEST

START_TEST(a_rehandshake_with_another_identity_is_refused)
{
    struct channel *client = channel_of(&pair->client.channel);
    uint8_t other[32], other_public[32];

    pfswrap_key_generate(other);
    pfswrap_key_derive_public(other_public, other);
    ck_assert_int_eq(0, pfswrap_keyring_add_identity(pair->client.keyring, other));
    ck_assert_int_eq(0, pfswrap_keyring_add_peer(pair->server.keyring, "other", other_public, PFSWRAP_NEVER, NULL));
    memcpy(client->own_static, other_public, sizeof other_public);
    pfswrap_seal_tick(&pair->client.channel, PAIR_NOW + 4000);
    ck_assert_int_eq(PFSWRAP_SEAL_E_PEER_CHANGED, pair_settle(pair));
}
END_TEST

START_TEST(a_request_in_place_of_the_confirm_is_refused)
{
    struct channel *client = channel_of(&pair->client.channel);
    uint8_t header[24];

    pair_start_handshake(pair);
    memcpy(header, client->header, sizeof header);
    client->header_owed = client->confirm_owed = false;
    wire_append(&wire, header, sizeof header);
    pfswrap_seal_tick(&pair->client.channel, PAIR_NOW + 4000);
    ck_assert_int_gt(end_take(&pair->client, &wire), 0);
    ck_assert_int_eq(PFSWRAP_SEAL_E_REHANDSHAKE, try_open(&pair->server, wire.bytes, wire.length));
}
END_TEST

START_TEST(handshake_payloads_that_are_not_type_length_value_are_refused)
{
    static const struct {
        uint8_t bytes[12];
        size_t length;
        int error;
    } payloads[] = {
        {{0}, 0, 0},                                     /* nothing: every default */
        {{1, 4, 0, 0, 0, 9, 77, 1, 5}, 9, 0},            /* an unknown type after the known ones */
        {{1}, 1, PFSWRAP_SEAL_E_PAYLOAD},                /* no length */
        {{77, 5, 0}, 3, PFSWRAP_SEAL_E_PAYLOAD},         /* beyond the end */
        {{1, 3, 0, 0, 1}, 5, PFSWRAP_SEAL_E_PAYLOAD},    /* a short interval */
        {{1, 4, 0, 0, 0, 0}, 6, PFSWRAP_SEAL_E_PAYLOAD}, /* an interval of 0 */
        {{1, 4, 0, 0, 0, 2, 1, 4, 0, 0, 0, 2}, 12, PFSWRAP_SEAL_E_PAYLOAD}, /* twice */
        {{2, 3, 0, 0, 1}, 5, PFSWRAP_SEAL_E_PAYLOAD},                       /* a short psk id */
    };

    for (size_t i = 0; i < sizeof payloads / sizeof payloads[0]; i++) {
        const struct noise_static client = {pair->client.secret, pair->client.public_key, NULL};
        struct noise_handshake noise;
        struct channel_room room;
        struct channel *server;
        uint8_t message[128], bytes[CHANNEL_MESSAGE_MAX];

        pair_start(pair);
        server = channel_of(&pair->server.channel);
        room = channel_room_of(&pair->server.channel);
        server->pattern = NOISE_IK;
        memcpy(server->own_static, pair->server.public_key, 32);
        noise_start(&noise, NOISE_IK, (const uint8_t *)"p", 1, pair->server.public_key);
        ck_assert_int_eq(0, make_ephemeral(&noise, &(struct mlkem_stack){NULL, 0}));
        ck_assert_int_eq(0, noise_write_1(&noise, &client, payloads[i].bytes, payloads[i].length, message));
        ck_assert_int_eq(payloads[i].error, exchange_read_1(server, &pair->server.config, (const uint8_t *)"p", 1,
                                                            message, 96 + payloads[i].length, &room, bytes));
        ck_assert_uint_eq(1, server->rekey);
    }
}
END_TEST

static TCase *cases(void)
{
    TCase *tc = tcase_create("adversary_rehandshake");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, rehandshake_frames_out_of_turn_are_refused);
    tcase_add_test(tc, a_second_request_and_an_answer_of_the_wrong_length_are_refused);
    tcase_add_test(tc, a_message_1_longer_than_1024_bytes_is_refused_by_its_length);
    tcase_add_test(tc, a_rehandshake_with_another_identity_is_refused);
    tcase_add_test(tc, a_request_in_place_of_the_confirm_is_refused);
    tcase_add_test(tc, handshake_payloads_that_are_not_type_length_value_are_refused);
    return tc;
}

int main(void)
{
    return run_suite(cases(), "adversary_rehandshake");
}
