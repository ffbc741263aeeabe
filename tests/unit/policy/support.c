#include "support.h"

struct policy policy;
struct policy_error policy_problem;

void expect_accepted(const char *text)
{
    int result = policy_parse(&policy, "test.conf", text, strlen(text), &policy_problem);
    ck_assert_msg(result == 0, "refused: %s", policy_problem.text);
    ck_assert_str_eq(policy_problem.text, "");
}

void expect_refused_bytes(const char *text, size_t size, const char *message)
{
    int result = policy_parse(&policy, "test.conf", text, size, &policy_problem);
    ck_assert_msg(result == -1, "accepted, expected: %s", message);
    ck_assert_str_eq(policy_problem.text, message);
}

void expect_refused(const char *text, const char *message)
{
    expect_refused_bytes(text, strlen(text), message);
}
