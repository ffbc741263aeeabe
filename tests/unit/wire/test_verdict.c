/*
 * The reader's verdicts on TLS 1.3: in either role, with resumption, early data and retries, and what is kept for
 * the log.
 */
#include "../suite.h"
#include "judge.h"

START_TEST(tls13_with_a_key_share_has_forward_secrecy_in_either_role)
{
    for (enum wire_direction client = WIRE_OUT; client <= WIRE_IN; client++) {
        handshake(client, modern, good);
        expect_pfs(&strict);
        ck_assert_int_eq(reader.client, client);
    }
}
END_TEST

START_TEST(the_log_gets_what_was_offered_and_chosen)
{
    handshake(WIRE_OUT, modern, good);
    expect_pfs(&strict);
    ck_assert_str_eq(reader.offer.server_name, "example.org");
    ck_assert_str_eq(reader.offer.protocols, "h2,http/1.1");
    ck_assert_uint_eq(reader.offer.version_count, 3);
    ck_assert_uint_eq(reader.offer.versions[1], 0x0304);
    ck_assert_uint_eq(reader.offer.group_count, 2);
    ck_assert_uint_eq(reader.offer.groups[0], 29);
    ck_assert_uint_eq(reader.offer.suite_count, 4);
    ck_assert_uint_eq(reader.offer.suites[3], 0xc02f);
    ck_assert(reader.choice.is_known);
    ck_assert_uint_eq(reader.choice.version, 0x0304);
    ck_assert_uint_eq(reader.choice.group, 29);
    ck_assert_uint_eq(reader.choice.suite, 0x1302);
    ck_assert(!reader.choice.preshared_key);
}
END_TEST

START_TEST(names_and_lists_that_are_too_long_are_cut)
{
    char name[300];
    uint16_t many[200] = {0};
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    for (size_t i = 0; i + 1 < sizeof many / sizeof many[0]; i++)
        many[i] = (uint16_t)(0x1000 + i);
    handshake(WIRE_OUT,
              (struct client_hello){
                  .versions = tls13, .server_name = name, .protocol = name + 60, .suites = many, .groups = many},
              good);
    expect_pfs(&strict);
    ck_assert_uint_eq(strlen(reader.offer.server_name), WIRE_NAME_MAX - 1);
    ck_assert_uint_eq(strlen(reader.offer.protocols), WIRE_PROTOCOLS_MAX - 1);
    ck_assert_uint_eq(reader.offer.suite_count, WIRE_SUITES_MAX);
    ck_assert_uint_eq(reader.offer.group_count, WIRE_GROUPS_MAX);
}
END_TEST

START_TEST(a_preshared_key_without_a_key_share_is_weak)
{
    handshake(WIRE_OUT, (struct client_hello){.versions = tls13, .preshared_key = true},
              (struct server_hello){.version = 0x0304, .suite = 0x1301, .preshared_key = true});
    expect_weak(&strict, WIRE_REASON_NO_KEY_SHARE);
}
END_TEST

START_TEST(a_resumption_with_a_key_share_follows_the_configuration)
{
    struct wire_config config = strict;
    struct server_hello resumed = {.version = 0x0304, .suite = 0x1301, .group = 29, .preshared_key = true};
    handshake(WIRE_OUT, (struct client_hello){.versions = tls13, .preshared_key = true}, resumed);
    expect_pfs(&config);
    ck_assert(reader.choice.preshared_key);
    config.refuse_resumption = true;
    handshake(WIRE_OUT, (struct client_hello){.versions = tls13, .preshared_key = true}, resumed);
    expect_weak(&config, WIRE_REASON_RESUMED);
}
END_TEST

START_TEST(groups_and_suites_outside_the_configuration_are_weak)
{
    handshake(WIRE_OUT, modern, (struct server_hello){.version = 0x0304, .suite = 0x1302, .group = 256});
    expect_weak(&strict, WIRE_REASON_GROUP);
    handshake(WIRE_OUT, modern, (struct server_hello){.version = 0x0304, .suite = 0x1302, .group = 25});
    expect_weak(&strict, WIRE_REASON_GROUP);
    handshake(WIRE_OUT, modern, (struct server_hello){.version = 0x0304, .suite = 0x1304, .group = 29});
    expect_weak(&strict, WIRE_REASON_SUITE);
    handshake(WIRE_OUT, modern, (struct server_hello){.version = 0x0304, .suite = 0xc0b4, .group = 29});
    expect_weak(&strict, WIRE_REASON_SUITE); /* integrity only */
}
END_TEST

START_TEST(an_own_client_that_offers_early_data_is_cut_with_its_hello)
{
    say_client_hello(&talk, WIRE_OUT,
                     (struct client_hello){.versions = tls13, .early_data = true, .preshared_key = true}, 16384);
    expect_weak(&strict, WIRE_REASON_EARLY_DATA);
}
END_TEST

START_TEST(early_data_from_a_client_is_weak_only_if_it_can_have_been_accepted)
{
    struct client_hello eager = {.versions = tls13, .early_data = true, .preshared_key = true};
    struct server_hello choice = {.version = 0x0304, .suite = 0x1302, .group = 29};
    static struct bytes data;

    for (int accepts = 0; accepts <= 1; accepts++) {
        struct bytes *turn;
        say_client_hello(&talk, WIRE_IN, eager, 16384);
        turn = &talk.turns[0].bytes;
        put(turn, "\24\3\3\0\1\1", 6);
        data.length = 0;
        put_filling(&data, 0xdd, 500);
        put_records(turn, 23, &data, 100);
        choice.preshared_key = accepts;
        say_server_hello(&talk, WIRE_OUT, choice, 16384);
        if (accepts)
            expect_weak(&strict, WIRE_REASON_EARLY_DATA);
        else
            expect_pfs(&strict);
    }
    /* With another key than the first, or after a retry, it is refused in any case. */
    choice.preshared_key = true;
    choice.identity = 1;
    handshake(WIRE_IN, eager, choice);
    expect_pfs(&strict);
}
END_TEST

START_TEST(a_retry_leads_to_a_verdict)
{
    struct server_hello retry = {.is_retry = true, .version = 0x0304, .suite = 0x1302, .group = 23};
    handshake(WIRE_OUT, modern, retry);
    ck_assert_int_eq(judge(&strict).verdict, WIRE_UNDECIDED);
    handshake(WIRE_OUT, modern, retry);
    put(add_turn(&talk, WIRE_OUT), "\24\3\3\0\1\1", 6);
    handshake(WIRE_OUT, modern, (struct server_hello){.version = 0x0304, .suite = 0x1302, .group = 23});
    expect_pfs(&strict);
    ck_assert(reader.is_retried);
    handshake(WIRE_OUT, modern, retry);
    handshake(WIRE_OUT, modern, (struct server_hello){.suite = 0xc02f});
    expect_weak(&strict, WIRE_REASON_VERSION);
}
END_TEST

START_TEST(a_retry_to_a_group_that_is_not_allowed_is_weak_at_once)
{
    handshake(WIRE_OUT, modern,
              (struct server_hello){.is_retry = true, .version = 0x0304, .suite = 0x1302, .group = 257});
    expect_weak(&strict, WIRE_REASON_GROUP);
    handshake(WIRE_OUT, modern, (struct server_hello){.is_retry = true, .suite = 0x1302, .group = 23});
    expect_weak(&strict, WIRE_REASON_VERSION);
    /* A retry that only sends a cookie chooses no group. */
    handshake(WIRE_OUT, modern, (struct server_hello){.is_retry = true, .version = 0x0304, .suite = 0x1302});
    ck_assert_int_eq(judge(&strict).verdict, WIRE_UNDECIDED);
}
END_TEST

START_TEST(a_second_retry_is_malformed)
{
    struct server_hello retry = {.is_retry = true, .version = 0x0304, .suite = 0x1302, .group = 23};
    handshake(WIRE_OUT, modern, retry);
    handshake(WIRE_OUT, modern, retry);
    expect_weak(&strict, WIRE_REASON_UNEXPECTED);
}
END_TEST

START_TEST(a_large_hello_in_many_records_is_read)
{
    static const size_t sizes[] = {16384, 1000, 100, 6, 5, 2};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct client_hello hello = modern;
        hello.padding = sizes[i] > 100 ? 17000 : 2000;
        say_client_hello(&talk, WIRE_OUT, hello, sizes[i]);
        say_server_hello(&talk, WIRE_IN, good, sizes[i]);
        expect_pfs(&strict);
        ck_assert_str_eq(reader.offer.server_name, "example.org");
    }
}
END_TEST

START_TEST(a_record_that_holds_two_messages_is_read)
{
    static struct bytes messages;
    struct wire_config config = lenient();
    messages.length = 0;
    say_client_hello(&talk, WIRE_OUT, modern, 16384);
    put_server_hello(&messages, good);
    put(&messages, "\10\0\0\2\0\0", 6); /* as if the next message were not encrypted */
    put_records(add_turn(&talk, WIRE_IN), 22, &messages, 16384);
    expect_pfs(&config);
}
END_TEST

START_TEST(a_copy_is_a_snapshot_that_can_be_restored)
{
    size_t passes;
    say_client_hello(&talk, WIRE_OUT, modern, 16384);
    say_server_hello(&talk, WIRE_IN, good, 16384);
    const struct bytes *hello = &talk.turns[0].bytes, *answer = &talk.turns[1].bytes;
    wire_init(&reader);
    for (size_t sent = 0; sent < hello->length;) {
        struct wire before = reader;
        wire_feed(&reader, &strict, WIRE_OUT, hello->at + sent, hello->length - sent, &passes);
        reader = before; /* the kernel took seven bytes of them */
        size_t taken = hello->length - sent < 7 ? hello->length - sent : 7;
        wire_feed(&reader, &strict, WIRE_OUT, hello->at + sent, taken, &passes);
        sent += taken;
    }
    ck_assert_int_eq(wire_feed(&reader, &strict, WIRE_IN, answer->at, answer->length, &passes), WIRE_PFS);
    talk.count = 0;
}
END_TEST

START_TEST(a_connections_state_is_small)
{
    ck_assert_uint_lt(sizeof(struct wire), 512);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("verdict");
    tcase_add_test(cases, tls13_with_a_key_share_has_forward_secrecy_in_either_role);
    tcase_add_test(cases, the_log_gets_what_was_offered_and_chosen);
    tcase_add_test(cases, names_and_lists_that_are_too_long_are_cut);
    tcase_add_test(cases, a_preshared_key_without_a_key_share_is_weak);
    tcase_add_test(cases, a_resumption_with_a_key_share_follows_the_configuration);
    tcase_add_test(cases, groups_and_suites_outside_the_configuration_are_weak);
    tcase_add_test(cases, an_own_client_that_offers_early_data_is_cut_with_its_hello);
    tcase_add_test(cases, early_data_from_a_client_is_weak_only_if_it_can_have_been_accepted);
    tcase_add_test(cases, a_retry_leads_to_a_verdict);
    tcase_add_test(cases, a_retry_to_a_group_that_is_not_allowed_is_weak_at_once);
    tcase_add_test(cases, a_second_retry_is_malformed);
    tcase_add_test(cases, a_large_hello_in_many_records_is_read);
    tcase_add_test(cases, a_record_that_holds_two_messages_is_read);
    tcase_add_test(cases, a_copy_is_a_snapshot_that_can_be_restored);
    tcase_add_test(cases, a_connections_state_is_small);
    return run_suite(cases, "wire/verdict");
}
