/*
 * The ClientHello of pfswrap scan, and its reader of answers: what is in the offer is accepted, and nothing else
 * is.
 */
#include "../suite.h"

#include <stdlib.h>
#include <string.h>

#include "../../../tools/scan/hello.h"

enum { ANSWER_MAX = 512, MUTATIONS = 50000 };

static const uint16_t suites[] = {0x1301, 0xc02f}, groups[] = {29};
static const struct hello_offer tls13 = {0x0304, suites, 2, groups, 1, false},
                                tls12 = {0x0303, suites, 2, groups, 1, false};

/* A ServerHello with these values, as a record; for TLS 1.3 with supported_versions and key_share. Returns its
 * length. */
static size_t answer_write(uint8_t bytes[ANSWER_MAX], uint16_t version, uint16_t suite, uint16_t group)
{
    static const uint8_t extensions[] = {0, 12, 0, 43, 0, 2, 3, 4, 0, 51, 0, 2};
    const bool is_tls13 = version == 0x0304;
    const size_t body = 2 + 32 + 1 + 2 + 1 + (is_tls13 ? sizeof extensions + 2 : 0);
    const uint16_t legacy = is_tls13 ? 0x0303 : version;
    memset(bytes, 0, ANSWER_MAX);
    bytes[0] = 22;
    bytes[1] = bytes[2] = 3;
    bytes[4] = (uint8_t)(body + 4);
    bytes[5] = 2;
    bytes[8] = (uint8_t)body;
    bytes[9] = (uint8_t)(legacy >> 8);
    bytes[10] = (uint8_t)legacy;
    bytes[44] = (uint8_t)(suite >> 8);
    bytes[45] = (uint8_t)suite;
    if (is_tls13) {
        memcpy(bytes + 47, extensions, sizeof extensions);
        bytes[47 + sizeof extensions] = (uint8_t)(group >> 8);
        bytes[48 + sizeof extensions] = (uint8_t)group;
    }
    return 5 + 4 + body;
}

START_TEST(a_hello_has_the_lengths_that_it_says)
{
    uint8_t record[HELLO_MAX];
    const size_t length = hello_write(record, &tls13, "server.example");
    ck_assert_uint_eq(length, 5u + (unsigned)(record[3] << 8 | record[4]));
    ck_assert_uint_eq(length, 9u + (unsigned)(record[7] << 8 | record[8]));
    ck_assert_ptr_nonnull(memmem(record, length, "server.example", 14));
    ck_assert_ptr_nonnull(memmem(record, length, "\x00\x2b\x00\x03\x02\x03\x04", 7)); /* supported_versions */
    ck_assert_ptr_nonnull(memmem(record, length, "\x00\x33\x00\x02\x00\x00", 6));     /* key_share: none */
    ck_assert_ptr_null(memmem(record, hello_write(record, &tls12, NULL), "\x00\x2b\x00\x03", 4));
}
END_TEST

START_TEST(an_answer_to_the_offer_is_accepted)
{
    uint8_t bytes[ANSWER_MAX];
    struct hello_answer answer;
    ck_assert(hello_read(bytes, answer_write(bytes, 0x0304, 0x1301, 29), &tls13, &answer));
    ck_assert_int_eq(answer.result, SCAN_ACCEPTED);
    ck_assert_uint_eq(answer.group, 29);
    ck_assert(hello_read(bytes, answer_write(bytes, 0x0303, 0xc02f, 0), &tls12, &answer));
    ck_assert_int_eq(answer.result, SCAN_ACCEPTED);
    ck_assert_uint_eq(answer.suite, 0xc02f);
}
END_TEST

START_TEST(another_version_suite_or_group_is_not)
{
    uint8_t bytes[ANSWER_MAX];
    struct hello_answer answer;
    ck_assert(hello_read(bytes, answer_write(bytes, 0x0303, 0xc02f, 0), &tls13, &answer));
    ck_assert_int_eq(answer.result, SCAN_UNCLEAR);
    ck_assert(hello_read(bytes, answer_write(bytes, 0x0304, 0x1302, 29), &tls13, &answer));
    ck_assert_int_eq(answer.result, SCAN_UNCLEAR);
    ck_assert(hello_read(bytes, answer_write(bytes, 0x0304, 0x1301, 23), &tls13, &answer));
    ck_assert_int_eq(answer.result, SCAN_UNCLEAR);
}
END_TEST

START_TEST(an_alert_and_other_bytes_are_a_refusal)
{
    struct hello_answer answer;
    ck_assert(hello_read((const uint8_t *)"\x15\x03\x01\x00\x02\x02\x46", 7, &tls13, &answer));
    ck_assert_int_eq(answer.result, SCAN_REFUSED);
    ck_assert_str_eq(answer.detail, "alert 70");
    ck_assert(hello_read((const uint8_t *)"HTTP/1.1 400", 12, &tls13, &answer));
    ck_assert_int_eq(answer.result, SCAN_REFUSED);
}
END_TEST

START_TEST(an_answer_that_is_not_complete_needs_more)
{
    uint8_t bytes[ANSWER_MAX];
    struct hello_answer answer;
    const size_t length = answer_write(bytes, 0x0304, 0x1301, 29);
    for (size_t i = 0; i < length; i++)
        ck_assert(!hello_read(bytes, i, &tls13, &answer));
}
END_TEST

/* In a block of its exact size, so that a sanitizer sees a read behind it. */
START_TEST(changed_bytes_are_read_within_their_bounds)
{
    uint8_t bytes[ANSWER_MAX];
    unsigned short seed[3] = {7, 7, 7};
    for (int i = 0; i < MUTATIONS; i++) {
        struct hello_answer answer;
        size_t length = answer_write(bytes, i % 2 == 0 ? 0x0304 : 0x0303, 0x1301, 29);
        for (long j = nrand48(seed) % 4; j >= 0; j--)
            bytes[(size_t)nrand48(seed) % length] = (uint8_t)nrand48(seed);
        length -= nrand48(seed) % 8 == 0 ? (size_t)nrand48(seed) % length : 0;
        uint8_t *const exact = malloc(length > 0 ? length : 1);
        ck_assert_ptr_nonnull(exact);
        memcpy(exact, bytes, length);
        const bool is_whole = hello_read(exact, length, &tls13, &answer);
        ck_assert(!is_whole || answer.result != SCAN_ACCEPTED ||
                  (answer.version == 0x0304 && (answer.suite == 0x1301 || answer.suite == 0xc02f) &&
                   (answer.group == 29 || answer.group == 0)));
        free(exact);
    }
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("scan");
    tcase_add_test(cases, a_hello_has_the_lengths_that_it_says);
    tcase_add_test(cases, an_answer_to_the_offer_is_accepted);
    tcase_add_test(cases, another_version_suite_or_group_is_not);
    tcase_add_test(cases, an_alert_and_other_bytes_are_a_refusal);
    tcase_add_test(cases, an_answer_that_is_not_complete_needs_more);
    tcase_add_test(cases, changed_bytes_are_read_within_their_bounds);
    return run_suite(cases, "scan");
}
