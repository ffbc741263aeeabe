/*
 * What others read of a process's policy: rules keep their places, and what they have counted, while policies are
 * replaced.
 */
#include "../suite.h"

#include <stdio.h>
#include <string.h>

#include "base/fork.h"
#include "config/publish.h"
#include "counters/counters.h"

const struct process_observer *const process_observers[] = {NULL};

static struct policy policy;
static uint8_t numbers[POLICY_RULES_MAX];

/* Publishes a policy with rules of these names; one that begins with a plus is a [connect] rule. */
static void publish(const char *names)
{
    char text[256], *rest = text;
    policy_builtin(&policy);
    (void)snprintf(text, sizeof text, "%s", names);
    for (const char *name; (name = strtok_r(rest, " ", &rest)) != NULL;) {
        struct policy_rule *rule = &policy.rules[policy.rule_count++];
        rule->direction = name[0] == '+' ? POLICY_CONNECT : POLICY_LISTEN;
        rule->seal = POLICY_SEAL_REQUIRE;
        (void)snprintf(rule->name, sizeof rule->name, "%s", name + (name[0] == '+'));
    }
    publish_policy(&policy, NULL, numbers);
}

static bool is_removed(uint32_t number)
{
    return (counters.about.rules[number].flags & COUNTERS_IS_REMOVED) != 0;
}

START_TEST(the_first_policys_rules_are_in_its_order)
{
    publish("a b +a");
    ck_assert_uint_eq(counters.about.rule_count, 3);
    for (uint8_t i = 0; i < 3; i++)
        ck_assert_uint_eq(numbers[i], i);
    ck_assert_str_eq(counters.about.rules[1].name, "b");
    ck_assert_uint_eq(counters.about.rules[0].flags, COUNTERS_IS_SEALED);
    ck_assert_uint_eq(counters.about.rules[2].flags, COUNTERS_IS_SEALED | COUNTERS_IS_CLIENT);
}
END_TEST

START_TEST(a_rule_keeps_its_place_and_one_that_is_gone_stays)
{
    publish("a b");
    counters_increase(&counters_flow(numbers[1])->sent_bytes, 5);
    publish("+b b c");
    ck_assert_uint_eq(counters.about.rule_count, 4);
    ck_assert_uint_eq(numbers[0], 2);
    ck_assert_uint_eq(numbers[1], 1);
    ck_assert_uint_eq(numbers[2], 3);
    ck_assert(is_removed(0) && !is_removed(1) && !is_removed(2));
    ck_assert_str_eq(counters.about.rules[0].name, "a");
    ck_assert_uint_eq(atomic_load(&counters_flow(1)->sent_bytes), 5);
    publish("a");
    ck_assert_uint_eq(numbers[0], 0);
    ck_assert(!is_removed(0) && is_removed(1));
}
END_TEST

START_TEST(without_a_place_a_new_rule_gets_that_of_a_rule_that_is_gone)
{
    char name[16];
    for (int i = 0; i < COUNTERS_RULES; i++) {
        (void)snprintf(name, sizeof name, "stays r%d", i);
        publish(i == 0 ? "stays" : name);
    }
    ck_assert_uint_eq(counters.about.rule_count, COUNTERS_RULES);
    counters_increase(&counters_flow(1)->sent_bytes, 7);
    publish("stays new");
    ck_assert_uint_eq(counters.about.rule_count, COUNTERS_RULES);
    ck_assert_uint_eq(numbers[0], 0);
    ck_assert_uint_eq(numbers[1], 1);
    ck_assert_str_eq(counters.about.rules[1].name, "new");
    ck_assert_uint_eq(atomic_load(&counters_flow(1)->sent_bytes), 0);
    ck_assert(!is_removed(1) && is_removed(2));
}
END_TEST

START_TEST(a_problem_lasts_until_the_next_policy)
{
    publish("a");
    publish_problem("FILE:1: a mistake");
    ck_assert_str_eq(counters.about.problem, "FILE:1: a mistake");
    publish_problem("");
    ck_assert_str_eq(counters.about.problem, "");
    publish_problem("another one");
    counters.about.policy_ns = 1;
    publish_unchanged();
    ck_assert_str_eq(counters.about.problem, "");
    ck_assert_int_gt(counters.about.policy_ns, 1);
    publish_problem("another one");
    publish("a");
    ck_assert_str_eq(counters.about.problem, "");
    ck_assert_uint_eq(atomic_load(&counters.about.sequence) & 1, 0);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("publish");
    tcase_add_test(cases, the_first_policys_rules_are_in_its_order);
    tcase_add_test(cases, a_rule_keeps_its_place_and_one_that_is_gone_stays);
    tcase_add_test(cases, without_a_place_a_new_rule_gets_that_of_a_rule_that_is_gone);
    tcase_add_test(cases, a_problem_lasts_until_the_next_policy);
    return run_suite(cases, "published policies");
}
