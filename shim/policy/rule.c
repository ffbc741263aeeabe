/*
 * The keys of [listen NAME] and [connect NAME], and the checks within one rule. validate.c checks what a rule needs
 * from [seal], because [seal] may come later in the file.
 */
#include "policy/parser.h"

#include <pfswrap/seal.h>

#include <stdio.h>
#include <string.h>

int policy_begin_rule(struct policy_parser *parser, enum policy_direction direction, const char *name)
{
    struct policy *policy = parser->policy;
    if (policy->rule_count == POLICY_RULES_MAX)
        return policy_fail(parser, "more than %d [listen] and [connect] sections", POLICY_RULES_MAX);
    struct policy_rule *rule = &policy->rules[policy->rule_count];
    memset(rule, 0, sizeof *rule);
    if (policy_value_name(parser, name, rule->name) < 0)
        return -1;
    for (size_t i = 0; i < policy->rule_count; i++)
        if (policy->rules[i].direction == direction && strcmp(policy->rules[i].name, name) == 0)
            return policy_fail(parser, "[%s %s] is repeated, expected another name (first on line %u)",
                               policy_words_direction[direction], name, policy->rules[i].line);
    rule->direction = direction;
    rule->address_first = (uint16_t)policy->address_count;
    rule->plaintext = POLICY_PLAINTEXT_UNSET;
    rule->line = parser->reader.line;
    parser->rule = rule;
    policy->rule_count++;
    return 0;
}

static bool address_equal(const struct policy_address *a, const struct policy_address *b)
{
    return a->prefix == b->prefix && a->port_first == b->port_first && a->port_last == b->port_last &&
           memcmp(a->address, b->address, sizeof a->address) == 0;
}

static int add_address(struct policy_parser *parser, const char *text)
{
    struct policy *policy = parser->policy;
    struct policy_rule *rule = parser->rule;
    if (rule->address_count == POLICY_LIST_MAX)
        return policy_fail(parser, "address has more than %d entries", POLICY_LIST_MAX);
    if (policy->address_count == POLICY_ADDRESSES_MAX)
        return policy_fail(parser, "more than %d addresses in all rules", POLICY_ADDRESSES_MAX);
    struct policy_address *address = &policy->addresses[policy->address_count];
    memset(address, 0, sizeof *address);
    if (policy_value_address(parser, text, address) < 0)
        return -1;
    for (size_t i = rule->address_first; i < policy->address_count; i++)
        if (address_equal(&policy->addresses[i], address))
            return policy_fail(parser, "address %s is listed twice, expected it once", text);
    policy->address_count++;
    rule->address_count++;
    return 0;
}

static int set_address(struct policy_parser *parser, const char *value)
{
    char entry[POLICY_ENTRY_MAX];
    int more;
    while ((more = policy_value_next(parser, &value, entry)) > 0)
        if (add_address(parser, entry) < 0)
            return -1;
    return more;
}

static int set_seal(struct policy_parser *parser, const char *value)
{
    int choice = policy_value_choose(parser, value, policy_words_seal);
    if (choice < 0)
        return -1;
    parser->rule->seal = (enum policy_seal)choice;
    parser->rule->seal_line = parser->reader.line;
    return 0;
}

static int set_layer(struct policy_parser *parser, const char *value)
{
    int choice = policy_value_choose(parser, value, policy_words_layer);
    if (choice < 0)
        return -1;
    parser->rule->layer = (enum policy_layer)choice;
    return 0;
}

static int set_post_quantum(struct policy_parser *parser, const char *value)
{
    int choice = policy_value_choose(parser, value, policy_words_post_quantum);
    if (choice < 0)
        return -1;
    parser->rule->post_quantum = (enum policy_post_quantum)choice;
    parser->rule->post_quantum_line = parser->reader.line;
    return 0;
}

/* off, allow, padme or block:BYTES. */
static int set_padding(struct policy_parser *parser, const char *value)
{
    char block[sizeof "block:" + 10]; /* with any uint32_t: gcc 9 does not see that the largest is 16384 */
    for (uint32_t i = 0; policy_words_padding[i] != NULL; i++)
        if (strcmp(value, policy_words_padding[i]) == 0) {
            parser->rule->padding = i;
            return 0;
        }
    for (uint32_t bytes = PFSWRAP_SEAL_PADDING_BLOCK_MIN; bytes <= PFSWRAP_SEAL_PADDING_BLOCK_MAX; bytes *= 2) {
        (void)snprintf(block, sizeof block, "block:%u", bytes);
        if (strcmp(value, block) == 0) {
            parser->rule->padding = bytes;
            return 0;
        }
    }
    return policy_fail(parser,
                       "padding = %.80s, expected off, allow, padme or block:N with a power of 2 from %d to %d",
                       value, PFSWRAP_SEAL_PADDING_BLOCK_MIN, PFSWRAP_SEAL_PADDING_BLOCK_MAX);
}

static int add_peer(struct policy_parser *parser, const char *name)
{
    struct policy_rule *rule = parser->rule;
    const char *key = parser->key->name;
    if (rule->peer_count == POLICY_LIST_MAX)
        return policy_fail(parser, "%s has more than %d names", key, POLICY_LIST_MAX);
    if (policy_value_name(parser, name, rule->peers[rule->peer_count]) < 0)
        return -1;
    for (size_t i = 0; i < rule->peer_count; i++)
        if (strcmp(rule->peers[i], name) == 0)
            return policy_fail(parser, "%s %s is listed twice, expected it once", key, name);
    rule->peer_lines[rule->peer_count++] = parser->reader.line;
    return 0;
}

static int set_clients(struct policy_parser *parser, const char *value)
{
    char entry[POLICY_ENTRY_MAX];
    int more;
    if (strcmp(value, "any") == 0) {
        parser->rule->clients_any = true;
        return 0;
    }
    while ((more = policy_value_next(parser, &value, entry)) > 0) {
        if (strcmp(entry, "any") == 0)
            return policy_fail(parser, "clients lists any together with names, expected either any or names");
        if (add_peer(parser, entry) < 0)
            return -1;
    }
    return more;
}

static int set_service(struct policy_parser *parser, const char *value)
{
    return policy_value_name(parser, value, parser->rule->service);
}

static int set_plaintext(struct policy_parser *parser, const char *value)
{
    int choice = policy_value_choose(parser, value, policy_words_plaintext);
    if (choice < 0)
        return -1;
    parser->rule->plaintext = (enum policy_plaintext)choice;
    return 0;
}

/*
 * seal = prefer also accepts connections without the seal. A rule that looks stricter than that is a mistake.
 * Returns 0, or -1 after policy_fail_at().
 */
static int check_prefer(struct policy_parser *parser)
{
    const struct policy_rule *rule = parser->rule;
    if (rule->direction == POLICY_CONNECT)
        return policy_fail_at(parser, rule->seal_line,
                              "seal = prefer in [connect %s] could be stripped on the way, "
                              "expected require or off",
                              rule->name);
    if (!rule->clients_any)
        return policy_fail_at(parser, rule->seal_line,
                              "seal = prefer in [listen %s] accepts unsealed clients, "
                              "expected clients = any as well",
                              rule->name);
    if (rule->post_quantum == POLICY_POST_QUANTUM_REQUIRE)
        return policy_fail_at(
            parser, rule->post_quantum_line,
            "post-quantum = require in [listen %s], whose seal = prefer accepts unsealed clients, "
            "expected allow or off",
            rule->name);
    return 0;
}

/* A client does not negotiate: it could only fall back, and then an attacker could cause that. */
static int check_post_quantum(struct policy_parser *parser)
{
    const struct policy_rule *rule = parser->rule;
    if (rule->direction == POLICY_CONNECT && rule->post_quantum == POLICY_POST_QUANTUM_ALLOW)
        return policy_fail_at(parser, rule->post_quantum_line,
                              "post-quantum = allow in [connect %s], where nothing is negotiated, "
                              "expected require or off",
                              rule->name);
    return 0;
}

int policy_end_rule(struct policy_parser *parser)
{
    static const char *const sealing[] = {"layer", "clients", "peer", "service", "post-quantum", "padding"};
    const struct policy_rule *rule = parser->rule;
    if (rule->address_count == 0)
        return policy_fail_at(parser, rule->line, "[%s %s] has no address, expected address = ADDRESS:PORT",
                              policy_words_direction[rule->direction], rule->name);
    if (check_post_quantum(parser) < 0)
        return -1;
    if (rule->seal == POLICY_SEAL_PREFER)
        return check_prefer(parser);
    if (rule->seal == POLICY_SEAL_REQUIRE)
        return 0;
    for (size_t i = 0; i < sizeof sealing / sizeof sealing[0]; i++)
        if (policy_key_line(parser, sealing[i]) != 0)
            return policy_fail_at(parser, policy_key_line(parser, sealing[i]),
                                  "%s has no effect alone, expected seal = require as well", sealing[i]);
    return 0;
}

const struct policy_key policy_keys_listen[] = {
    {"address", false, set_address}, {"seal", false, set_seal},           {"layer", false, set_layer},
    {"clients", false, set_clients}, {"service", false, set_service},     {"post-quantum", false, set_post_quantum},
    {"padding", false, set_padding}, {"plaintext", false, set_plaintext}, {NULL, false, NULL},
};

const struct policy_key policy_keys_connect[] = {
    {"address", false, set_address}, {"seal", false, set_seal},           {"layer", false, set_layer},
    {"peer", true, add_peer},        {"service", false, set_service},     {"post-quantum", false, set_post_quantum},
    {"padding", false, set_padding}, {"plaintext", false, set_plaintext}, {NULL, false, NULL},
};
