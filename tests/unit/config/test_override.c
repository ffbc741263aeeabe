/*
 * Overrides are reported once for each setting and value, by the name that belongs to the policy's mode.
 */
#include "../suite.h"

#include <stdio.h>
#include <string.h>

#include "audit/audit.h"
#include "config/init.h"
#include "config/override.h"

static struct policy policy;

const struct policy *pfswrap_policy(void)
{
    return &policy;
}

static int events;
static char last[256]; /* "event field=value ..." */

void audit_event(const char *event, const struct audit_field *fields, size_t count)
{
    events++;
    size_t used = (size_t)snprintf(last, sizeof last, "%s", event);
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(last + used, sizeof last - used, " %s=%s", fields[i].key, fields[i].value.string);
}

START_TEST(an_override_has_the_setting_what_was_asked_for_and_what_holds)
{
    override_report("max-version", "TLSv1.2", "any");
    ck_assert_str_eq(last, "override setting=max-version asked=TLSv1.2 forced=any rule=tls");
}
END_TEST

START_TEST(with_mode_audit_the_event_says_what_enforcement_would_do)
{
    policy.mode = POLICY_AUDIT;
    override_report("max-version", "TLSv1.2", "any");
    ck_assert_str_eq(last, "would-override setting=max-version asked=TLSv1.2 forced=any rule=tls");
}
END_TEST

START_TEST(the_same_setting_and_value_are_reported_once)
{
    override_report("groups", "P-192", "X25519");
    override_report("groups", "P-192", "X25519");
    ck_assert_int_eq(events, 1);
    override_report("groups", "P-224", "X25519");
    override_report("priority", "P-192", "X25519");
    ck_assert_int_eq(events, 3);
}
END_TEST

START_TEST(where_a_setting_ends_and_its_value_begins_makes_a_difference)
{
    override_report("ab", "c", "");
    override_report("a", "bc", "");
    ck_assert_int_eq(events, 2);
}
END_TEST

START_TEST(a_program_with_very_many_different_overrides_has_each_reported)
{
    enum { MANY = 100 };
    char asked[16];
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(asked, sizeof asked, "%d", i);
        override_report("priority", asked, "");
    }
    ck_assert_int_eq(events, MANY);
    override_report("priority", "0", "");
    ck_assert_int_eq(events, MANY);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("override");
    tcase_add_test(cases, an_override_has_the_setting_what_was_asked_for_and_what_holds);
    tcase_add_test(cases, with_mode_audit_the_event_says_what_enforcement_would_do);
    tcase_add_test(cases, the_same_setting_and_value_are_reported_once);
    tcase_add_test(cases, where_a_setting_ends_and_its_value_begins_makes_a_difference);
    tcase_add_test(cases, a_program_with_very_many_different_overrides_has_each_reported);
    return run_suite(cases, "override");
}
