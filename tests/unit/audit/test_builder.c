/*
 * Events that are collected field by field, and which handshakes a module reports.
 */
#include "../suite.h"

#include <string.h>

#include "audit/builder.h"
#include "audit/handshake_reporter.h"

static const char *written_name;
static size_t written_count;

void audit_event(const char *event, const struct audit_field *fields, size_t count)
{
    written_name = event;
    written_count = count;
    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(fields[i].value.number, (long long)i);
}

START_TEST(the_fields_of_an_event_are_written_in_the_order_in_which_they_were_added)
{
    struct audit_builder builder = {.count = 0};
    for (int i = 0; i < 3; i++)
        audit_add(&builder, AUDIT_N("number", i));
    audit_write(&builder, "closed");
    ck_assert_str_eq(written_name, "closed");
    ck_assert_uint_eq(written_count, 3);
}
END_TEST

START_TEST(fields_beyond_the_limit_are_left_out)
{
    struct audit_builder builder = {.count = 0};
    for (int i = 0; i < AUDIT_BUILDER_MAX + 2; i++)
        audit_add(&builder, AUDIT_N("number", i));
    audit_write(&builder, "closed");
    ck_assert_uint_eq(written_count, AUDIT_BUILDER_MAX);
}
END_TEST

START_TEST(an_empty_text_is_a_missing_one)
{
    ck_assert_ptr_null(audit_optional(NULL));
    ck_assert_ptr_null(audit_optional(""));
    ck_assert_str_eq(audit_optional("text"), "text");
}
END_TEST

static char one_library, other_library;

static bool covers_one(const void *caller)
{
    ck_assert_ptr_nonnull(caller);
    return caller == &one_library;
}

static bool covers_other(const void *caller)
{
    return caller == &other_library;
}

static const struct handshake_reporter one = {.covers = covers_one}, other = {.covers = covers_other};
const struct handshake_reporter *const handshake_reporters[] = {&one, &other, NULL};

START_TEST(a_handshake_is_reported_if_one_reporter_covers_its_library)
{
    char elsewhere;
    ck_assert(handshake_is_reported(&one_library));
    ck_assert(handshake_is_reported(&other_library));
    ck_assert(!handshake_is_reported(&elsewhere));
    ck_assert(!handshake_is_reported(NULL));
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("builder");
    tcase_add_test(cases, the_fields_of_an_event_are_written_in_the_order_in_which_they_were_added);
    tcase_add_test(cases, fields_beyond_the_limit_are_left_out);
    tcase_add_test(cases, an_empty_text_is_a_missing_one);
    tcase_add_test(cases, a_handshake_is_reported_if_one_reporter_covers_its_library);
    return run_suite(cases, "builder");
}
