/*
 * The keys of [findings]: what the log says about the content of TLS connections.
 */
#include "policy/parser.h"

static int set(struct policy_parser *parser, const char *value, bool *logs)
{
    int choice = policy_value_choose(parser, value, policy_words_finding);
    if (choice < 0)
        return -1;
    *logs = choice == 1;
    return 0;
}

static int set_http(struct policy_parser *parser, const char *value)
{
    return set(parser, value, &parser->policy->findings.http);
}

static int set_certificates(struct policy_parser *parser, const char *value)
{
    return set(parser, value, &parser->policy->findings.certificates);
}

const struct policy_key policy_keys_findings[] = {
    {"http", false, set_http},
    {"certificates", false, set_certificates},
    {NULL, false, NULL},
};
