/*
 * Lines of the audit log are JSON (RFC 8259) with RFC 3339 times, whatever the values hold and however long they
 * are. Links event.c alone: where lines go is left out.
 */
#include "audit/audit.h"

#include <check.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void audit_sink_open(const struct policy *policy)
{
    (void)policy;
}

void audit_sink_write(const char *line, size_t length)
{
    (void)line, (void)length;
}

static char line[AUDIT_LINE_MAX + 1];

/* Formats an event with one field; the line ends with a newline, which is taken off. */
static void format(int64_t time_ns, const struct audit_field *field)
{
    memset(line, '!', sizeof line);
    size_t length = audit_format(line, time_ns, 42, "program", "test", field, field != NULL ? 1 : 0);
    ck_assert_uint_le(length, AUDIT_LINE_MAX);
    ck_assert_int_eq(line[length - 1], '\n');
    ck_assert_int_eq(line[length], '!');
    line[length - 1] = '\0';
}

static void expect_time(int64_t seconds, int64_t nanoseconds, const char *text)
{
    char expected[128];
    format(seconds * 1000000000 + nanoseconds, NULL);
    (void)snprintf(expected, sizeof expected,
                   "{\"time\":\"%s\",\"event\":\"test\",\"pid\":42,\"program\":\"program\"}", text);
    ck_assert_str_eq(line, expected);
}

/* What follows the common fields, which is `"key":` and the value. */
static const char *value_of(struct audit_field field)
{
    format(0, &field);
    const char *value = strstr(line, ",\"key\":");
    return value != NULL ? value + 7 : "(no field)";
}

static const char *string_of(const char *value)
{
    return value_of(AUDIT_S("key", value));
}

START_TEST(times_are_utc_with_microseconds)
{
    expect_time(0, 0, "1970-01-01T00:00:00.000000Z");
    expect_time(951782399, 999999999, "2000-02-28T23:59:59.999999Z");
    expect_time(951782400, 1000, "2000-02-29T00:00:00.000001Z");
    expect_time(1795305600, 50000000, "2026-11-22T00:00:00.050000Z");
    expect_time(2147483648, 0, "2038-01-19T03:14:08.000000Z");
    expect_time(4107542400, 0, "2100-03-01T00:00:00.000000Z");
}
END_TEST

START_TEST(numbers_are_written_to_their_ends)
{
    ck_assert_str_eq(value_of(AUDIT_N("key", 0)), "0}");
    ck_assert_str_eq(value_of(AUDIT_N("key", 10)), "10}");
    ck_assert_str_eq(value_of(AUDIT_N("key", -7)), "-7}");
    ck_assert_str_eq(value_of(AUDIT_N("key", LLONG_MAX)), "9223372036854775807}");
    ck_assert_str_eq(value_of(AUDIT_N("key", LLONG_MIN)), "-9223372036854775808}");
}
END_TEST

START_TEST(booleans_are_words_and_a_missing_string_is_no_field)
{
    ck_assert_str_eq(value_of(AUDIT_B("key", true)), "true}");
    ck_assert_str_eq(value_of(AUDIT_B("key", false)), "false}");
    ck_assert_str_eq(string_of(NULL), "(no field)");
}
END_TEST

START_TEST(what_json_does_not_take_is_escaped_wherever_it_stands)
{
    ck_assert_str_eq(string_of(""), "\"\"}");
    ck_assert_str_eq(string_of("plain ~"), "\"plain ~\"}");
    ck_assert_str_eq(string_of("\"a\"b\""), "\"\\\"a\\\"b\\\"\"}");
    ck_assert_str_eq(string_of("a\\"), "\"a\\\\\"}");
    ck_assert_str_eq(string_of("\n\t\x7f"), "\"\\u000a\\u0009\\u007f\"}");
}
END_TEST

START_TEST(utf8_passes_and_other_bytes_are_replaced)
{
    ck_assert_str_eq(string_of("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x94\x92"),
                     "\"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x94\x92\"}");
    ck_assert_str_eq(string_of("a\xff"
                               "b"),
                     "\"a\\ufffdb\"}");
    ck_assert_str_eq(string_of("\xc0\xaf"), "\"\\ufffd\\ufffd\"}");            /* overlong */
    ck_assert_str_eq(string_of("\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\"}"); /* a surrogate */
    ck_assert_str_eq(string_of("\xe2\x82"), "\"\\ufffd\\ufffd\"}");            /* cut short */
}
END_TEST

START_TEST(a_value_of_any_length_is_cut_and_its_line_still_ends)
{
    static char value[AUDIT_LINE_MAX + 16];
    for (size_t length = AUDIT_LINE_MAX - 120; length < sizeof value; length++) {
        memset(value, 'x', length);
        value[length] = '\0';
        const char *found = string_of(value);
        size_t size = strlen(found);
        ck_assert_uint_ge(size, 3);
        ck_assert_str_eq(found + size - 2, "\"}");
        ck_assert_uint_eq(strspn(found + 1, "x"), size - 3);
        ck_assert(size - 3 == length || strlen(line) >= AUDIT_LINE_MAX - 8);
    }
}
END_TEST

START_TEST(a_cut_leaves_no_half_of_an_escape_or_a_character)
{
    static char value[AUDIT_LINE_MAX + 16];
    static const char *const units[] = {"\"", "\n", "\xe2\x82\xac", "\xff"};
    static const char *const written[] = {"\\\"", "\\u000a", "\xe2\x82\xac", "\\ufffd"};
    for (size_t unit = 0; unit < sizeof units / sizeof units[0]; unit++)
        for (size_t before = 0; before < 8; before++) {
            size_t length = before;
            memset(value, 'x', before);
            for (; length + 4 < sizeof value; length += strlen(units[unit]))
                memcpy(value + length, units[unit], strlen(units[unit]));
            value[length] = '\0';
            const char *found = string_of(value) + 1 + before;
            while (strncmp(found, written[unit], strlen(written[unit])) == 0)
                found += strlen(written[unit]);
            ck_assert_str_eq(found, "\"}");
        }
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("event");
    tcase_add_test(cases, times_are_utc_with_microseconds);
    tcase_add_test(cases, numbers_are_written_to_their_ends);
    tcase_add_test(cases, booleans_are_words_and_a_missing_string_is_no_field);
    tcase_add_test(cases, what_json_does_not_take_is_escaped_wherever_it_stands);
    tcase_add_test(cases, utf8_passes_and_other_bytes_are_replaced);
    tcase_add_test(cases, a_value_of_any_length_is_cut_and_its_line_still_ends);
    tcase_add_test(cases, a_cut_leaves_no_half_of_an_escape_or_a_character);
    Suite *suite = suite_create("audit event");
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
