/*
 * The built-in policy. Its values are also the defaults of the keys that a policy file does not have.
 */
#include "policy/policy.h"

#include <string.h>

void policy_set_defaults(struct policy *policy)
{
    static const uint16_t groups[] = {0x11ec, 29, 23, 24}; /* X25519MLKEM768, X25519, P-256, P-384 */
    static const uint16_t ciphersuites[] = {0x1302, 0x1303, 0x1301};

    memcpy(policy->path, "builtin", sizeof "builtin");
    policy->log_interval_ms = 60 * 1000;
    policy->tls.min_version = 0x0304;
    memcpy(policy->tls.groups, groups, sizeof groups);
    policy->tls.group_count = sizeof groups / sizeof groups[0];
    memcpy(policy->tls.ciphersuites, ciphersuites, sizeof ciphersuites);
    policy->tls.ciphersuite_count = sizeof ciphersuites / sizeof ciphersuites[0];
    policy->seal.rekey = 1;
    policy->seal.handshake_timeout_ms = 10 * 1000;
    policy->seal.linger_ms = 5 * 1000;
    policy->seal.revocation_delay_ms = 60 * 1000;
    policy->seal.on_removal = POLICY_REMOVAL_REHANDSHAKE;
    policy->seal.expired = POLICY_EXPIRED_LOG;
}

void policy_builtin(struct policy *policy)
{
    /* Array elements beyond their count are not cleared: they are 200 KiB. */
    memset(policy, 0, offsetof(struct policy, seal.identities));
    policy_set_defaults(policy);
}
