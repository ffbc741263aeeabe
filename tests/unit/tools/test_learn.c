/*
 * The parts of pfswrap learn: what a handshake needs, and which addresses of a log may become a rule.
 */
#include "../suite.h"

#include <string.h>

#include "../../../tools/learn/decide.h"
#include "../../../tools/learn/place.h"

static struct policy policy;

static void builtin(void)
{
    policy_builtin(&policy);
}

struct expectation {
    bool is_server, is_covered, is_limited;
    struct outcome outcome;
    enum need need;
    enum assumption assumption;
};

#define TLS12(suite_, offer_)                                                                                      \
    {                                                                                                              \
        .version = 0x0303, .suite = SUITE_##suite_, .offer = (offer_), .has_choice = true                          \
    }
#define OLD(offer_)                                                                                                \
    {                                                                                                              \
        .version = 0x0301, .suite = SUITE_OTHER, .offer = (offer_), .has_choice = true                             \
    }
enum {
    ALL = OFFER_KNOWN | OFFER_TLS13 | OFFER_TLS12 | OFFER_GROUP | OFFER_AEAD,
    ONLY12 = OFFER_KNOWN | OFFER_TLS12
};

static const struct expectation expectations[] = {
    /* servers that pfswrap changes */
    {true, true, true, TLS12(OTHER, ALL), NEED_UPGRADED, ASSUMED_NONE},
    {true, true, false, TLS12(ECDHE_AEAD, ALL), NEED_CERTIFICATE, ASSUMED_CERTIFICATE},
    {true, true, false, TLS12(ECDHE_AEAD, ONLY12), NEED_VERSION, ASSUMED_NONE},
    {true, true, false, TLS12(ECDHE_AEAD, 0), NEED_VERSION, ASSUMED_CLIENT_IS_OLD},
    {true, true, false, TLS12(OTHER, ONLY12 | OFFER_AEAD), NEED_VERSION, ASSUMED_PREFERENCE},
    {true, true, false, TLS12(OTHER, ONLY12), NEED_WEAK_SUITE, ASSUMED_NONE},
    {true, true, false, OLD(ALL), NEED_UPGRADED, ASSUMED_NONE},
    {true, true, false, OLD(OFFER_KNOWN), NEED_OLD_VERSION, ASSUMED_NONE},
    {true, true, false, OLD(ONLY12 | OFFER_AEAD), NEED_VERSION, ASSUMED_PREFERENCE},
    /* servers that it only reads */
    {true, false, true, TLS12(OTHER, ALL), NEED_WEAK_SUITE, ASSUMED_NONE},
    {true, false, false, TLS12(ECDHE_AEAD, ALL), NEED_VERSION, ASSUMED_NONE},
    {true, false, false, OLD(ALL), NEED_OLD_VERSION, ASSUMED_NONE},
    /* clients */
    {false, true, false, TLS12(ECDHE_AEAD, ALL), NEED_VERSION, ASSUMED_NONE},
    {false, true, true, TLS12(ECDHE_AEAD, ONLY12), NEED_VERSION, ASSUMED_SERVER_IS_OLD},
    {false, true, false, TLS12(OTHER, ALL), NEED_WEAK_SUITE, ASSUMED_NONE},
    {false, true, true, TLS12(OTHER, ONLY12), NEED_WEAK_SUITE, ASSUMED_SERVER_UNKNOWN},
    {false, true, true, OLD(OFFER_KNOWN), NEED_OLD_VERSION, ASSUMED_SERVER_UNKNOWN},
    {false, false, false, OLD(ALL), NEED_OLD_VERSION, ASSUMED_NONE},
    /* the log does not have the outcome */
    {true, true, false, {.has_choice = false}, NEED_REFUSED, ASSUMED_NO_OUTCOME},
};

START_TEST(a_handshake_below_tls_1_3_needs_what_its_outcome_and_offer_say)
{
    const struct expectation *const expected = &expectations[_i];
    const struct decider decider = {.base = &policy,
                                    .is_server = expected->is_server,
                                    .is_covered = expected->is_covered,
                                    .is_limited = expected->is_limited};
    struct decision decisions[DECISIONS_MAX];
    ck_assert_uint_eq(decide(&decider, &expected->outcome, decisions), 1);
    ck_assert_int_eq(decisions[0].need, expected->need);
    ck_assert_int_eq(decisions[0].assumption, expected->assumption);
}
END_TEST

START_TEST(a_certificate_that_tls_1_3_cannot_use_is_no_matter_of_the_version)
{
    const struct decider decider = {
        .base = &policy, .is_server = true, .is_covered = true, .has_certificate_problem = true};
    const struct outcome outcome = TLS12(ECDHE_AEAD, ONLY12);
    struct decision decisions[DECISIONS_MAX];
    ck_assert_uint_eq(decide(&decider, &outcome, decisions), 1);
    ck_assert_int_eq(decisions[0].need, NEED_CERTIFICATE);
}
END_TEST

START_TEST(tls_1_2_with_another_curve_needs_both)
{
    const struct decider decider = {.base = &policy, .is_server = true};
    const struct outcome outcome = {
        .version = 0x0303, .suite = SUITE_ECDHE_AEAD, .group = 25, .offer = ONLY12, .has_choice = true};
    struct decision decisions[DECISIONS_MAX];
    ck_assert_uint_eq(decide(&decider, &outcome, decisions), 2);
    ck_assert_int_eq(decisions[0].need, NEED_VERSION);
    ck_assert_int_eq(decisions[1].need, NEED_GROUP);
    ck_assert_uint_eq(decisions[1].argument, 25);
}
END_TEST

START_TEST(every_outcome_has_a_decision)
{
    static const unsigned versions[] = {0, 0x0002, 0x0300, 0x0301, 0x0303, 0x0304, 0xfefd, 0xfeff, 0x1234};
    static const unsigned groups[] = {0, 21, 23, 25, 256, 0x200, 0x11ec, 0xffff};
    for (size_t i = 0; i < sizeof versions / sizeof versions[0] * sizeof groups / sizeof groups[0] * 4 * 32 * 64;
         i++) {
        size_t left = i;
        struct outcome outcome = {.has_choice = true};
        struct decision decisions[DECISIONS_MAX];
        outcome.version = versions[left % 9];
        outcome.group = groups[(left /= 9) % 8];
        outcome.suite = (enum fact_suite)((left /= 8) % 4);
        outcome.suite_id = outcome.suite == SUITE_TLS13 ? 0x1304 : 0;
        outcome.offer = (unsigned)((left /= 4) % 32);
        left /= 32;
        outcome.is_resumed = (left & 1) != 0;
        outcome.has_early_data = (left & 2) != 0;
        policy.tls.session_tickets = (left & 4) != 0 ? POLICY_TICKETS_REFUSE : POLICY_TICKETS_ALLOW;
        const struct decider decider = {.base = &policy,
                                        .is_server = (left & 8) != 0,
                                        .is_covered = (left & 16) != 0,
                                        .is_limited = (left & 32) != 0};
        const size_t count = decide(&decider, &outcome, decisions);
        bool holds = count >= 1 && count <= DECISIONS_MAX;
        for (size_t j = 0; j < count; j++) {
            const bool is_group = decisions[j].need == NEED_GROUP;
            holds &= decisions[j].need < NEED_COUNT && decisions[j].assumption < ASSUMPTION_COUNT;
            holds &= !is_group || decisions[j].argument == 25; /* the only one that may be added */
            holds &= decisions[j].need != NEED_VERSION || outcome.version <= 0x0303;
        }
        if (!holds) /* an assertion for each would take seconds */
            ck_abort_msg("version 0x%04x, group %u, offer %u", outcome.version, outcome.group, outcome.offer);
    }
}
END_TEST

START_TEST(only_one_address_with_one_port_becomes_a_rule)
{
    static const char *const wrong[] = {"",
                                        "x",
                                        "1.2.3.4",
                                        "1.2.3.4:",
                                        "1.2.3.4:0",
                                        "1.2.3.4:05",
                                        "1.2.3.4:65536",
                                        "1.2.3.4:99999999999",
                                        "1.2.3.4:+1",
                                        "1.2.3.4: 1",
                                        "1.2.3.4:1-2",
                                        "1.2.3.4:*",
                                        "1.2.3.4/8:1",
                                        "0.0.0.0:1",
                                        "[::]:1",
                                        "[::ffff:0.0.0.0]:1",
                                        "::1:1",
                                        "[::1:1",
                                        "[]:1",
                                        "[1.2.3.4]:1",
                                        "[fe80::1]:1",
                                        "224.0.0.1x:1",
                                        "[ff02::1]:1",
                                        "1.2.3:1",
                                        "a.example:1"};
    struct policy_address address;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ck_assert_int_eq(place_find(&policy, POLICY_LISTEN, wrong[i], false, &address), PLACE_UNKNOWN);
    policy.wire.plaintext = POLICY_PLAINTEXT_REFUSE;
    ck_assert_int_eq(place_find(&policy, POLICY_LISTEN, "1.2.3.4:65535", false, &address), PLACE_OPEN);
    ck_assert_uint_eq(address.prefix, 128);
    ck_assert_uint_eq(address.port_first, 65535);
    ck_assert_uint_eq(address.port_last, 65535);
    ck_assert_mem_eq(address.address, "\0\0\0\0\0\0\0\0\0\0\xff\xff\1\2\3\4", 16);
    ck_assert_int_eq(place_find(&policy, POLICY_CONNECT, "[2001:db8::1]:80", false, &address), PLACE_OPEN);
    policy.wire.plaintext = POLICY_PLAINTEXT_STARTTLS;
    ck_assert_int_eq(place_find(&policy, POLICY_LISTEN, "1.2.3.4:25", true, &address), PLACE_ALLOWED);
    ck_assert_int_eq(place_find(&policy, POLICY_LISTEN, "1.2.3.4:25", false, &address), PLACE_OPEN);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("learn");
    tcase_add_checked_fixture(cases, builtin, NULL);
    tcase_add_loop_test(cases, a_handshake_below_tls_1_3_needs_what_its_outcome_and_offer_say, 0,
                        (int)(sizeof expectations / sizeof expectations[0]));
    tcase_add_test(cases, a_certificate_that_tls_1_3_cannot_use_is_no_matter_of_the_version);
    tcase_add_test(cases, tls_1_2_with_another_curve_needs_both);
    tcase_add_test(cases, every_outcome_has_a_decision);
    tcase_add_test(cases, only_one_address_with_one_port_becomes_a_rule);
    return run_suite(cases, "learn");
}
