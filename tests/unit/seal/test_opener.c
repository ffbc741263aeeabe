/*
 * How input is opened: in pieces of any size, into the caller's buffer or in place, with and without the byte that
 * trails a frame. A layer between kernel and program relies on these guarantees.
 */
#include "pair.h"
#include "../suite.h"

static uint8_t pattern_data[100000];

START_TEST(single_bytes_are_enough_and_need_never_goes_past_the_frame)
{
    struct pair *pair = pair_new();
    struct pfswrap_seal_opened opened;
    uint8_t out[64];
    size_t have = 0, data = 0, need = 1;

    pair_start(pair);
    ck_assert_int_gt(end_take(&pair->client, &pair->server.in), 0);
    for (size_t i = 0; i < pair->server.in.length;) {
        const int event = pfswrap_seal_open(&pair->server.channel, &pair->server.config, pair->server.in.bytes, i,
                                            out, 64, &opened);

        if (event == PFSWRAP_SEAL_PROGRESS)
            break;
        ck_assert_int_eq(PFSWRAP_SEAL_MORE, event);
        ck_assert_uint_gt(opened.need, i);
        ck_assert_uint_le(opened.need, pair->server.in.length);
        i++;
    }
    ck_assert_int_eq(0, pair_settle(pair));
    ck_assert_int_eq(0, end_send(&pair->client, &pair->server.in, "abc", 3));
    ck_assert_int_eq(0, end_send(&pair->client, &pair->server.in, "defgh", 5));
    for (size_t next = 0; data < 8;) {
        const uint8_t *in = pair->server.in.bytes + next;
        const int event = pfswrap_seal_open(&pair->server.channel, &pair->server.config, in, have, out + data,
                                            64 - data, &opened);

        next += opened.consumed;
        have -= opened.consumed;
        if (event == PFSWRAP_SEAL_MORE) {
            ck_assert_uint_gt(opened.need, have);
            need = opened.need;
            have++;
        } else {
            ck_assert_int_eq(PFSWRAP_SEAL_DATA, event);
            /* The trailing byte was never requested: the frame was complete without it. */
            ck_assert_uint_eq(need + 0, opened.consumed);
            data += opened.length;
        }
    }
    ck_assert_mem_eq(out, "abcdefgh", 8);
    pair_free(pair);
}
END_TEST

START_TEST(plaintext_goes_to_the_callers_buffer_and_a_frame_too_large_for_it_stays)
{
    struct pair *pair = pair_open();
    struct pfswrap_seal_opened opened;
    struct end *server = &pair->server;
    uint8_t out[100];

    fill(pattern_data, sizeof pattern_data);
    ck_assert_int_eq(0, end_send(&pair->client, &server->in, pattern_data, 101));
    memset(out, 0xAA, sizeof out);
    ck_assert_int_eq(PFSWRAP_SEAL_ROOM, pfswrap_seal_open(&server->channel, &server->config, server->in.bytes,
                                                          server->in.length, out, sizeof out, &opened));
    ck_assert_uint_eq(101, opened.length);
    ck_assert_uint_eq(0, opened.consumed);
    ck_assert_uint_eq(0xAA, out[0]);
    ck_assert_int_eq(0, end_open(server));
    ck_assert_mem_eq(server->data, pattern_data, 101);
    ck_assert_int_eq(0, end_send(&pair->client, &server->in, pattern_data, 100));
    ck_assert_int_eq(PFSWRAP_SEAL_DATA, pfswrap_seal_open(&server->channel, &server->config, server->in.bytes,
                                                          server->in.length, out, sizeof out, &opened));
    ck_assert_ptr_eq(out, opened.data);
    ck_assert_uint_eq(121, opened.consumed);
    ck_assert_mem_eq(out, pattern_data, 100);
    pair_free(pair);
}
END_TEST

START_TEST(a_buffer_of_n_bytes_holds_every_small_frame_in_n_plus_21_bytes)
{
    struct pair *pair = pair_open();
    struct end *server = &pair->server;
    uint8_t out[64];
    size_t total = 0;

    fill(pattern_data, sizeof pattern_data);
    for (size_t i = 0; i < 200; i++) {
        ck_assert_int_eq(0, end_send(&pair->client, &server->in, pattern_data + total, 1 + i % 64));
        total += 1 + i % 64;
    }
    for (size_t at = 0, got = 0, held; got < total; at += held) {
        struct pfswrap_seal_opened opened;
        size_t filled = 0;
        int event;

        held = 0; /* one read of the buffer's size and 21, then everything that is complete in it */
        do {
            const size_t window = sizeof out + PFSWRAP_SEAL_OVERHEAD - held;

            event =
                pfswrap_seal_open(&server->channel, &server->config, server->in.bytes + at + held,
                                  window < server->in.length - at - held ? window : server->in.length - at - held,
                                  out + filled, sizeof out - filled, &opened);
            ck_assert_int_gt(event, 0);
            ck_assert_int_ne(event, PFSWRAP_SEAL_ROOM);
            held += opened.consumed;
            if (event == PFSWRAP_SEAL_DATA) {
                ck_assert_mem_eq(out + filled, pattern_data + got + filled, opened.length);
                filled += opened.length;
            }
        } while (event != PFSWRAP_SEAL_MORE && filled < sizeof out);
        ck_assert_uint_gt(filled, 0);
        got += filled;
    }
    pair_free(pair);
}
END_TEST

START_TEST(the_trailing_byte_may_come_later)
{
    struct pair *pair = pair_open();
    struct pfswrap_seal_opened opened;
    struct end *server = &pair->server;
    uint8_t out[16];

    ck_assert_int_eq(0, end_send(&pair->client, &server->in, "one", 3));
    ck_assert_int_eq(PFSWRAP_SEAL_DATA,
                     pfswrap_seal_open(&server->channel, &server->config, server->in.bytes, 23, out, 16, &opened));
    ck_assert_uint_eq(23, opened.consumed);
    ck_assert_int_eq(PFSWRAP_SEAL_MORE,
                     pfswrap_seal_open(&server->channel, &server->config, NULL, 0, out, 16, &opened));
    ck_assert_uint_eq(4, opened.need);
    ck_assert_int_eq(PFSWRAP_SEAL_MORE, pfswrap_seal_open(&server->channel, &server->config, server->in.bytes + 23,
                                                          1, out, 16, &opened));
    ck_assert_uint_eq(1, opened.consumed);
    ck_assert_uint_eq(3, opened.need);
    server->in.length = 0;
    pair_check_transfer(&pair->client, server, "two", 3);
    pair_free(pair);
}
END_TEST

START_TEST(a_connection_begins_with_a_magic_that_can_be_probed)
{
    struct pair *pair = pair_new();

    pair_start(pair);
    ck_assert_int_gt(end_take(&pair->client, &pair->server.in), 0);
    ck_assert_int_eq(0, pfswrap_seal_probe(NULL, 0));
    for (size_t i = 0; i < PFSWRAP_SEAL_MAGIC_BYTES; i++)
        ck_assert_int_eq(0, pfswrap_seal_probe(pair->server.in.bytes, i));
    ck_assert_int_eq(1, pfswrap_seal_probe(pair->server.in.bytes, 8));
    ck_assert_int_eq(1, pfswrap_seal_probe(pair->server.in.bytes, 200));
    ck_assert_int_eq(-1, pfswrap_seal_probe((const uint8_t *)"GET / HTTP", 10));
    ck_assert_int_eq(-1, pfswrap_seal_probe((const uint8_t *)"\xF5pfsX", 5));
    pair_free(pair);
}
END_TEST

static TCase *cases(void)
{
    TCase *tc = tcase_create("opener");

    tcase_add_test(tc, single_bytes_are_enough_and_need_never_goes_past_the_frame);
    tcase_add_test(tc, plaintext_goes_to_the_callers_buffer_and_a_frame_too_large_for_it_stays);
    tcase_add_test(tc, a_buffer_of_n_bytes_holds_every_small_frame_in_n_plus_21_bytes);
    tcase_add_test(tc, the_trailing_byte_may_come_later);
    tcase_add_test(tc, a_connection_begins_with_a_magic_that_can_be_probed);
    return tc;
}

int main(void)
{
    return run_suite(cases(), "opener");
}
