/*
 * The keys of [findings]: what the log says about the content of TLS connections.
 */
#include "policy/parser.h"

static int set_http(struct policy_parser *parser, const char *value)
{
    int choice = policy_value_choose(parser, value, policy_words_finding);
    if (choice < 0)
        return -1;
    parser->policy->findings.http = choice == 1;
    return 0;
}

const struct policy_key policy_keys_findings[] = {
    {"http", false, set_http},
    {NULL, false, NULL},
};
