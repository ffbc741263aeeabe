/* The reader's verdicts on TLS 1.2 and older versions. */
#include "../suite.h"
#include "judge.h"

START_TEST(tls12_is_weak_where_tls13_is_the_minimum)
{
    handshake(WIRE_OUT, modern, (struct server_hello){.suite = 0xc02f});
    expect_weak(&strict, WIRE_REASON_VERSION);
    ck_assert_uint_eq(reader.choice.version, 0x0303);
    ck_assert_uint_eq(reader.choice.suite, 0xc02f);
    handshake(WIRE_IN, (struct client_hello){0}, (struct server_hello){.suite = 0xc02f, .no_extensions = true});
    expect_weak(&strict, WIRE_REASON_VERSION);
}
END_TEST

START_TEST(older_and_unknown_versions_are_weak_under_every_minimum)
{
    struct wire_config config = lenient();
    static const unsigned legacy[] = {0x0300, 0x0301, 0x0302, 0x0304};
    for (size_t i = 0; i < sizeof legacy / sizeof legacy[0]; i++) {
        handshake(WIRE_OUT, modern, (struct server_hello){.suite = 0xc02f, .legacy_version = legacy[i]});
        if (legacy[i] == 0x0304)
            expect_weak(&config, WIRE_REASON_SUITE);
        else
            expect_weak(&config, WIRE_REASON_VERSION);
    }
    handshake(WIRE_OUT, modern, (struct server_hello){.version = 0x7f1c, .suite = 0x1302, .group = 29});
    expect_weak(&config, WIRE_REASON_VERSION);
    handshake(WIRE_OUT, modern, (struct server_hello){.version = 0x0305, .suite = 0x1302, .group = 29});
    expect_weak(&config, WIRE_REASON_VERSION);
}
END_TEST

/* A server's turn in TLS 1.2: hello, certificate, and if `curve` is not 0 a key exchange; then `last`. */
static void say_tls12_flight(unsigned suite, unsigned curve, const char *hint, const char *last, size_t last_length,
                             size_t record)
{
    static struct bytes messages, body;
    struct bytes *turn = add_turn(&talk, WIRE_IN);
    messages.length = body.length = 0;
    put_server_hello(&messages, (struct server_hello){.suite = suite});
    put_filling(&body, 0x30, 3000);
    if (curve != 0)
        put_message(&messages, 11, &body);
    body.length = 0;
    if (hint != NULL) {
        put16(&body, (unsigned)strlen(hint));
        put_text(&body, hint);
    }
    put8(&body, curve == 0xffff ? 1 : 3);
    put16(&body, curve);
    put_filling(&body, 0x41, 100);
    if (curve != 0)
        put_message(&messages, 12, &body);
    put_records(turn, 22, &messages, record);
    put(turn, last, last_length);
}

START_TEST(tls12_with_ecdhe_and_aead_passes_where_it_is_allowed)
{
    struct wire_config config = lenient();
    static const size_t records[] = {16384, 100, 1};
    for (size_t i = 0; i < sizeof records / sizeof records[0]; i++) {
        say_client_hello(&talk, WIRE_OUT, (struct client_hello){0}, 16384);
        say_tls12_flight(0xc02f, 29, NULL, "\26\3\3\0\4\16\0\0", 9, records[i]);
        expect_pfs(&config);
        ck_assert_uint_eq(reader.choice.group, 29);
    }
    say_client_hello(&talk, WIRE_OUT, (struct client_hello){0}, 16384);
    say_tls12_flight(0xd001, 23, "a hint", "", 0, 16384);
    expect_pfs(&config);
    ck_assert_uint_eq(reader.choice.group, 23);
}
END_TEST

START_TEST(tls12_suites_without_ecdhe_or_aead_are_weak)
{
    struct wire_config config = lenient();
    static const unsigned suites[] = {0x009c, 0x002f, 0x009e, 0xc013, 0xc027, 0xc004, 0x00a6, 0xc010, 0x00a8};
    for (size_t i = 0; i < sizeof suites / sizeof suites[0]; i++) {
        say_client_hello(&talk, WIRE_OUT, (struct client_hello){0}, 16384);
        say_tls12_flight(suites[i], 29, NULL, "", 0, 16384);
        expect_weak(&config, WIRE_REASON_SUITE);
    }
}
END_TEST

START_TEST(tls12_with_a_group_that_is_not_allowed_is_weak)
{
    struct wire_config config = lenient();
    say_client_hello(&talk, WIRE_OUT, (struct client_hello){0}, 16384);
    say_tls12_flight(0xc02f, 21, NULL, "", 0, 16384);
    expect_weak(&config, WIRE_REASON_GROUP);
    say_client_hello(&talk, WIRE_OUT, (struct client_hello){0}, 16384);
    say_tls12_flight(0xc02f, 0xffff, NULL, "", 0, 16384); /* an explicit curve */
    expect_weak(&config, WIRE_REASON_GROUP);
}
END_TEST

START_TEST(tls12_resumption_is_weak_where_tls12_is_allowed)
{
    struct wire_config config = lenient();
    say_client_hello(&talk, WIRE_OUT, (struct client_hello){0}, 16384);
    say_tls12_flight(0xc02f, 0, NULL, "\24\3\3\0\1\1", 6, 16384);
    expect_weak(&config, WIRE_REASON_RESUMED);
    /* with a new ticket first */
    say_client_hello(&talk, WIRE_OUT, (struct client_hello){0}, 16384);
    say_tls12_flight(0xc02f, 0, NULL, "\26\3\3\0\7\4\0\0\3abc\24\3\3\0\1\1", 18, 16384);
    expect_weak(&config, WIRE_REASON_RESUMED);
}
END_TEST

START_TEST(a_tls12_server_that_ends_its_turn_without_a_key_exchange_is_weak)
{
    struct wire_config config = lenient();
    say_client_hello(&talk, WIRE_OUT, (struct client_hello){0}, 16384);
    say_tls12_flight(0xc02f, 0, NULL, "\26\3\3\0\4\16\0\0\0", 9, 16384);
    expect_weak(&config, WIRE_REASON_UNEXPECTED);
}
END_TEST

START_TEST(an_sslv2_hello_is_weak)
{
    struct bytes *turn = add_turn(&talk, WIRE_OUT);
    put16(turn, 0x8000 | (9 + 6 + 16));
    put(turn, "\1\3\1\0\6\0\0\0\20", 9);
    put_filling(turn, 0x2f, 6 + 16);
    expect_weak(&strict, WIRE_REASON_SSLV2);
    ck_assert_int_eq(reader.client, WIRE_OUT);
    turn = add_turn(&talk, WIRE_IN);
    put16(turn, 0x8000 | (9 + 3 + 16 + 32));
    put(turn, "\1\0\2\0\3\0\20\0\40", 9);
    put_filling(turn, 0x2f, 3 + 16 + 32);
    expect_weak(&strict, WIRE_REASON_SSLV2);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("older");
    tcase_add_test(cases, tls12_is_weak_where_tls13_is_the_minimum);
    tcase_add_test(cases, older_and_unknown_versions_are_weak_under_every_minimum);
    tcase_add_test(cases, tls12_with_ecdhe_and_aead_passes_where_it_is_allowed);
    tcase_add_test(cases, tls12_suites_without_ecdhe_or_aead_are_weak);
    tcase_add_test(cases, tls12_with_a_group_that_is_not_allowed_is_weak);
    tcase_add_test(cases, tls12_resumption_is_weak_where_tls12_is_allowed);
    tcase_add_test(cases, a_tls12_server_that_ends_its_turn_without_a_key_exchange_is_weak);
    tcase_add_test(cases, an_sslv2_hello_is_weak);
    return run_suite(cases, "wire/older");
}
