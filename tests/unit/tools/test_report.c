/*
 * The parts of pfswrap report: lines of JSON, times, tables and counts over time that stay within their bounds,
 * lines of every length.
 */
#include "../suite.h"
#include "../files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../tools/report/history.h"
#include "../../../tools/report/json_line.h"
#include "../../../tools/report/moment.h"
#include "../../../tools/report/stream.h"
#include "../../../tools/report/tally.h"

static char members[512];

static void member(void *context, const char *key, char *value)
{
    (void)context;
    (void)snprintf(members + strlen(members), sizeof members - strlen(members), "%s=%s;", key, value);
}

static bool reads(const char *text)
{
    char line[512];
    (void)snprintf(line, sizeof line, "%s", text);
    members[0] = '\0';
    return json_line_read(line, strlen(line), member, NULL);
}

START_TEST(members_of_an_object_are_read_and_others_left_out)
{
    ck_assert(reads("{\"a\":\"x\",\"b\":12,\"c\":true ,\"d\" : null,\"e\":[1,{\"f\":\"g\"}],\"h\":-0.5e+3}"));
    ck_assert_str_eq(members, "a=x;b=12;c=true;h=-0.5e+3;");
    ck_assert(reads(" {} "));
    ck_assert(reads("{\"t\":\"\\\"\\\\\\/\\b\\n\\u00e9\\u20ac\\ud83d\\ude00\"}"));
    ck_assert_str_eq(members, "t=\"\\/\b\n\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80;");
}
END_TEST

START_TEST(a_zero_byte_and_half_a_surrogate_pair_become_u_fffd)
{
    ck_assert(reads("{\"a\":\"x\\u0000y\\ud800z\\udc00\"}"));
    ck_assert_str_eq(members, "a=x\xef\xbf\xbdy\xef\xbf\xbdz\xef\xbf\xbd;");
}
END_TEST

START_TEST(what_is_not_one_object_is_refused)
{
    static const char *const wrong[] = {
        "",
        "{",
        "[]",
        "null",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{\"a\":01}",
        "{\"a\":1}{}",
        "{\"a\":tru}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12g4\"}",
        "{\"a\":\"x",
        "{a:1}",
        "{\"a\":\"\t\"}",
        "{\"a\":[1,]}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":\"\\",
        "{\"a\":-}",
        "{\"a\":1.}",
        "{\"a\":\"\\ud800\\u12\"}",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ck_assert_msg(!reads(wrong[i]), "%s", wrong[i]);
}
END_TEST

START_TEST(nested_values_are_read_to_a_limit)
{
    char line[256] = "{\"a\":";
    memset(line + 5, '[', 100);
    memset(line + 105, ']', 100);
    memcpy(line + 205, "}", 2);
    ck_assert(!json_line_read(line, strlen(line), member, NULL));
    ck_assert(reads("{\"a\":[[[[[[[[1]]]]]]]]}"));
}
END_TEST

START_TEST(times_are_read_and_written)
{
    char text[MOMENT_TEXT];
    int64_t moment;
    ck_assert(moment_read("2026-11-22T03:12:04.566097Z", &moment));
    ck_assert_int_eq(moment, INT64_C(1795317124566097));
    ck_assert_str_eq(moment_write_rfc3339(text, moment), "2026-11-22T03:12:04.566097Z");
    ck_assert(moment_read("2024-02-29", &moment));
    ck_assert_str_eq(moment_write(text, moment), "2024-02-29 00:00:00");
    ck_assert(moment_read("1970-01-01T00:00:00Z", &moment));
    ck_assert_int_eq(moment, 0);
    static const char *const wrong[] = {"2023-02-29",
                                        "2026-13-01",
                                        "2026-11-22T24:00:00Z",
                                        "2026-11-22T03:12:04",
                                        "2026-11-22T03:12:04.Z",
                                        "2026-11-22 03:12:04Z",
                                        "1969-12-31",
                                        "26-11-22",
                                        ""};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ck_assert_msg(!moment_read(wrong[i], &moment), "%s", wrong[i]);
    ck_assert(duration_read("90m", &moment));
    ck_assert_int_eq(moment, INT64_C(5400) * MOMENT_SECOND);
    ck_assert(!duration_read("6", &moment) && !duration_read("0h", &moment) && !duration_read("6hh", &moment));
    ck_assert_str_eq(duration_write(text, INT64_C(93600) * MOMENT_SECOND), "1 d 2 h");
}
END_TEST

START_TEST(a_table_counts_by_its_keys_and_is_sorted_by_count)
{
    static struct tally tally = {.parts = 2};
    for (int i = 0; i < 1000; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "%d", i % 10);
        (void)tally_add(&tally, (const char *const[]){name, i % 10 == 7 ? "b" : NULL}, i % 10 == 7 ? 5 : 1, i);
    }
    tally_sort(&tally);
    ck_assert_uint_eq(tally.count, 10);
    ck_assert_str_eq(tally.entries[0].parts[0], "7");
    ck_assert_str_eq(tally.entries[0].parts[1], "b");
    ck_assert_uint_eq(tally.entries[0].count, 500);
    ck_assert_int_eq(tally.entries[0].first, 7);
    ck_assert_int_eq(tally.entries[0].last, 997);
}
END_TEST

START_TEST(a_full_table_counts_the_rest_together)
{
    static struct tally tally = {.parts = 1};
    for (int i = 0; i < TALLY_ENTRIES_MAX + 50; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "%d", i);
        (void)tally_add(&tally, (const char *const[]){name}, 2, 1);
    }
    ck_assert_uint_eq(tally.count, TALLY_ENTRIES_MAX);
    ck_assert_uint_eq(tally.left_out, 100);
    ck_assert_ptr_nonnull(tally_add(&tally, (const char *const[]){"77"}, 1, 1));
    ck_assert(tally_is_crowded(&tally, (const char *const[]){"new"}));
    ck_assert(!tally_is_crowded(&tally, (const char *const[]){"77"}));
}
END_TEST

START_TEST(keys_have_no_control_characters_and_are_cut_between_two_characters)
{
    char text[TALLY_KEY_MAX + 1], long_text[2 * TALLY_KEY_MAX + 1];
    (void)tally_clean(text, "a\x1b[1m\n\xc2\x9b\xe2\x80\xae\xff\xc3\xa9");
    ck_assert_str_eq(text, "a\xef\xbf\xbd[1m\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xc3\xa9");
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    memcpy(long_text + TALLY_KEY_MAX - 1, "\xc3\xa9", 2);
    ck_assert_uint_eq(tally_clean(text, long_text), TALLY_KEY_MAX - 1);
    uint64_t sum = UINT64_MAX - 1;
    tally_sum(&sum, 5);
    ck_assert_uint_eq(sum, UINT64_MAX);
}
END_TEST

START_TEST(counts_over_time_keep_every_event_however_long_the_period)
{
    static struct history history;
    const int64_t start = INT64_C(1795317124) * MOMENT_SECOND;
    memset(&history, 0, sizeof history);
    for (int64_t i = 0; i < 5000; i++)
        history_add(&history, i % 2 == 0 ? "even" : "odd", 1, start + i * 3600 * MOMENT_SECOND);
    for (int64_t i = 0; i < 5000; i++)
        history_add(&history, "before", 1, start - i * 7200 * MOMENT_SECOND);
    for (int i = 0; i < 100; i++) {
        char name[64];
        (void)snprintf(name, sizeof name,
                       "%d\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
                       "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
                       "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9",
                       i);
        history_add(&history, name, 1, start);
    }
    ck_assert_uint_eq(history.count, HISTORY_SERIES);
    ck_assert_str_eq(history.names[HISTORY_SERIES - 1], "other");
    ck_assert_uint_eq(history_total(&history, 0), 2500);
    ck_assert_uint_eq(history_total(&history, 1), 2500);
    ck_assert_uint_eq(history_total(&history, 2), 5000);
    uint64_t all = 0;
    for (size_t i = 0; i < history.count; i++)
        all += history_total(&history, i);
    ck_assert_uint_eq(all, 10100);
    ck_assert_uint_le(history_length(&history), HISTORY_BUCKETS);
    ck_assert_int_eq(history.start % history.width, 0);
    ck_assert(utf8_check(history.names[5], strlen(history.names[5])));
}
END_TEST

START_TEST(lines_of_every_length_are_read_and_longer_ones_skipped)
{
    static struct stream stream;
    static const size_t lengths[] = {0,
                                     1,
                                     STREAM_LINE_MAX - 1,
                                     STREAM_LINE_MAX,
                                     STREAM_LINE_MAX + 1,
                                     7,
                                     3 * STREAM_BUFFER,
                                     5,
                                     2 * STREAM_LINE_MAX,
                                     3};
    enum { COUNT = sizeof lengths / sizeof lengths[0] };
    char *const text = malloc(8 * STREAM_BUFFER), problem[128], *line;
    size_t used = 0, length;
    for (size_t i = 0; i < COUNT; i++) {
        memset(text + used, 'a' + (int)i, lengths[i]);
        used += lengths[i];
        text[used++] = '\n';
    }
    file_write("log", text, used - 1, 0600); /* the last line has no newline */
    ck_assert_int_eq(log_stream_open(&stream, "log", problem, sizeof problem), 0);
    for (size_t i = 0; i < COUNT; i++) {
        const bool is_long = lengths[i] > STREAM_LINE_MAX;
        ck_assert_int_eq(log_stream_line(&stream, &line, &length), is_long          ? STREAM_LONG
                                                                   : i == COUNT - 1 ? STREAM_CUT
                                                                                    : STREAM_LINE);
        if (!is_long)
            ck_assert_uint_eq(length, lengths[i]);
        if (length > 0)
            ck_assert_int_eq(line[length - 1], 'a' + (int)i);
    }
    ck_assert_int_eq(log_stream_line(&stream, &line, &length), STREAM_END);
    ck_assert_int_eq(log_stream_close(&stream, false, problem, sizeof problem), 0);
    free(text);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("report");
    tcase_add_checked_fixture(cases, folder_enter, folder_leave);
    tcase_add_test(cases, members_of_an_object_are_read_and_others_left_out);
    tcase_add_test(cases, a_zero_byte_and_half_a_surrogate_pair_become_u_fffd);
    tcase_add_test(cases, what_is_not_one_object_is_refused);
    tcase_add_test(cases, nested_values_are_read_to_a_limit);
    tcase_add_test(cases, times_are_read_and_written);
    tcase_add_test(cases, a_table_counts_by_its_keys_and_is_sorted_by_count);
    tcase_add_test(cases, a_full_table_counts_the_rest_together);
    tcase_add_test(cases, keys_have_no_control_characters_and_are_cut_between_two_characters);
    tcase_add_test(cases, counts_over_time_keep_every_event_however_long_the_period);
    tcase_add_test(cases, lines_of_every_length_are_read_and_longer_ones_skipped);
    return run_suite(cases, "report");
}
