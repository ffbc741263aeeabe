/*
 * What the policy tests share: parse a text, and expect that it is accepted or refused with exactly one message.
 */
#ifndef PFSWRAP_TESTS_POLICY_SUPPORT_H
#define PFSWRAP_TESTS_POLICY_SUPPORT_H

#include "../suite.h"

#include <string.h>

#include "policy/policy.h"

extern struct policy policy;               /* what the last text says */
extern struct policy_error policy_problem; /* why the last text was refused; its text is empty if it was not */

/* Parses `text` as the file "test.conf", which must succeed. */
void expect_accepted(const char *text);

/* Parses `size` bytes, which must be refused with the line `message`. */
void expect_refused_bytes(const char *text, size_t size, const char *message);
void expect_refused(const char *text, const char *message);

#endif
