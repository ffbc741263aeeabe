/* Tampered, replayed and invented handshake messages are refused, each with its own error and nothing else. */
#include "pair.h"
#include "../suite.h"

static struct wire first; /* what an honest client sends first */

static struct pair *pair_with_message_1(void)
{
    struct pair *pair = pair_new();

    pair_start(pair);
    first.length = 0;
    ck_assert_int_gt(end_take(&pair->client, &first), 0);
    return pair;
}

static void renew_server(struct pair *pair)
{
    ck_assert_int_eq(0, pfswrap_seal_init(&pair->server.channel, PFSWRAP_SEAL_RESPONDER, &pair->server.config, NULL,
                                          0, 0, PAIR_NOW));
    pair->server.in.length = 0;
}

static int offer(struct pair *pair, const uint8_t *bytes, size_t length)
{
    renew_server(pair);
    wire_append(&pair->server.in, bytes, length);
    return end_open(&pair->server);
}

/* The error for a flipped bit at `offset` of the client's first bytes. 0: the server may also wait for more. */
static void check_flip_1(size_t offset, int error)
{
    if (offset < 7) {
        ck_assert_int_eq(PFSWRAP_SEAL_E_MAGIC, error);
    } else if (offset == 7) {
        ck_assert_int_eq(PFSWRAP_SEAL_E_VERSION, error);
    } else if (offset == 8) {
        ck_assert(error == PFSWRAP_SEAL_E_PATTERN || error == PFSWRAP_SEAL_E_PSK_UNEXPECTED ||
                  error == PFSWRAP_SEAL_E_ANONYMOUS || error == PFSWRAP_SEAL_E_HYBRID_UNEXPECTED);
    } else if (offset == 9) {
        ck_assert_int_eq(PFSWRAP_SEAL_E_FLAGS, error);
    } else if (offset < 12) {
        ck_assert(error == PFSWRAP_SEAL_E_MESSAGE_LENGTH || error == PFSWRAP_SEAL_E_KEY_ID);
    } else if (offset < 28) {
        ck_assert_int_eq(PFSWRAP_SEAL_E_KEY_ID, error);
    } else {
        ck_assert_int_eq(PFSWRAP_SEAL_E_HANDSHAKE, error);
    }
}

START_TEST(each_flipped_bit_of_the_preamble_and_message_1_is_refused)
{
    struct pair *pair = pair_with_message_1();

    ck_assert_int_eq(0, offer(pair, first.bytes, first.length));
    ck_assert(pfswrap_seal_owes(&pair->server.channel));
    for (size_t bit = 0; bit < first.length * 8; bit++) {
        int error;

        first.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        error = offer(pair, first.bytes, first.length);
        check_flip_1(bit / 8, error);
        ck_assert(!pfswrap_seal_owes(&pair->server.channel));
        ck_assert_int_eq(error, pfswrap_seal_error(&pair->server.channel));
        first.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    pair_free(pair);
}
END_TEST

START_TEST(each_truncation_of_message_1_waits_and_its_end_is_an_error)
{
    struct pair *pair = pair_with_message_1();

    for (size_t length = 0; length < first.length; length++) {
        ck_assert_int_eq(0, offer(pair, first.bytes, length));
        ck_assert(!pfswrap_seal_owes(&pair->server.channel));
        ck_assert_int_eq(PFSWRAP_SEAL_E_TRUNCATED, pfswrap_seal_end(&pair->server.channel));
    }
    pair_free(pair);
}
END_TEST

START_TEST(each_flipped_bit_of_message_2_is_refused)
{
    struct pair *pair = pair_with_message_1();
    struct pfswrap_seal waiting = pair->client.channel;
    struct wire reply = {.length = 0};
    size_t message;

    ck_assert_int_eq(0, offer(pair, first.bytes, first.length));
    ck_assert_int_gt(end_take(&pair->server, &reply), 0);
    message = (size_t)reply.bytes[0] << 8 | reply.bytes[1];
    ck_assert_uint_eq(2 + message + 24, reply.length);
    for (size_t bit = 0; bit < (2 + message) * 8; bit++) {
        int error;

        pair->client.channel = waiting;
        pair->client.in.length = 0;
        reply.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        wire_append(&pair->client.in, reply.bytes, reply.length);
        error = end_open(&pair->client);
        if (bit / 8 < 2)
            ck_assert(error == PFSWRAP_SEAL_E_MESSAGE_LENGTH || error == PFSWRAP_SEAL_E_HANDSHAKE || error == 0);
        else
            ck_assert_int_eq(PFSWRAP_SEAL_E_HANDSHAKE, error);
        ck_assert(!pfswrap_seal_ready(&pair->client.channel));
        reply.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t length = 0; length < 2 + message; length++) {
        pair->client.channel = waiting;
        pair->client.in.length = 0;
        wire_append(&pair->client.in, reply.bytes, length);
        ck_assert_int_eq(0, end_open(&pair->client));
        ck_assert(!pfswrap_seal_ready(&pair->client.channel));
        ck_assert_int_eq(PFSWRAP_SEAL_E_TRUNCATED, pfswrap_seal_end(&pair->client.channel));
    }
    pair_free(pair);
}
END_TEST

START_TEST(each_flipped_bit_of_a_stream_header_spoils_the_first_frame)
{
    struct pair *pair = pair_with_message_1();
    struct pfswrap_seal waiting;
    struct wire confirm = {.length = 0};

    ck_assert_int_eq(0, offer(pair, first.bytes, first.length));
    ck_assert_int_gt(end_take(&pair->server, &pair->client.in), 0);
    ck_assert_int_eq(0, end_open(&pair->client));
    ck_assert_int_eq(24 + 21, end_take(&pair->client, &confirm));
    waiting = pair->server.channel;
    for (size_t bit = 0; bit < 24 * 8; bit++) {
        pair->server.channel = waiting;
        pair->server.in.length = 0;
        confirm.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        wire_append(&pair->server.in, confirm.bytes, confirm.length);
        ck_assert_int_eq(PFSWRAP_SEAL_E_FRAME, end_open(&pair->server));
        ck_assert(!pfswrap_seal_ready(&pair->server.channel));
        confirm.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    pair_free(pair);
}
END_TEST

START_TEST(a_replayed_message_1_opens_nothing_and_names_no_peer)
{
    struct pair *pair = pair_with_message_1();
    struct wire recorded = {.length = 0};
    struct pfswrap_seal_info info;

    ck_assert_int_eq(0, offer(pair, first.bytes, first.length));
    ck_assert_int_gt(end_take(&pair->server, &pair->client.in), 0);
    ck_assert_int_eq(0, end_open(&pair->client));
    ck_assert_int_eq(0, end_send(&pair->client, &recorded, "transfer 100", 12));
    wire_append(&pair->server.in, recorded.bytes, recorded.length);
    ck_assert_int_eq(0, end_open(&pair->server));
    ck_assert_uint_eq(12, pair->server.data_length);

    /* Replays the whole recording to a new connection. */
    pair->server.data_length = 0;
    ck_assert_int_eq(0, offer(pair, first.bytes, first.length));
    pair->client.in.length = 0;
    ck_assert_int_gt(end_take(&pair->server, &pair->client.in), 0);
    ck_assert(!pfswrap_seal_ready(&pair->server.channel));
    ck_assert_int_eq(PFSWRAP_SEAL_E_NOT_READY, pfswrap_seal_describe(&pair->server.channel, &info));
    ck_assert(!pfswrap_seal_owes(&pair->server.channel));
    wire_append(&pair->server.in, recorded.bytes, recorded.length);
    ck_assert_int_eq(PFSWRAP_SEAL_E_FRAME, end_open(&pair->server));
    ck_assert_uint_eq(0, pair->server.data_length);
    ck_assert_int_eq(PFSWRAP_SEAL_E_NOT_READY, pfswrap_seal_describe(&pair->server.channel, &info));
    pair_free(pair);
}
END_TEST

START_TEST(a_reply_to_another_connection_is_refused)
{
    struct pair *pair = pair_with_message_1();
    struct wire second = {.length = 0};

    ck_assert_int_eq(0, pfswrap_seal_init(&pair->client.channel, PFSWRAP_SEAL_INITIATOR, &pair->client.config, NULL,
                                          0, 0, PAIR_NOW));
    ck_assert_int_gt(end_take(&pair->client, &second), 0);
    ck_assert_int_eq(0, offer(pair, first.bytes, first.length)); /* the answer to `first` goes to the second */
    ck_assert_int_gt(end_take(&pair->server, &pair->client.in), 0);
    ck_assert_int_eq(PFSWRAP_SEAL_E_HANDSHAKE, end_open(&pair->client));
    pair_free(pair);
}
END_TEST

START_TEST(a_peer_with_another_protocol_is_detected_at_once)
{
    static const struct {
        const char *bytes;
        size_t length;
        int error;
    } cases[] = {
        {"GET / HTTP/1.1\r\n", 16, PFSWRAP_SEAL_E_MAGIC},
        {"\x16\x03\x01\x02", 4, PFSWRAP_SEAL_E_MAGIC},
        {"\xF6", 1, PFSWRAP_SEAL_E_MAGIC},
        {"\xF5", 1, 0},
        {"\xF5\x70\x66\x73\x77\x0D\x0A", 7, 0},
        {"\xF5\x70\x66\x73\x77\x0D\x0A\x02", 8, PFSWRAP_SEAL_E_VERSION},
        {"\xF5\x70\x66\x73\x77\x0D\x0A\x00", 8, PFSWRAP_SEAL_E_VERSION},
        {"\xF5\x70\x66\x73\x77\x0D\x0B\x01", 8, PFSWRAP_SEAL_E_MAGIC},
    };
    struct pair *pair = pair_new();

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pair_start(pair);
        ck_assert_int_eq(cases[i].error, offer(pair, (const uint8_t *)cases[i].bytes, cases[i].length));
    }
    pair_free(pair);
}
END_TEST

START_TEST(message_lengths_outside_48_to_1024_are_refused_before_they_are_waited_for)
{
    static const uint16_t bad[] = {0, 47, 1025, 65535};
    struct pair *pair = pair_with_message_1();
    uint8_t reply[2];

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct pfswrap_seal waiting = pair->client.channel;

        first.bytes[10] = reply[0] = (uint8_t)(bad[i] >> 8);
        first.bytes[11] = reply[1] = (uint8_t)bad[i];
        ck_assert_int_eq(PFSWRAP_SEAL_E_MESSAGE_LENGTH, offer(pair, first.bytes, 28));
        wire_append(&pair->client.in, reply, 2);
        ck_assert_int_eq(PFSWRAP_SEAL_E_MESSAGE_LENGTH, end_open(&pair->client));
        pair->client.channel = waiting;
        pair->client.in.length = 0;
    }
    pair_free(pair);
}
END_TEST

START_TEST(an_all_zero_ephemeral_is_refused_with_its_own_error)
{
    struct pair *pair = pair_with_message_1();

    memset(first.bytes + 28, 0, 32);
    ck_assert_int_eq(PFSWRAP_SEAL_E_SMALL_ORDER, offer(pair, first.bytes, first.length));
    pair_free(pair);
}
END_TEST

START_TEST(a_client_never_falls_back_whatever_the_server_answers)
{
    static const char *const answers[] = {"HTTP/1.1 400 Bad Request\r\n\r\n", "\x15\x03\x03\x00\x02\x02\x28",
                                          "-ERR\r\n"};
    struct pair *pair = pair_with_message_1();

    for (size_t i = 0; i < 3; i++) {
        struct pfswrap_seal waiting = pair->client.channel;

        wire_append(&pair->client.in, (const uint8_t *)answers[i], 6);
        ck_assert_int_eq(PFSWRAP_SEAL_E_MESSAGE_LENGTH, end_open(&pair->client));
        ck_assert(!pfswrap_seal_owes(&pair->client.channel));
        pair->client.channel = waiting;
        pair->client.in.length = 0;
    }
    pair_free(pair);
}
END_TEST

static TCase *cases(void)
{
    TCase *tc = tcase_create("adversary_handshake");

    tcase_add_test(tc, each_flipped_bit_of_the_preamble_and_message_1_is_refused);
    tcase_add_test(tc, each_truncation_of_message_1_waits_and_its_end_is_an_error);
    tcase_add_test(tc, each_flipped_bit_of_message_2_is_refused);
    tcase_add_test(tc, each_flipped_bit_of_a_stream_header_spoils_the_first_frame);
    tcase_add_test(tc, a_replayed_message_1_opens_nothing_and_names_no_peer);
    tcase_add_test(tc, a_reply_to_another_connection_is_refused);
    tcase_add_test(tc, a_peer_with_another_protocol_is_detected_at_once);
    tcase_add_test(tc, message_lengths_outside_48_to_1024_are_refused_before_they_are_waited_for);
    tcase_add_test(tc, an_all_zero_ephemeral_is_refused_with_its_own_error);
    tcase_add_test(tc, a_client_never_falls_back_whatever_the_server_answers);
    return tc;
}

int main(void)
{
    return run_suite(cases(), "adversary_handshake");
}
