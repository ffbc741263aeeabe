/*
 * Checks at the end of a policy file: a rule that seals needs keys from [seal], and a chain needs lines.
 * config/keys.c checks the key files.
 */
#include "policy/parser.h"

#include <pfswrap/seal.h>

static int check_listen(struct policy_parser *parser, const struct policy_rule *rule)
{
    const struct policy_seal_keys *seal = &parser->policy->seal;
    if (seal->identity_count == 0)
        return policy_fail_at(parser, rule->seal_line, "[listen %s] seals, expected identity = FILE in [seal]",
                              rule->name);
    if (!rule->clients_any && seal->peers[0] == '\0')
        return policy_fail_at(parser, rule->seal_line,
                              "[listen %s] seals, expected peers = FILE in [seal], or "
                              "clients = any",
                              rule->name);
    return 0;
}

/* A client may have no key of its own (Noise NK), but it must have the server's key before it sends anything. */
static int check_connect(struct policy_parser *parser, const struct policy_rule *rule)
{
    if (rule->peer_count == 0)
        return policy_fail_at(parser, rule->seal_line, "[connect %s] seals, expected peer = NAME as well",
                              rule->name);
    if (parser->policy->seal.peers[0] == '\0')
        return policy_fail_at(parser, rule->seal_line, "[connect %s] seals, expected peers = FILE in [seal]",
                              rule->name);
    return 0;
}

int policy_validate(struct policy_parser *parser)
{
    const struct policy *policy = parser->policy;
    if (policy->log_chain[0] != '\0' && policy->log == POLICY_LOG_JOURNALD)
        return policy_fail_at(
            parser, policy->log_chain_line,
            "log-chain chains lines, and log = journald has none, expected a file, syslog or stderr");
    for (size_t i = 0; i < policy->rule_count; i++) {
        const struct policy_rule *rule = &policy->rules[i];
        if (rule->seal == POLICY_SEAL_OFF)
            continue;
        if (rule->post_quantum == POLICY_POST_QUANTUM_REQUIRE && !pfswrap_seal_has_post_quantum())
            return policy_fail_at(parser, rule->post_quantum_line,
                                  "post-quantum = require in [%s %s], but this pfswrap was built without ML-KEM, "
                                  "expected a build with it (pfswrap version)",
                                  policy_words_direction[rule->direction], rule->name);
        int result = rule->direction == POLICY_LISTEN ? check_listen(parser, rule) : check_connect(parser, rule);
        if (result < 0)
            return -1;
    }
    return 0;
}
