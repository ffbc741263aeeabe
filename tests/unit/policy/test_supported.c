/*
 * What this build cannot honour is refused with its line, and only if the file says it: see planes.h.
 */
#include "support.h"

#include "policy/planes.h"

#define SEAL "[seal]\nidentity = /k\npeers = /p\n"

/* The text parses, and this build refuses it: with `message` as long as it lacks the plane. */
static void expect_unsupported(const char *text, bool has_plane, const char *message)
{
    expect_accepted(text);
    int result = policy_supported(&policy, &policy_problem);
    if (has_plane) {
        ck_assert_int_eq(result, 0);
    } else {
        ck_assert_int_eq(result, -1);
        ck_assert_str_eq(policy_problem.text, message);
    }
}

START_TEST(defaults_that_are_not_written_are_supported)
{
    expect_accepted("[wire]\n[seal]\nidentity = /k\n[tls]\n");
    ck_assert_int_eq(policy_supported(&policy, &policy_problem), 0);
    policy_builtin(&policy);
    ck_assert_int_eq(policy_supported(&policy, &policy_problem), 0);
}
END_TEST

START_TEST(what_a_missing_wire_plane_comes_to_may_be_written)
{
    expect_accepted("[wire]\ntls = off\nplaintext = allow\n[listen a]\naddress = 0.0.0.0:1\nplaintext = allow\n");
    ck_assert_int_eq(policy_supported(&policy, &policy_problem), 0);
}
END_TEST

START_TEST(wire_settings_need_the_wire_plane)
{
    bool has = POLICY_HAS_WIRE_PLANE;
    expect_unsupported("[wire]\ntls = pfs\n", has,
                       "test.conf:2: [wire] tls = pfs cannot be honoured: this build has no wire plane, expected "
                       "tls = off or no such line");
    expect_unsupported("[wire]\n\ntls = log\n", has,
                       "test.conf:3: [wire] tls = log cannot be honoured: this build has no wire plane, expected "
                       "tls = off or no such line");
    expect_unsupported("[wire]\nplaintext = log\n", has,
                       "test.conf:2: [wire] plaintext = log cannot be honoured: this build has no wire plane, "
                       "expected plaintext = allow or no such line");
    expect_unsupported("[connect db]\naddress = 0.0.0.0:1\nplaintext = refuse\n", has,
                       "test.conf:3: [connect db] plaintext = refuse cannot be honoured: this build has no wire "
                       "plane, expected plaintext = allow or no such line");
}
END_TEST

START_TEST(sealing_rules_need_the_seal_plane)
{
    bool has = POLICY_HAS_SEAL_PLANE;
    expect_unsupported(SEAL "[listen a]\naddress = 0.0.0.0:1\nseal = require\n", has,
                       "test.conf:6: [listen a] seal = require cannot be honoured: this build has no seal plane, "
                       "expected seal = off or no such rule");
    expect_unsupported("[listen a]\naddress = 0.0.0.0:1\nseal = prefer\nclients = any\n" SEAL, has,
                       "test.conf:3: [listen a] seal = prefer cannot be honoured: this build has no seal plane, "
                       "expected seal = off or no such rule");
    expect_accepted("[listen a]\naddress = 0.0.0.0:1\nseal = off\n");
    ck_assert_int_eq(policy_supported(&policy, &policy_problem), 0);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("supported");
    tcase_add_test(cases, defaults_that_are_not_written_are_supported);
    tcase_add_test(cases, what_a_missing_wire_plane_comes_to_may_be_written);
    tcase_add_test(cases, wire_settings_need_the_wire_plane);
    tcase_add_test(cases, sealing_rules_need_the_seal_plane);
    return run_suite(cases, "policy supported");
}
