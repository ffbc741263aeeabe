/*
 * What the policy tests share: parse a text and expect it to be taken, or to be refused with exactly that message.
 * Each test file includes it once.
 */
#ifndef PFSWRAP_TESTS_POLICY_SUPPORT_H
#define PFSWRAP_TESTS_POLICY_SUPPORT_H

#include "../suite.h"

#include <string.h>

#include "policy/policy.h"

static struct policy policy;
static struct policy_error policy_problem;

/* Parses `text` as the file "test.conf"; the test fails if that is refused. */
static inline void expect_accepted(const char *text)
{
    int result = policy_parse(&policy, "test.conf", text, strlen(text), &policy_problem);
    ck_assert_msg(result == 0, "refused: %s", policy_problem.text);
    ck_assert_str_eq(policy_problem.text, "");
}

/* Parses `size` bytes, which must be refused with the line `message`. */
static inline void expect_refused_bytes(const char *text, size_t size, const char *message)
{
    int result = policy_parse(&policy, "test.conf", text, size, &policy_problem);
    ck_assert_msg(result == -1, "accepted, expected: %s", message);
    ck_assert_str_eq(policy_problem.text, message);
}

static inline void expect_refused(const char *text, const char *message)
{
    expect_refused_bytes(text, strlen(text), message);
}

#endif
