/*
 * The key under which the lines of the log are chained (log-chain). The tools use this, too, to report what is
 * wrong with the file before a program starts.
 */
#ifndef PFSWRAP_CONFIG_CHAIN_KEY_H
#define PFSWRAP_CONFIG_CHAIN_KEY_H

#include <stdint.h>

#include "policy/policy.h"

enum { CHAIN_MASTER_BYTES = 32 };

/*
 * Reads the key of `policy`. Returns 1; 0 if the policy has none; or -1 with *error filled: the file cannot be
 * read, can be read by others, or has no key. The caller wipes the key.
 */
int chain_key_load(const struct policy *policy, uint8_t key[CHAIN_MASTER_BYTES], struct policy_error *error);

#endif
