/*
 * Turns accepted proposals into a policy: keys, and rules in front of those that are there. See proposals.h.
 */
#include "proposals.h"

#include <stdio.h>
#include <string.h>

#include "policy/registry.h"

const char *proposal_write(char text[PROPOSAL_TEXT], const struct proposal *proposal)
{
    const struct tls_group *const group = tls_group_by_id((uint16_t)proposal->argument);
    const struct tls_ciphersuite *const suite = tls_ciphersuite_by_id((uint16_t)proposal->argument);
    const char *const direction = proposal->direction == POLICY_LISTEN ? "listen" : "connect";
    if (proposal->need == NEED_GROUP)
        (void)snprintf(text, PROPOSAL_TEXT, "%s in groups", group != NULL ? group->name : "another group");
    else if (proposal->need == NEED_SUITE)
        (void)snprintf(text, PROPOSAL_TEXT, "%s in ciphersuites", suite != NULL ? suite->name : "another suite");
    else if (proposal->need == NEED_STARTTLS || proposal->need == NEED_PLAINTEXT)
        (void)snprintf(text, PROPOSAL_TEXT, "plaintext = %s for [%s] port %u",
                       proposal->need == NEED_STARTTLS ? "starttls" : "allow", direction, proposal->argument);
    else
        (void)snprintf(text, PROPOSAL_TEXT, "%s", need_words[proposal->need]);
    return text;
}

static bool has_rule(const struct policy *policy, enum policy_direction direction, const char *name)
{
    for (size_t i = 0; i < policy->rule_count; i++)
        if (policy->rules[i].direction == direction && strcmp(policy->rules[i].name, name) == 0)
            return true;
    return false;
}

/* "learned-listen-6379", with a number behind it if there is one already. */
static void name_rule(const struct policy *policy, const struct proposal *proposal, char name[POLICY_NAME_MAX])
{
    const char *const direction = proposal->direction == POLICY_LISTEN ? "listen" : "connect";
    (void)snprintf(name, POLICY_NAME_MAX, "learned-%s-%u", direction, proposal->argument);
    for (unsigned number = 2; has_rule(policy, proposal->direction, name); number++)
        (void)snprintf(name, POLICY_NAME_MAX, "learned-%s-%u-%u", direction, proposal->argument, number);
}

/* The rule at place `at`, before all others. */
static void insert_rule(struct policy *policy, const struct proposal *proposal, size_t at)
{
    struct policy_rule rule = {.direction = proposal->direction,
                               .address_first = (uint16_t)policy->address_count,
                               .address_count = (uint16_t)proposal->address_count,
                               .plaintext = proposal->need == NEED_STARTTLS ? POLICY_PLAINTEXT_STARTTLS
                                                                            : POLICY_PLAINTEXT_ALLOW};
    name_rule(policy, proposal, rule.name);
    memcpy(&policy->addresses[policy->address_count], proposal->addresses,
           proposal->address_count * sizeof proposal->addresses[0]);
    policy->address_count += proposal->address_count;
    memmove(&policy->rules[at + 1], &policy->rules[at], (policy->rule_count - at) * sizeof policy->rules[0]);
    policy->rules[at] = rule;
    policy->rule_count++;
}

static void append(uint16_t list[POLICY_LIST_MAX], size_t *count, unsigned value)
{
    if (*count < POLICY_LIST_MAX)
        list[(*count)++] = (uint16_t)value;
}

void proposals_apply(const struct proposals *proposals, struct policy *policy)
{
    size_t rules = 0;
    for (size_t i = 0; i < proposals->count; i++) {
        const struct proposal *const proposal = proposals->list[i];
        if (!proposal->is_accepted || proposal_connections(proposal) == 0)
            continue;
        switch (proposal->need) {
        case NEED_VERSION:
            policy->tls.min_version = 0x0303;
            break;
        case NEED_GROUP:
            append(policy->tls.groups, &policy->tls.group_count, proposal->argument);
            break;
        case NEED_SUITE:
            append(policy->tls.ciphersuites, &policy->tls.ciphersuite_count, proposal->argument);
            break;
        case NEED_TICKETS:
            policy->tls.session_tickets = POLICY_TICKETS_ALLOW;
            break;
        case NEED_DTLS:
            policy->tls.dtls = POLICY_DTLS_ECDHE;
            break;
        case NEED_CHILDREN:
            policy->children = POLICY_CHILDREN_PROTECT;
            break;
        case NEED_STARTTLS:
        case NEED_PLAINTEXT:
            insert_rule(policy, proposal, rules++);
            break;
        default: /* repairs */
            break;
        }
    }
}
