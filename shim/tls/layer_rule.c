/*
 * Which connections have the inner layer. Reads the policy and the connection's addresses; changes nothing. Where
 * the addresses cannot be known the answer is never "without it" if a rule might have wanted it.
 */
#include "tls/layer.h"

#include <string.h>
#include <sys/socket.h>

#include "config/init.h"

_Atomic(enum layer_rules) layer_rules;

static bool rule_wants_layer(const struct policy_rule *rule)
{
    return rule->seal != POLICY_SEAL_OFF && rule->layer == POLICY_LAYER_TLS;
}

bool layer_rules_find(void)
{
    const struct policy *policy = pfswrap_policy();
    bool found = false;
    for (size_t i = 0; i < policy->rule_count; i++)
        found = found || rule_wants_layer(&policy->rules[i]);
    atomic_store(&layer_rules, found ? LAYER_RULES_SOME : LAYER_RULES_NONE);
    return found;
}

/* Whether two rules ask the same of a connection, so that it does not matter which of them it is. */
static bool rules_agree(const struct policy_rule *a, const struct policy_rule *b)
{
    bool same = a->seal == b->seal && a->clients_any == b->clients_any && a->peer_count == b->peer_count &&
                strcmp(a->service, b->service) == 0;
    for (size_t i = 0; same && i < a->peer_count; i++)
        same = strcmp(a->peers[i], b->peers[i]) == 0;
    return same;
}

static const char *rule_without_address(enum policy_direction direction, const struct policy_rule **rule)
{
    const struct policy *policy = pfswrap_policy();
    for (size_t i = 0; i < policy->rule_count; i++) {
        const struct policy_rule *candidate = &policy->rules[i];
        if (candidate->direction != direction || !rule_wants_layer(candidate))
            continue;
        if (*rule != NULL && !rules_agree(*rule, candidate))
            return "its addresses cannot be known, and the policy has more than one rule with layer = tls";
        *rule = *rule != NULL ? *rule : candidate;
    }
    return NULL;
}

/* The address the policy's rules are about. False: there is no socket, or it is not connected yet. */
static bool address_find(const struct libssl *lib, const SSL *ssl, bool server, struct sockaddr_storage *address,
                         socklen_t *length)
{
    int fd = lib->SSL_get_rfd(ssl);
    if (fd < 0)
        fd = lib->SSL_get_wfd(ssl);
    *length = sizeof *address;
    memset(address, 0, sizeof *address);
    if (fd < 0)
        return false;
    return server ? getsockname(fd, (struct sockaddr *)address, length) == 0
                  : getpeername(fd, (struct sockaddr *)address, length) == 0;
}

const char *layer_rule_find(const struct libssl *lib, SSL *ssl, bool server, const struct policy_rule **rule)
{
    enum policy_direction direction = server ? POLICY_LISTEN : POLICY_CONNECT;
    struct sockaddr_storage address;
    socklen_t length;
    *rule = NULL;
    if (!address_find(lib, ssl, server, &address, &length))
        return rule_without_address(direction, rule);
    const struct policy_rule *match =
        policy_match(pfswrap_policy(), direction, (const struct sockaddr *)&address, length);
    if (match != NULL && rule_wants_layer(match))
        *rule = match;
    return NULL;
}
