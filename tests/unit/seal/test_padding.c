/*
 * Padded frames: their lengths, what a receiver refuses, and which peers a side that pads refuses.
 */
#include "../suite.h"
#include "forge.h"

#include "seal/padding.h"

enum { OFF = PFSWRAP_SEAL_PADDING_OFF, ALLOW = PFSWRAP_SEAL_PADDING_ALLOW, PADME = PFSWRAP_SEAL_PADDING_PADME };

static uint8_t bytes[100000];

/* A connection with these settings, in `pair`. Returns 0, or the error of the handshake. */
static int open_with(uint32_t client, uint32_t server)
{
    teardown();
    pair = pair_new();
    pair->client.config.padding = client;
    pair->server.config.padding = server;
    pair_start(pair);
    return pair_settle(pair);
}

/* The bytes on the wire of one write. */
static size_t wire_length(struct end *from, struct end *to, size_t length)
{
    const size_t before = to->in.length;

    ck_assert_int_eq(0, end_send(from, &to->in, bytes, length));
    return to->in.length - before;
}

START_TEST(padme_keeps_as_many_leading_bits_as_its_paper_says)
{
    static const size_t values[][2] = {{1, 1},       {8, 8},       {9, 10},       {10, 10},
                                       {33, 36},     {100, 104},   {127, 128},    {1000, 1024},
                                       {1025, 1088}, {4097, 4352}, {16000, 16384}};

    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        ck_assert_uint_eq(values[i][1], padding_length(PADDING_PADME, values[i][0], 20000));
    for (size_t length = 1; length <= PFSWRAP_SEAL_CHUNK_MAX; length++) {
        const size_t padded = padding_length(PADDING_PADME, length, PFSWRAP_SEAL_CHUNK_MAX);

        ck_assert_uint_ge(padded, length);
        ck_assert_uint_le(padded, length + length * 12 / 100);
        ck_assert_uint_eq(padded, padding_length(PADDING_PADME, padded, PFSWRAP_SEAL_CHUNK_MAX));
    }
}
END_TEST

START_TEST(a_block_size_is_a_power_of_2_from_16_to_16384)
{
    for (uint32_t setting = 0; setting < 70000; setting++) {
        const bool is_block = setting >= 16 && setting <= 16384 && (setting & (setting - 1)) == 0;
        const int encoded = padding_encode(setting);

        ck_assert_int_eq(is_block || setting <= PADME, encoded >= 0);
        if (encoded >= 0)
            ck_assert_uint_eq(setting, padding_setting((unsigned)encoded));
    }
    ck_assert_uint_eq(512, padding_length(9, 1, 16384));
    ck_assert_uint_eq(512, padding_length(9, 512, 16384));
    ck_assert_uint_eq(1024, padding_length(9, 513, 16384));
    ck_assert_uint_eq(700, padding_length(9, 600, 700));
}
END_TEST

START_TEST(every_length_arrives_with_each_setting)
{
    static const uint32_t settings[] = {PADME, 16, 512, 16384};

    fill(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        ck_assert_int_eq(0, open_with(settings[i], settings[i]));
        for (size_t length = 1; length <= 16390; length += length < 70 || length > 16360 ? 1 : 997) {
            pair_check_transfer(&pair->client, &pair->server, bytes, length);
            pair_check_transfer(&pair->server, &pair->client, bytes + length, length);
        }
        pair_check_transfer(&pair->client, &pair->server, bytes, sizeof bytes);
    }
}
END_TEST

START_TEST(writes_of_different_sizes_look_the_same)
{
    ck_assert_int_eq(0, open_with(512, PADME));
    for (size_t length = 1; length <= 510; length++)
        ck_assert_uint_eq(512 + 21, wire_length(&pair->client, &pair->server, length));
    ck_assert_uint_eq(1024 + 21, wire_length(&pair->client, &pair->server, 511));
    ck_assert_uint_eq(wire_length(&pair->server, &pair->client, 1090),
                      wire_length(&pair->server, &pair->client, 1150));
    ck_assert_int_eq(0, pair_settle(pair));
    ck_assert_int_eq(0, open_with(16384, OFF + ALLOW));
    ck_assert_uint_eq(16384 + 21, wire_length(&pair->client, &pair->server, 1));
    ck_assert_uint_eq(3 + 21, wire_length(&pair->server, &pair->client, 3));
    ck_assert_uint_eq(2 * (16384 + 21), wire_length(&pair->client, &pair->server, 16383));
    ck_assert_int_eq(0, pair_settle(pair));
}
END_TEST

START_TEST(a_side_that_pads_refuses_a_peer_that_cannot_read_it)
{
    static const struct {
        uint32_t client, server;
        int error;
    } all[] = {
        {OFF, OFF, 0},
        {OFF, ALLOW, 0},
        {ALLOW, OFF, 0},
        {ALLOW, ALLOW, 0},
        {ALLOW, PADME, 0},
        {PADME, ALLOW, 0},
        {PADME, 4096, 0},
        {OFF, PADME, PFSWRAP_SEAL_E_PADDING_REFUSED},
        {OFF, 16, PFSWRAP_SEAL_E_PADDING_REFUSED},
        {PADME, OFF, PFSWRAP_SEAL_E_PADDING_REFUSED},
        {64, OFF, PFSWRAP_SEAL_E_PADDING_REFUSED},
    };

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        struct pfswrap_seal_info info;
        const bool client_pads = all[i].client >= PADME, server_pads = all[i].server >= PADME;

        ck_assert_int_eq(all[i].error, open_with(all[i].client, all[i].server));
        if (all[i].error != 0)
            continue;
        ck_assert_int_eq(0, pfswrap_seal_describe(&pair->server.channel, &info));
        ck_assert_uint_eq(all[i].server, info.padding);
        ck_assert_int_eq(client_pads, info.peer_pads);
        ck_assert_int_eq(0, pfswrap_seal_describe(&pair->client.channel, &info));
        ck_assert_int_eq(server_pads, info.peer_pads);
        if (client_pads && server_pads)
            ck_assert_str_eq("both", padding_direction(&info));
        else if (client_pads)
            ck_assert_str_eq("sent", padding_direction(&info));
        else if (server_pads)
            ck_assert_str_eq("received", padding_direction(&info));
        else
            ck_assert_ptr_null(padding_direction(&info));
    }
}
END_TEST

START_TEST(without_padding_the_handshake_has_the_bytes_of_before)
{
    pair = pair_new();
    pair_start(pair);
    ck_assert_int_eq(28 + 102, end_take(&pair->client, &pair->server.in));
    teardown();
    pair = pair_new();
    pair->client.config.padding = ALLOW;
    pair_start(pair);
    ck_assert_int_eq(28 + 105, end_take(&pair->client, &pair->server.in));
}
END_TEST

START_TEST(padding_outlasts_a_re_handshake)
{
    fill(bytes, 4000);
    ck_assert_int_eq(0, open_with(64, PADME));
    for (int i = 1; i < 4; i++) {
        pfswrap_seal_tick(&pair->client.channel, PAIR_NOW + 3601 * (uint64_t)i);
        pfswrap_seal_tick(&pair->server.channel, PAIR_NOW + 3601 * (uint64_t)i);
        ck_assert_int_eq(0, pair_settle(pair));
        pair_check_transfer(&pair->client, &pair->server, bytes, 1000);
        pair_check_transfer(&pair->server, &pair->client, bytes, 1000);
        ck_assert_uint_eq(64 + 21, wire_length(&pair->client, &pair->server, 3));
        ck_assert_int_eq(0, pair_settle(pair));
    }
}
END_TEST

START_TEST(a_frame_that_is_not_padded_as_announced_is_refused)
{
    struct end *client, *server;

    ck_assert_int_eq(0, open_with(PADME, ALLOW));
    client = &pair->client;
    server = &pair->server;
    ck_assert_int_eq(0, try_forged(client, server, 3, REKEY, "data\0\0\0\0\0\4", 10));
    ck_assert_uint_eq(4, server->data_length);
    ck_assert_int_eq(0, open_with(PADME, ALLOW));
    ck_assert_int_eq(PFSWRAP_SEAL_E_PADDING, try_forged(&pair->client, &pair->server, 0, REKEY, "data", 4));
    ck_assert_int_eq(0, open_with(PADME, ALLOW)); /* a byte of the padding is not zero */
    ck_assert_int_eq(PFSWRAP_SEAL_E_PADDING,
                     try_forged(&pair->client, &pair->server, 3, REKEY, "data\0\0\1\0\0\4", 10));
    ck_assert_int_eq(0, open_with(PADME, ALLOW)); /* all of it is padding, or more */
    ck_assert_int_eq(PFSWRAP_SEAL_E_PADDING, try_forged(&pair->client, &pair->server, 3, REKEY, "\0\0\0\0\3", 5));
    ck_assert_int_eq(0, open_with(PADME, ALLOW));
    ck_assert_int_eq(PFSWRAP_SEAL_E_PADDING,
                     try_forged(&pair->client, &pair->server, 3, REKEY, "\0\0\0\xff\xff", 5));
    ck_assert_int_eq(0, open_with(PADME, ALLOW)); /* no room for data */
    ck_assert_int_eq(PFSWRAP_SEAL_E_FRAME_LENGTH, try_forged(&pair->client, &pair->server, 3, REKEY, "\0\0", 2));
    ck_assert_int_eq(0, open_with(PADME, ALLOW));
    ck_assert_int_eq(PFSWRAP_SEAL_E_FINAL, try_forged(&pair->client, &pair->server, 3, FINAL, "a\0\0", 3));
}
END_TEST

START_TEST(a_padded_frame_of_a_peer_that_has_not_announced_it_is_refused)
{
    ck_assert_int_eq(0, open_with(OFF, OFF));
    ck_assert_int_eq(PFSWRAP_SEAL_E_FRAME_TYPE, try_forged(&pair->client, &pair->server, 3, REKEY, "a\0\0", 3));
    ck_assert_int_eq(0, open_with(PADME, ALLOW));
    ck_assert_int_eq(PFSWRAP_SEAL_E_FRAME_TYPE, try_forged(&pair->server, &pair->client, 3, REKEY, "a\0\0", 3));
}
END_TEST

START_TEST(a_padded_frame_is_opened_only_into_room_for_all_of_it)
{
    struct pfswrap_seal_opened opened;
    struct end *server;
    uint8_t out[512];

    ck_assert_int_eq(0, open_with(512, ALLOW));
    server = &pair->server;
    ck_assert_int_eq(0, end_send(&pair->client, &server->in, "five.", 5));
    ck_assert_int_eq(PFSWRAP_SEAL_ROOM, pfswrap_seal_open(&server->channel, &server->config, server->in.bytes,
                                                          server->in.length, out, sizeof out - 1, &opened));
    ck_assert_uint_eq(512, opened.length);
    ck_assert_int_eq(PFSWRAP_SEAL_DATA, pfswrap_seal_open(&server->channel, &server->config, server->in.bytes,
                                                          server->in.length, out, sizeof out, &opened));
    ck_assert_uint_eq(5, opened.length);
    ck_assert_mem_eq(out, "five.", 5);
}
END_TEST

START_TEST(a_setting_that_is_not_valid_makes_no_channel)
{
    static const uint32_t wrong[] = {3, 4, 15, 17, 500, 16383, 32768, UINT32_MAX};

    pair = pair_new();
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct pfswrap_seal channel;

        pair->client.config.padding = wrong[i];
        ck_assert_int_eq(PFSWRAP_SEAL_E_ARGUMENT, pfswrap_seal_init(&channel, PFSWRAP_SEAL_INITIATOR,
                                                                    &pair->client.config, NULL, 0, 0, PAIR_NOW));
    }
}
END_TEST

static TCase *cases(void)
{
    TCase *tc = tcase_create("padding");

    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, padme_keeps_as_many_leading_bits_as_its_paper_says);
    tcase_add_test(tc, a_block_size_is_a_power_of_2_from_16_to_16384);
    tcase_add_test(tc, every_length_arrives_with_each_setting);
    tcase_add_test(tc, writes_of_different_sizes_look_the_same);
    tcase_add_test(tc, a_side_that_pads_refuses_a_peer_that_cannot_read_it);
    tcase_add_test(tc, without_padding_the_handshake_has_the_bytes_of_before);
    tcase_add_test(tc, padding_outlasts_a_re_handshake);
    tcase_add_test(tc, a_frame_that_is_not_padded_as_announced_is_refused);
    tcase_add_test(tc, a_padded_frame_of_a_peer_that_has_not_announced_it_is_refused);
    tcase_add_test(tc, a_padded_frame_is_opened_only_into_room_for_all_of_it);
    tcase_add_test(tc, a_setting_that_is_not_valid_makes_no_channel);
    return tc;
}

int main(void)
{
    return run_suite(cases(), "padding");
}
