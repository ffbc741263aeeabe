/*
 * The keys of [wire]: what the first records of a connection must show.
 */
#include "policy/parser.h"

static int set_tls(struct policy_parser *parser, const char *value)
{
    int choice = policy_value_choose(parser, value, policy_words_wire_tls);
    if (choice < 0)
        return -1;
    parser->policy->wire.tls = (enum policy_wire_tls)choice;
    return 0;
}

static int set_plaintext(struct policy_parser *parser, const char *value)
{
    int choice = policy_value_choose(parser, value, policy_words_plaintext);
    if (choice < 0)
        return -1;
    parser->policy->wire.plaintext = (enum policy_plaintext)choice;
    return 0;
}

const struct policy_key policy_keys_wire[] = {
    {"tls", false, set_tls},
    {"plaintext", false, set_plaintext},
    {NULL, false, NULL},
};
