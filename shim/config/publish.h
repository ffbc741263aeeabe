/*
 * What is in force, for those who read this process's counters from outside (`pfswrap status`).
 */
#ifndef PFSWRAP_CONFIG_PUBLISH_H
#define PFSWRAP_CONFIG_PUBLISH_H

#include "policy/policy.h"

struct pfswrap_keyring;

/*
 * This policy is in force from now on, with these keys; `keyring`: NULL if it has none. Takes the place of what was
 * published before. numbers[]: the number of each rule in the counters. One thread at a time.
 */
void publish_policy(const struct policy *policy, const struct pfswrap_keyring *keyring,
                    uint8_t numbers[POLICY_RULES_MAX]);

/* A newer policy could not be put into force: `problem` says why. NULL or empty: there is no such problem. */
void publish_problem(const char *problem);

#endif
