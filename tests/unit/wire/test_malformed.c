/* The reader's verdicts on records and messages that no correct peer sends, or not at this point. */
#include "../suite.h"
#include "judge.h"

START_TEST(an_alert_in_place_of_a_server_hello_decides_nothing)
{
    say_client_hello(&talk, WIRE_OUT, modern, 16384);
    put(add_turn(&talk, WIRE_IN), "\25\3\3\0\2\2\50", 7);
    put(add_turn(&talk, WIRE_OUT), "\25\3\3\0\2\1\0", 7);
    ck_assert_int_eq(judge(&strict).verdict, WIRE_UNDECIDED);
    ck_assert(reader.has_alert);
}
END_TEST

START_TEST(application_data_before_a_server_hello_is_weak)
{
    for (enum wire_direction direction = WIRE_OUT; direction <= WIRE_IN; direction++) {
        say_client_hello(&talk, WIRE_OUT, modern, 16384);
        if (direction == WIRE_IN)
            put(add_turn(&talk, WIRE_IN), "\25\3\3\0\2\1\0", 7); /* the server's records have begun */
        put(add_turn(&talk, direction), "\27\3\3\0\5abcde", 10);
        struct outcome outcome = judge(&strict);
        if (direction == WIRE_OUT)
            ck_assert_int_eq(outcome.reason, WIRE_REASON_UNEXPECTED);
        else
            ck_assert_int_eq(outcome.verdict, WIRE_PLAINTEXT); /* no server begins like this */
    }
}
END_TEST

START_TEST(messages_from_the_wrong_side_or_out_of_turn_are_weak)
{
    static struct bytes message;
    handshake(WIRE_OUT, modern, good);
    talk.turns[1].direction = WIRE_OUT; /* the client answers itself */
    expect_weak(&strict, WIRE_REASON_UNEXPECTED);
    say_client_hello(&talk, WIRE_OUT, modern, 16384);
    say_client_hello(&talk, WIRE_OUT, modern, 16384);
    expect_weak(&strict, WIRE_REASON_UNEXPECTED);
    message.length = 0;
    put_client_hello(&message, modern);
    put(&message, "\24\0\0\1x", 5); /* a Finished in the hello's record */
    put_records(add_turn(&talk, WIRE_OUT), 22, &message, 16384);
    expect_weak(&strict, WIRE_REASON_UNEXPECTED);
}
END_TEST

START_TEST(a_server_hello_with_repeated_extensions_is_malformed)
{
    handshake(WIRE_OUT, modern,
              (struct server_hello){.version = 0x0304, .suite = 0x1302, .group = 29, .two_shares = true});
    expect_weak(&strict, WIRE_REASON_MALFORMED);
}
END_TEST

/* A ServerHello in which byte `at` of the message is changed; and one that is longer or shorter than its length. */
START_TEST(contradictory_lengths_never_give_forward_secrecy)
{
    enum { SESSION_LENGTH = 4 + 2 + 32, EXTENSIONS_LENGTH = SESSION_LENGTH + 1 + 32 + 3 };
    static const size_t at[] = {1,
                                2,
                                3,
                                SESSION_LENGTH,
                                EXTENSIONS_LENGTH,
                                EXTENSIONS_LENGTH + 1,
                                EXTENSIONS_LENGTH + 4,
                                EXTENSIONS_LENGTH + 5};
    static struct bytes message;
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++)
        for (int change = -1; change <= 1; change += 2) {
            message.length = 0;
            put_server_hello(&message, good);
            message.at[at[i]] = (uint8_t)(message.at[at[i]] + change);
            say_client_hello(&talk, WIRE_OUT, modern, 16384);
            put_records(add_turn(&talk, WIRE_IN), 22, &message, 16384);
            ck_assert_int_ne(judge(&strict).verdict, WIRE_PFS);
        }
}
END_TEST

START_TEST(impossible_records_are_malformed)
{
    static const struct {
        const char *bytes;
        size_t length;
    } bad[] = {
        {"\26\3\3\0\0", 5},   /* empty */
        {"\26\3\3\101\0", 5}, /* too long */
        {"\26\4\3\0\4", 5},   /* no version of TLS */
        {"\25\3\3\0\3", 5},   /* an alert of three bytes */
        {"\24\3\3\0\2", 5},   /* a change of cipher of two */
        {"\30\3\3\0\4", 5},   /* a heartbeat */
        {"HTTP/", 5},         /* plaintext in the client's records */
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        say_client_hello(&talk, WIRE_OUT, modern, 16384);
        put(add_turn(&talk, WIRE_OUT), bad[i].bytes, bad[i].length);
        expect_weak(&strict, WIRE_REASON_MALFORMED);
    }
}
END_TEST

START_TEST(a_hello_longer_than_any_library_accepts_is_malformed)
{
    put(add_turn(&talk, WIRE_OUT), "\26\3\1\100\0\1\2\2\2\3\3", 11);
    expect_weak(&strict, WIRE_REASON_MALFORMED);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("malformed");
    tcase_add_test(cases, an_alert_in_place_of_a_server_hello_decides_nothing);
    tcase_add_test(cases, application_data_before_a_server_hello_is_weak);
    tcase_add_test(cases, messages_from_the_wrong_side_or_out_of_turn_are_weak);
    tcase_add_test(cases, a_server_hello_with_repeated_extensions_is_malformed);
    tcase_add_test(cases, contradictory_lengths_never_give_forward_secrecy);
    tcase_add_test(cases, impossible_records_are_malformed);
    tcase_add_test(cases, a_hello_longer_than_any_library_accepts_is_malformed);
    return run_suite(cases, "wire/malformed");
}
