/*
 * Tampered, dropped, repeated or mixed frames are detected, and so is a peer that holds the keys and breaks the
 * rules.
 */
#include "forge.h"
#include "../suite.h"

START_TEST(each_flipped_bit_of_a_frame_is_refused)
{
    ck_assert_int_eq(0, end_send(&pair->client, &wire, "sixteen bytes...", 16));
    ck_assert_int_eq(0, try_open(&pair->server, wire.bytes, wire.length));
    for (size_t bit = 0; bit < wire.length * 8; bit++) {
        const size_t offset = bit / 8;
        int error;

        wire.bytes[offset] ^= (uint8_t)(1 << bit % 8);
        error = try_open(&pair->server, wire.bytes, wire.length);
        if (offset == 0)
            ck_assert(error == PFSWRAP_SEAL_E_FRAME_TYPE || error == PFSWRAP_SEAL_E_FRAME);
        else if (offset < 3) /* or it waits for a longer frame, which does not come */
            ck_assert(error == PFSWRAP_SEAL_E_FRAME_LENGTH || error == PFSWRAP_SEAL_E_FRAME || error == 0);
        else
            ck_assert_int_eq(offset + 1 < wire.length ? PFSWRAP_SEAL_E_FRAME : PFSWRAP_SEAL_E_TRAILER, error);
        ck_assert_uint_eq(error == PFSWRAP_SEAL_E_TRAILER ? 16 : 0, pair->server.data_length);
        wire.bytes[offset] ^= (uint8_t)(1 << bit % 8);
    }
}
END_TEST

START_TEST(each_truncation_of_a_frame_waits_and_its_end_is_an_error)
{
    const struct pfswrap_seal before = pair->server.channel;

    ck_assert_int_eq(0, end_send(&pair->client, &wire, "cut short", 9));
    for (size_t length = 0; length < wire.length; length++) {
        ck_assert_int_eq(0, try_open(&pair->server, wire.bytes, length));
        wire_append(&pair->server.in, wire.bytes, 0);
        ck_assert_uint_eq(length < wire.length - 1 ? 0 : 9, pair->server.data_length);
        ck_assert_int_eq(PFSWRAP_SEAL_E_TRUNCATED, pfswrap_seal_end(&pair->server.channel));
        pair->server.channel = before;
    }
}
END_TEST

START_TEST(frames_replayed_reordered_dropped_or_reflected_are_refused)
{
    struct wire one = {.length = 0}, two = {.length = 0};

    ck_assert_int_eq(0, end_send(&pair->client, &one, "one", 3));
    ck_assert_int_eq(0, end_send(&pair->client, &two, "two", 3));
    ck_assert_int_eq(PFSWRAP_SEAL_E_FRAME, try_open(&pair->server, two.bytes, two.length));
    ck_assert_int_eq(PFSWRAP_SEAL_E_FRAME, try_open(&pair->client, one.bytes, one.length));
    wire_append(&wire, one.bytes, one.length);
    wire_append(&wire, one.bytes, one.length);
    ck_assert_int_eq(PFSWRAP_SEAL_E_FRAME, try_open(&pair->server, wire.bytes, wire.length));
    ck_assert_uint_eq(3, pair->server.data_length);
    wire.length = 0;
    wire_append(&wire, one.bytes, one.length);
    wire_append(&wire, two.bytes, two.length);
    ck_assert_int_eq(0, try_open(&pair->server, wire.bytes, wire.length));
    ck_assert_uint_eq(6, pair->server.data_length);
}
END_TEST

START_TEST(frames_of_another_connection_between_the_same_peers_are_refused)
{
    struct pfswrap_seal client = pair->client.channel, server = pair->server.channel;

    pair_start(pair);
    ck_assert_int_eq(0, pair_settle(pair));
    ck_assert_int_eq(0, end_send(&pair->client, &wire, "spliced", 7));
    ck_assert_int_eq(0, try_open(&pair->server, wire.bytes, wire.length));
    pair->server.channel = server;
    ck_assert_int_eq(PFSWRAP_SEAL_E_FRAME, try_open(&pair->server, wire.bytes, wire.length));
    pair->client.channel = client;
}
END_TEST

START_TEST(impossible_lengths_and_types_are_refused_at_the_third_byte)
{
    static const struct {
        uint8_t prefix[3];
        int error;
    } cases[] = {
        {{0, 0, 0}, PFSWRAP_SEAL_E_FRAME_LENGTH},
        {{0, 0, 16}, PFSWRAP_SEAL_E_FRAME_LENGTH},
        {{0, 0, 17}, 0},
        {{0, 0x40, 0x11}, 0},
        {{0, 0x40, 0x12}, PFSWRAP_SEAL_E_FRAME_LENGTH},
        {{0, 0xFF, 0xFF}, PFSWRAP_SEAL_E_FRAME_LENGTH},
        {{1, 0x40, 0x11}, PFSWRAP_SEAL_E_FRAME_LENGTH},
        {{2, 0x04, 0x2A}, PFSWRAP_SEAL_E_FRAME_LENGTH},
        {{2, 0x04, 0x29}, 0},
        {{3, 0, 17}, PFSWRAP_SEAL_E_FRAME_TYPE},
        {{255, 0, 17}, PFSWRAP_SEAL_E_FRAME_TYPE},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ck_assert_int_eq(cases[i].error, try_open(&pair->server, cases[i].prefix, 3));
}
END_TEST

START_TEST(a_peer_that_does_not_rekey_is_refused)
{
    ck_assert_int_eq(0, try_forged(&pair->client, &pair->server, 0, REKEY, "x", 1));
    setup();
    ck_assert_int_eq(PFSWRAP_SEAL_E_REKEY, try_forged(&pair->client, &pair->server, 0, MESSAGE, "x", 1));
    ck_assert_uint_eq(0, pair->server.data_length);
}
END_TEST

START_TEST(a_peer_that_rekeys_later_than_agreed_is_refused_at_that_chunk)
{
    pair->client.config.rekey = pair->server.config.rekey = 4;
    pair_start(pair);
    ck_assert_int_eq(0, end_take(&pair->client, &wire) < 0);
    pair->server.in = wire;
    ck_assert_int_eq(0, end_open(&pair->server));
    (void)end_take(&pair->server, &pair->client.in);
    ck_assert_int_eq(0, end_open(&pair->client));
    ck_assert_int_gt(end_take(&pair->client, &pair->server.in), 0);
    ck_assert_int_eq(0, end_open(&pair->server)); /* the confirm was chunk 1, with tag MESSAGE */
    wire.length = 0;
    append_forged(&pair->client, MESSAGE, "2");
    append_forged(&pair->client, MESSAGE, "3");
    ck_assert_int_eq(0, try_open(&pair->server, wire.bytes, wire.length));
    append_forged(&pair->client, MESSAGE, "4");
    ck_assert_int_eq(PFSWRAP_SEAL_E_REKEY, try_open(&pair->server, wire.bytes, wire.length));
    ck_assert_uint_eq(2, pair->server.data_length);
}
END_TEST

START_TEST(rekeying_more_often_than_agreed_is_allowed)
{
    pair->client.config.rekey = pair->server.config.rekey = 4;
    pair_start(pair);
    ck_assert_int_eq(0, pair_settle(pair));
    for (int i = 0; i < 10; i++)
        append_forged(&pair->client, REKEY, "x");
    ck_assert_int_eq(0, try_open(&pair->server, wire.bytes, wire.length));
    ck_assert_uint_eq(10, pair->server.data_length);
}
END_TEST

START_TEST(unknown_tags_and_empty_frames_are_refused)
{
    ck_assert_int_eq(PFSWRAP_SEAL_E_TAG, try_forged(&pair->client, &pair->server, 0, PUSH, "x", 1));
    setup();
    ck_assert_int_eq(PFSWRAP_SEAL_E_TAG, try_forged(&pair->client, &pair->server, 0, 0x82, "x", 1));
    setup();
    ck_assert_int_eq(PFSWRAP_SEAL_E_EMPTY, try_forged(&pair->client, &pair->server, 0, REKEY, NULL, 0));
    setup();
    ck_assert_int_eq(PFSWRAP_SEAL_E_EMPTY, try_forged(&pair->server, &pair->client, 0, REKEY, NULL, 0));
    setup();
    ck_assert_int_eq(PFSWRAP_SEAL_E_FINAL, try_forged(&pair->client, &pair->server, 0, FINAL, "x", 1));
    ck_assert_uint_eq(0, pair->server.data_length);
    setup();
    ck_assert_int_eq(PFSWRAP_SEAL_E_FINAL, try_forged(&pair->client, &pair->server, 1, FINAL, NULL, 0));
}
END_TEST

START_TEST(an_end_without_FINAL_is_a_truncation)
{
    ck_assert_int_eq(PFSWRAP_SEAL_E_TRUNCATED, pfswrap_seal_end(&pair->server.channel));
    ck_assert_int_eq(PFSWRAP_SEAL_E_TRUNCATED, pfswrap_seal_error(&pair->server.channel));
}
END_TEST

START_TEST(anything_after_FINAL_is_refused)
{
    static const uint8_t rest[] = {0, 0, 18, 1};

    ck_assert_int_eq(0, pfswrap_seal_close(&pair->client.channel));
    ck_assert_int_eq(21, end_take(&pair->client, &wire));
    ck_assert_int_eq(0, try_open(&pair->server, wire.bytes, wire.length));
    ck_assert(pair->server.final);
    wire_append(&wire, rest, 1);
    ck_assert_int_eq(PFSWRAP_SEAL_E_AFTER_FINAL, try_open(&pair->server, wire.bytes, wire.length));
    wire_append(&wire, rest, 3);
    ck_assert_int_eq(PFSWRAP_SEAL_E_AFTER_FINAL, try_open(&pair->server, wire.bytes, wire.length));
    /* Its trailing byte may be missing, but must not be another. */
    ck_assert_int_eq(0, try_open(&pair->server, wire.bytes, 20));
    ck_assert(pair->server.final);
    wire.bytes[20] = 1;
    ck_assert_int_eq(PFSWRAP_SEAL_E_TRAILER, try_open(&pair->server, wire.bytes, 21));
}
END_TEST

START_TEST(a_nonzero_trailing_byte_is_refused_with_its_frame_or_later)
{
    ck_assert_int_eq(0, end_send(&pair->client, &wire, "x", 1));
    wire.bytes[wire.length - 1] = 0x80;
    ck_assert_int_eq(PFSWRAP_SEAL_E_TRAILER, try_open(&pair->server, wire.bytes, wire.length));
    ck_assert_uint_eq(1, pair->server.data_length); /* what had authenticated was delivered before */
    wire_append(&pair->server.in, wire.bytes, 0);
    pair->server.in.length = 0;
    wire_append(&pair->server.in, wire.bytes, wire.length - 1);
    ck_assert_int_eq(0, end_open(&pair->server));
    wire_append(&pair->server.in, wire.bytes + wire.length - 1, 1);
    ck_assert_int_eq(PFSWRAP_SEAL_E_TRAILER, end_open(&pair->server));
}
END_TEST

START_TEST(every_error_has_its_own_text)
{
    for (int error = PFSWRAP_SEAL_E_TRUNCATED; error <= 0; error++) {
        const char *text = pfswrap_seal_error_text(error);

        for (int other = error + 1; other <= 0; other++) {
            const char *words = pfswrap_seal_error_text(other);

            ck_assert(strcmp(text, "unknown error") == 0 || strcmp(text, words) != 0);
        }
    }
    ck_assert_str_eq("no error", pfswrap_seal_error_text(0));
    ck_assert_str_eq("unknown error", pfswrap_seal_error_text(-1000));
}
END_TEST

static TCase *cases(void)
{
    TCase *tc = tcase_create("adversary_frames");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, each_flipped_bit_of_a_frame_is_refused);
    tcase_add_test(tc, each_truncation_of_a_frame_waits_and_its_end_is_an_error);
    tcase_add_test(tc, frames_replayed_reordered_dropped_or_reflected_are_refused);
    tcase_add_test(tc, frames_of_another_connection_between_the_same_peers_are_refused);
    tcase_add_test(tc, impossible_lengths_and_types_are_refused_at_the_third_byte);
    tcase_add_test(tc, a_peer_that_does_not_rekey_is_refused);
    tcase_add_test(tc, a_peer_that_rekeys_later_than_agreed_is_refused_at_that_chunk);
    tcase_add_test(tc, rekeying_more_often_than_agreed_is_allowed);
    tcase_add_test(tc, unknown_tags_and_empty_frames_are_refused);
    tcase_add_test(tc, an_end_without_FINAL_is_a_truncation);
    tcase_add_test(tc, anything_after_FINAL_is_refused);
    tcase_add_test(tc, a_nonzero_trailing_byte_is_refused_with_its_frame_or_later);
    tcase_add_test(tc, every_error_has_its_own_text);
    return tc;
}

int main(void)
{
    return run_suite(cases(), "adversary_frames");
}
