/*
 * What of a policy can change while a process runs, and what cannot: the keys of [policy], two keys of [tls], and
 * planes for which nothing was prepared before main(). Everything else can change (docs/ARCHITECTURE.md, "Reload").
 */
#include <stdio.h>
#include <string.h>

#include "policy/parser.h"

static unsigned planes_of_plaintext(enum policy_plaintext plaintext)
{
    if (plaintext == POLICY_PLAINTEXT_UNSET || plaintext == POLICY_PLAINTEXT_ALLOW)
        return 0;
    return POLICY_PLANE_WIRE | (policy_plaintext_refuses(plaintext) ? POLICY_PLANE_REFUSES : 0);
}

unsigned policy_planes(const struct policy *policy)
{
    unsigned planes = planes_of_plaintext(policy->wire.plaintext);
    if (policy->wire.tls != POLICY_WIRE_OFF)
        planes |= POLICY_PLANE_WIRE;
    if (policy->wire.tls == POLICY_WIRE_PFS)
        planes |= POLICY_PLANE_REFUSES;
    for (size_t i = 0; i < policy->rule_count; i++) {
        const struct policy_rule *rule = &policy->rules[i];
        planes |= planes_of_plaintext(rule->plaintext);
        if (rule->seal != POLICY_SEAL_OFF)
            planes |= rule->layer == POLICY_LAYER_TLS ? POLICY_PLANE_LAYER : POLICY_PLANE_SOCKET;
    }
    return planes;
}

const struct policy_rule *policy_find_rule(const struct policy *policy, const struct policy_rule *rule)
{
    for (size_t i = 0; i < policy->rule_count; i++) {
        const struct policy_rule *other = &policy->rules[i];
        if (other->direction == rule->direction && other->layer == rule->layer && other->seal != POLICY_SEAL_OFF &&
            strcmp(other->name, rule->name) == 0)
            return other;
    }
    return NULL;
}

static int fail(const struct policy *newer, struct policy_error *error, const char *what)
{
    (void)snprintf(error->text, sizeof error->text,
                   "%.*s: %s, which cannot change while the program runs, expected a restart of the program",
                   PATH_MAX, newer->path, what);
    return -1;
}

/* The key of [tls] that differs, of those that a libssl has got once for all contexts; NULL: none. */
static const char *changed_tls_key(const struct policy_tls *started, const struct policy_tls *newer)
{
    if (newer->group_count != started->group_count ||
        memcmp(newer->groups, started->groups, newer->group_count * sizeof newer->groups[0]) != 0)
        return "groups";
    if (strcmp(newer->ca_file, started->ca_file) != 0)
        return "ca-file";
    return strcmp(newer->key_state, started->key_state) != 0 ? "key-state" : NULL;
}

/* The key of [policy] that differs; NULL: none. */
static const char *changed_key(const struct policy *started, const struct policy *newer)
{
    const bool has_path = newer->log == POLICY_LOG_FILE || newer->log == POLICY_LOG_JOURNALD;
    if (newer->mode != started->mode)
        return "mode";
    if (newer->log != started->log || (has_path && strcmp(newer->log_path, started->log_path) != 0))
        return "log";
    if (newer->log_failure != started->log_failure)
        return "log-failure";
    if (newer->log_handshakes != started->log_handshakes)
        return "log-handshakes";
    if (newer->log_repeats != started->log_repeats)
        return "log-repeats";
    if (newer->log_interval_ms != started->log_interval_ms)
        return "log-interval";
    if (strcmp(newer->log_chain, started->log_chain) != 0)
        return "log-chain";
    if (newer->children != started->children)
        return "children";
    if (newer->io_uring != started->io_uring)
        return "io-uring";
    return newer->reload != started->reload ? "reload" : NULL;
}

/* The plane that only `newer` needs, in words; NULL: there is none. */
static const char *new_plane(const struct policy *started, const struct policy *newer)
{
    const unsigned more = policy_planes(newer) & ~policy_planes(started);
    if ((more & POLICY_PLANE_SOCKET) != 0)
        return "a rule seals sockets, and no rule did when the program started";
    if ((more & POLICY_PLANE_LAYER) != 0)
        return "a rule has layer = tls, and no rule had it when the program started";
    if ((more & POLICY_PLANE_WIRE) != 0)
        return "connections are inspected, and none were when the program started";
    return (more & POLICY_PLANE_REFUSES) != 0
               ? "inspected connections may be refused, and were only logged when the program started"
               : NULL;
}

int policy_check_live(const struct policy *started, const struct policy *newer, struct policy_error *error)
{
    char what[64];
    const char *key = changed_key(started, newer), *tls_key = changed_tls_key(&started->tls, &newer->tls);
    const char *plane = new_plane(started, newer);
    if (key != NULL || tls_key != NULL) {
        (void)snprintf(what, sizeof what, "[%s] %s differs", key != NULL ? "policy" : "tls",
                       key != NULL ? key : tls_key);
        return fail(newer, error, what);
    }
    return plane != NULL ? fail(newer, error, plane) : 0;
}
