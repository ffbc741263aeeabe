/* The reader's verdicts on plaintext: at the beginning, in front of TLS, and in place of an answer. */
#include "../suite.h"
#include "judge.h"

START_TEST(plaintext_is_detected_at_its_first_byte_where_none_may_pass)
{
    static const char *const texts[] = {"GET / HTTP/1.0\r\n\r\n", "220 mail.example.org ESMTP\r\n", "SSH-2.0-x\r\n",
                                        "\200\1\2", "\26a"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        for (enum wire_direction direction = WIRE_OUT; direction <= WIRE_IN; direction++) {
            say(&talk, direction, texts[i]);
            struct outcome outcome = judge(&strict);
            ck_assert_int_eq(outcome.verdict, WIRE_PLAINTEXT);
            say(&talk, direction, texts[i]);
            ck_assert_uint_le(converse(&reader, &strict, &talk, 1, 0).bytes, 3);
            talk.count = 0;
            ck_assert(wire_is_plain(&reader) && !wire_is_tls(&reader));
        }
}
END_TEST

START_TEST(a_plain_answer_to_a_hello_is_plaintext)
{
    say_client_hello(&talk, WIRE_OUT, modern, 16384);
    say(&talk, WIRE_IN, "HTTP/1.1 400 Bad Request\r\n\r\n");
    ck_assert_int_eq(judge(&strict).verdict, WIRE_PLAINTEXT);
}
END_TEST

static struct wire_config with_starttls(void)
{
    struct wire_config config = strict;
    config.plaintext_max = 4096;
    return config;
}

START_TEST(tls_after_plaintext_is_inspected_as_tls)
{
    struct wire_config config = with_starttls();
    static const struct server_hello choices[] = {
        {.version = 0x0304, .suite = 0x1302, .group = 29},
        {.suite = 0xc02f},
    };
    for (int i = 0; i < 2; i++) {
        say(&talk, WIRE_IN, "220 mail.example.org ESMTP\r\n");
        say(&talk, WIRE_OUT, "EHLO client\r\n");
        say(&talk, WIRE_IN, "250-mail\r\n250 STARTTLS\r\n");
        say(&talk, WIRE_OUT, "STARTTLS\r\n");
        say(&talk, WIRE_IN, "220 go ahead\r\n");
        handshake(WIRE_OUT, modern, choices[i]);
        if (i == 0)
            expect_pfs(&config);
        else
            expect_weak(&config, WIRE_REASON_VERSION);
        ck_assert(wire_is_plain(&reader));
    }
}
END_TEST

START_TEST(a_hello_right_after_plaintext_is_found)
{
    struct wire_config config = with_starttls();
    static struct bytes message;
    static const char request[] = "\0\0\0\10\4\322\26/"; /* PostgreSQL's SSLRequest, with a 0x16 in it */
    struct bytes *turn = add_turn(&talk, WIRE_OUT);
    message.length = 0;
    put(turn, request, 8);
    put(turn, "\26\3\26\3\3\26\3\2\0", 9); /* the beginning of a record, again and again */
    put_client_hello(&message, modern);
    put_records(turn, 22, &message, 16384);
    say(&talk, WIRE_IN, "S");
    say_server_hello(&talk, WIRE_IN, good, 16384);
    expect_pfs(&config);
    ck_assert_uint_eq(reader.streams[WIRE_OUT].plain, 17);
    ck_assert_uint_eq(reader.streams[WIRE_IN].plain, 1);
}
END_TEST

START_TEST(plaintext_beyond_its_bound_is_a_verdict_and_at_the_bound_it_is_not)
{
    struct wire_config config = with_starttls();
    for (int over = 0; over <= 1; over++) {
        put_filling(add_turn(&talk, WIRE_OUT), 'x', 4096U + (unsigned)over);
        put_filling(add_turn(&talk, WIRE_IN), 'y', 4096);
        ck_assert_int_eq(judge(&config).verdict, over ? WIRE_PLAINTEXT : WIRE_UNDECIDED);
    }
    put_filling(add_turn(&talk, WIRE_OUT), 'x', 4096);
    put_filling(add_turn(&talk, WIRE_IN), 'y', 4096);
    handshake(WIRE_OUT, modern, good);
    expect_pfs(&config);
}
END_TEST

START_TEST(an_alert_before_any_hello_is_not_plaintext)
{
    put(add_turn(&talk, WIRE_IN), "\25\3\3\0\2\2\106", 7);
    ck_assert_int_eq(judge(&strict).verdict, WIRE_UNDECIDED);
    ck_assert(reader.has_alert && reader.alert == 70 && !wire_is_plain(&reader));
    put(add_turn(&talk, WIRE_IN), "\25\3\3\0\2\2\106", 7);
    handshake(WIRE_OUT, modern, good);
    expect_pfs(&strict);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("plaintext");
    tcase_add_test(cases, plaintext_is_detected_at_its_first_byte_where_none_may_pass);
    tcase_add_test(cases, a_plain_answer_to_a_hello_is_plaintext);
    tcase_add_test(cases, tls_after_plaintext_is_inspected_as_tls);
    tcase_add_test(cases, a_hello_right_after_plaintext_is_found);
    tcase_add_test(cases, plaintext_beyond_its_bound_is_a_verdict_and_at_the_bound_it_is_not);
    tcase_add_test(cases, an_alert_before_any_hello_is_not_plaintext);
    return run_suite(cases, "wire/plaintext");
}
