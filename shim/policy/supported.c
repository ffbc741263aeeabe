/*
 * What this build cannot honour. A policy may name planes that a build lacks (planes.h); such a file is refused
 * with the line that asks for it, never accepted and then ignored.
 */
#include "policy/parser.h"
#include "policy/planes.h"

#include <stdio.h>

static int refuse(const struct policy *policy, struct policy_error *error, unsigned line, const char *what,
                  const char *expected)
{
    (void)snprintf(error->text, sizeof error->text, "%s:%u: %s cannot be honoured: this build has no %s",
                   policy->path, line, what, expected);
    return -1;
}

static int wire_supported(const struct policy *policy, struct policy_error *error)
{
    char what[64];
    if (policy->wire.tls_line != 0 && policy->wire.tls != POLICY_WIRE_OFF) {
        (void)snprintf(what, sizeof what, "[wire] tls = %s", policy_words_wire_tls[policy->wire.tls]);
        return refuse(policy, error, policy->wire.tls_line, what, "wire plane, expected tls = off or no such line");
    }
    if (policy->wire.plaintext_line != 0 && policy->wire.plaintext != POLICY_PLAINTEXT_ALLOW) {
        (void)snprintf(what, sizeof what, "[wire] plaintext = %s", policy_words_plaintext[policy->wire.plaintext]);
        return refuse(policy, error, policy->wire.plaintext_line, what,
                      "wire plane, expected plaintext = allow or no such line");
    }
    return 0;
}

static int rule_supported(const struct policy *policy, const struct policy_rule *rule, struct policy_error *error)
{
    char what[POLICY_NAME_MAX + 64];
    if (!POLICY_HAS_SEAL_PLANE && rule->seal != POLICY_SEAL_OFF) {
        (void)snprintf(what, sizeof what, "[%s %s] seal = %s", policy_words_direction[rule->direction], rule->name,
                       policy_words_seal[rule->seal]);
        return refuse(policy, error, rule->seal_line, what, "seal plane, expected seal = off or no such rule");
    }
    if (!POLICY_HAS_WIRE_PLANE && rule->plaintext_line != 0 && rule->plaintext != POLICY_PLAINTEXT_ALLOW) {
        (void)snprintf(what, sizeof what, "[%s %s] plaintext = %s", policy_words_direction[rule->direction],
                       rule->name, policy_words_plaintext[rule->plaintext]);
        return refuse(policy, error, rule->plaintext_line, what,
                      "wire plane, expected plaintext = allow or no such line");
    }
    return 0;
}

int policy_supported(const struct policy *policy, struct policy_error *error)
{
    if (!POLICY_HAS_WIRE_PLANE && wire_supported(policy, error) < 0)
        return -1;
    for (size_t i = 0; i < policy->rule_count; i++)
        if (rule_supported(policy, &policy->rules[i], error) < 0)
            return -1;
    return 0;
}
