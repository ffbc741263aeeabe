/* audit_format: the form of a line, whatever the values are: escapes, UTF-8, values that do not fit, times. */
#include "../suite.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "audit/audit.h"

/* The log that lines would go to; formatting does not use it. */
void audit_sink_quiet(bool quiet)
{
    (void)quiet;
}

bool audit_sink_takes_entries(void)
{
    return false;
}

int audit_sink_open(const struct policy *policy)
{
    (void)policy;
    ck_abort_msg("a format opens no log");
    return -1;
}

int audit_sink_write(const char *line, size_t length)
{
    (void)line, (void)length;
    ck_abort_msg("a format writes nothing");
    return -1;
}

void audit_sink_fail(int error)
{
    (void)error;
    ck_abort_msg("a format needs no memory");
}

static char line[AUDIT_LINE_MAX];

/* The line of one event "e" of process 7, program "p", at the epoch, with these fields; ends with a zero byte. */
static const char *format(const struct audit_field *fields, size_t count)
{
    memset(line, '#', sizeof line);
    size_t length = audit_format(line, 0, 7, "p", "e", fields, count);
    ck_assert_uint_lt(length, sizeof line);
    ck_assert_int_eq(line[length - 1], '\n');
    line[length] = '\0';
    return line;
}

#define HEAD "{\"time\":\"1970-01-01T00:00:00.000000Z\",\"event\":\"e\",\"pid\":7,\"program\":\"p\""

static void expect_value(const char *value, const char *written)
{
    char expected[256];
    struct audit_field field = AUDIT_S("k", value);
    (void)snprintf(expected, sizeof expected, HEAD ",\"k\":\"%s\"}\n", written);
    ck_assert_str_eq(format(&field, 1), expected);
}

START_TEST(a_line_has_time_event_pid_and_program_first_and_fields_in_their_order)
{
    const struct audit_field fields[] = {AUDIT_S("s", "text"), AUDIT_N("n", -12), AUDIT_B("yes", true),
                                         AUDIT_B("no", false)};
    ck_assert_str_eq(format(NULL, 0), HEAD "}\n");
    ck_assert_str_eq(format(fields, 4), HEAD ",\"s\":\"text\",\"n\":-12,\"yes\":true,\"no\":false}\n");
}
END_TEST

START_TEST(a_string_that_is_null_is_left_out)
{
    const struct audit_field fields[] = {AUDIT_S("a", NULL), AUDIT_S("b", "")};
    ck_assert_str_eq(format(fields, 2), HEAD ",\"b\":\"\"}\n");
}
END_TEST

START_TEST(quotes_backslashes_and_control_characters_are_escaped)
{
    expect_value("a\"b\\c", "a\\\"b\\\\c");
    expect_value("\n\t\x01\x1b[0m\x7f", "\\u000a\\u0009\\u0001\\u001b[0m\\u007f");
}
END_TEST

START_TEST(valid_utf8_is_unchanged)
{
    static const char *const valid[] = {"\xc2\xa0",     "\xdf\xbf",         "\xe0\xa0\x80",    "\xed\x9f\xbf",
                                        "\xee\x80\x80", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"};
    for (size_t i = 0; i < sizeof valid / sizeof valid[0]; i++)
        expect_value(valid[i], valid[i]);
}
END_TEST

START_TEST(each_byte_of_invalid_utf8_becomes_the_replacement_character)
{
    expect_value("\x80", "\\ufffd");                                  /* a continuation byte alone */
    expect_value("\xc0\xaf", "\\ufffd\\ufffd");                       /* overlong */
    expect_value("\xe0\x9f\xbf", "\\ufffd\\ufffd\\ufffd");            /* overlong */
    expect_value("\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd");            /* a surrogate */
    expect_value("\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd"); /* above U+10FFFF */
    expect_value("\xff", "\\ufffd");
    expect_value("\xe2\x82", "\\ufffd\\ufffd");              /* cut at the end */
    expect_value("\xf0\x9f\x92x", "\\ufffd\\ufffd\\ufffdx"); /* cut by a letter */
}
END_TEST

/* A value of `length` times `unit`, in memory of exactly its size, so that AddressSanitizer reports a read past it.
 */
static char *repeated(const char *unit, size_t length)
{
    size_t size = strlen(unit);
    char *text = malloc(size * length + 1);
    ck_assert_ptr_nonnull(text);
    for (size_t i = 0; i < length; i++)
        memcpy(text + i * size, unit, size);
    text[size * length] = '\0';
    return text;
}

/* Whether the line ends as an object does, and no character is cut in two. */
static void expect_whole(const char *unit)
{
    for (size_t shift = 0; shift < 8; shift++) {
        char *shifted = repeated("a", shift);
        char *value = repeated(unit, AUDIT_LINE_MAX);
        const struct audit_field fields[] = {AUDIT_S("s", shifted), AUDIT_S("k", value), AUDIT_S("after", "lost")};
        const char *text = format(fields, 3);
        size_t length = strlen(text);
        ck_assert_uint_gt(length, AUDIT_LINE_MAX - 16);
        ck_assert_str_eq(text + length - 3, "\"}\n");
        const char *begin = strstr(text, ",\"k\":\"");
        ck_assert_ptr_nonnull(begin);
        size_t left = length - 3 - (size_t)(begin + 6 - text);
        size_t written = strcmp(unit, "\x01") == 0 ? 6 : strcmp(unit, "\"") == 0 ? 2 : strlen(unit);
        ck_assert_uint_eq(left % written, 0);
        ck_assert_ptr_null(strstr(text, "after"));
        free(shifted);
        free(value);
    }
}

START_TEST(a_value_that_does_not_fit_is_cut_between_characters_and_the_line_stays_whole)
{
    expect_whole("x");
    expect_whole("\"");
    expect_whole("\x01");
    expect_whole("\xe2\x82\xac");
    expect_whole("\xf0\x9f\x92\xa9");
}
END_TEST

START_TEST(fields_without_room_are_left_out_and_the_line_stays_whole)
{
    struct audit_field fields[400];
    for (size_t i = 0; i < 400; i++)
        fields[i] = i % 2 == 0 ? AUDIT_N("number", -9223372036854775807LL - 1) : AUDIT_B("boolean", true);
    const char *text = format(fields, 400);
    ck_assert_uint_gt(strlen(text), AUDIT_LINE_MAX - 64);
    ck_assert_str_eq(text + strlen(text) - 2, "}\n");
}
END_TEST

START_TEST(the_time_is_rfc_3339_in_utc_with_microseconds)
{
    static const struct {
        int64_t seconds;
        const char *text;
    } times[] = {
        {0, "1970-01-01T00:00:00"},          {951782399, "2000-02-28T23:59:59"},
        {951782400, "2000-02-29T00:00:00"},  {951868800, "2000-03-01T00:00:00"},
        {1709164800, "2024-02-29T00:00:00"}, {1735689599, "2024-12-31T23:59:59"},
        {1735689600, "2025-01-01T00:00:00"}, {2147483648, "2038-01-19T03:14:08"},
        {4107542400, "2100-03-01T00:00:00"},
    };
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        size_t length = audit_format(line, times[i].seconds * 1000000000 + 123456789, 1, "p", "e", NULL, 0);
        ck_assert_uint_gt(length, 40);
        ck_assert_int_eq(strncmp(line + strlen("{\"time\":\""), times[i].text, strlen(times[i].text)), 0);
        ck_assert_int_eq(strncmp(line + strlen("{\"time\":\"") + strlen(times[i].text), ".123456Z\"", 9), 0);
    }
}
END_TEST

START_TEST(numbers_are_written_completely)
{
    static const struct {
        long long number;
        const char *written;
    } numbers[] = {
        {0, "0"}, {10, "10"}, {-7, "-7"}, {LLONG_MAX, "9223372036854775807"}, {LLONG_MIN, "-9223372036854775808"}};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        char expected[256];
        struct audit_field field = AUDIT_N("k", numbers[i].number);
        (void)snprintf(expected, sizeof expected, HEAD ",\"k\":%s}\n", numbers[i].written);
        ck_assert_str_eq(format(&field, 1), expected);
    }
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("event");
    tcase_add_test(cases, a_line_has_time_event_pid_and_program_first_and_fields_in_their_order);
    tcase_add_test(cases, a_string_that_is_null_is_left_out);
    tcase_add_test(cases, quotes_backslashes_and_control_characters_are_escaped);
    tcase_add_test(cases, valid_utf8_is_unchanged);
    tcase_add_test(cases, each_byte_of_invalid_utf8_becomes_the_replacement_character);
    tcase_add_test(cases, a_value_that_does_not_fit_is_cut_between_characters_and_the_line_stays_whole);
    tcase_add_test(cases, fields_without_room_are_left_out_and_the_line_stays_whole);
    tcase_add_test(cases, the_time_is_rfc_3339_in_utc_with_microseconds);
    tcase_add_test(cases, numbers_are_written_completely);
    return run_suite(cases, "event");
}
