/*
 * What is in force, for those who read this process's counters from outside (`pfswrap status`).
 */
#ifndef PFSWRAP_CONFIG_PUBLISH_H
#define PFSWRAP_CONFIG_PUBLISH_H

#include "policy/policy.h"

struct keys;

/*
 * This policy is in force from now on, with these keys; NULL: it has none. Takes the place of what was
 * published before. numbers[]: the number of each rule in the counters. One thread at a time.
 */
void publish_policy(const struct policy *policy, const struct keys *keys, uint8_t numbers[POLICY_RULES_MAX]);

/* The files were read again, and are as they were. */
void publish_unchanged(void);

/* A newer policy could not be put into force: `problem` says why. NULL or empty: there is no such problem. */
void publish_problem(const char *problem);

#endif
