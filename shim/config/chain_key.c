/*
 * Reads the key of the log's chain from its file. See chain_key.h.
 */
#include "config/chain_key.h"

#include <stdio.h>

#include "seal/keyring.h"

_Static_assert((int)CHAIN_MASTER_BYTES == (int)PFSWRAP_KEY_BYTES, "the file is one of genpsk");

int chain_key_load(const struct policy *policy, uint8_t key[CHAIN_MASTER_BYTES], struct policy_error *error)
{
    struct pfswrap_keys_error problem;
    if (policy->log_chain_line == 0)
        return 0;
    if (keyfile_load_secret(key, policy->log_chain, &problem) == 0)
        return 1;
    (void)snprintf(error->text, sizeof error->text, "%s:%u: log-chain %.480s", policy->path, policy->log_chain_line,
                   problem.text);
    return -1;
}
