/*
 * Which connections have the inner layer, by the policy and the connection's address. If the address is not known
 * and a rule with the layer might apply, the answer is never "without the layer".
 */
#include "tls/layer.h"

#include <string.h>

#include "config/init.h"
#include "fd/program_socket.h"

_Atomic(enum layer_rules) layer_rules;

static bool rule_has_layer(const struct policy_rule *rule)
{
    return rule->seal != POLICY_SEAL_OFF && rule->layer == POLICY_LAYER_TLS;
}

bool layer_rules_find(void)
{
    const struct policy *policy = pfswrap_policy();
    bool found = false;
    for (size_t i = 0; i < policy->rule_count; i++)
        found = found || rule_has_layer(&policy->rules[i]);
    atomic_store(&layer_rules, found ? LAYER_RULES_SOME : LAYER_RULES_NONE);
    return found;
}

/* Whether two rules require the same, so that it does not matter which of them applies. */
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
        if (candidate->direction != direction || !rule_has_layer(candidate))
            continue;
        if (*rule != NULL && !rules_agree(*rule, candidate))
            return "its addresses cannot be known, and the policy has more than one rule with layer = tls";
        *rule = *rule != NULL ? *rule : candidate;
    }
    return NULL;
}

/* The address that decides which rule applies. Returns false if there is no socket, or it is not connected. */
static bool address_find(const struct libssl *lib, const SSL *ssl, bool server, struct sockaddr_storage *address,
                         socklen_t *length)
{
    int fd = lib->SSL_get_rfd(ssl);
    if (fd < 0)
        fd = lib->SSL_get_wfd(ssl);
    return fd >= 0 &&
           program_socket_address(fd, server ? PROGRAM_SOCKET_LOCAL : PROGRAM_SOCKET_PEER, address, length);
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
    if (match != NULL && rule_has_layer(match))
        *rule = match;
    return NULL;
}
