/*
 * Copies names, settings and dates to the counters' page: nothing that is secret, and no pointer. See publish.h.
 */
#include "config/publish.h"

#include <string.h>
#include <time.h>

#include "counters/counters.h"
#include "seal/keyring.h"

_Static_assert((int)COUNTERS_RULES >= (int)POLICY_RULES_MAX && (int)COUNTERS_NAME_MAX >= (int)POLICY_NAME_MAX,
               "all rules have a place");
_Static_assert((int)COUNTERS_NAME_MAX >= (int)PFSWRAP_NAME_BYTES, "names of peers fit");
_Static_assert((int)COUNTERS_IDENTITIES >= (int)PFSWRAP_KEYRING_IDENTITIES_MAX, "all identities have a place");
_Static_assert((int)COUNTERS_DIGEST_BYTES == (int)POLICY_DIGEST_BYTES, "the digest is copied as it is");

static void copy_text(char *to, size_t size, const char *from)
{
    const size_t length = strnlen(from, size - 1);
    memcpy(to, from, length);
    memset(to + length, 0, strnlen(to + length, size - length));
}

static uint32_t planes_of(const struct policy *policy)
{
    uint32_t planes = COUNTERS_PLANE_TLS;
    for (size_t i = 0; i < policy->rule_count; i++)
        if (policy->rules[i].seal != POLICY_SEAL_OFF)
            planes |= policy->rules[i].layer == POLICY_LAYER_TLS ? COUNTERS_PLANE_LAYER : COUNTERS_PLANE_SEAL;
    if (policy->wire.tls != POLICY_WIRE_OFF || policy->wire.plaintext != POLICY_PLAINTEXT_ALLOW)
        planes |= COUNTERS_PLANE_WIRE;
    return planes;
}

static void put_rules(struct counters_about *about, const struct policy *policy)
{
    for (size_t i = 0; i < policy->rule_count; i++) {
        const struct policy_rule *rule = &policy->rules[i];
        copy_text(about->rules[i].name, sizeof about->rules[i].name, rule->name);
        about->rules[i].flags = (rule->direction == POLICY_CONNECT ? COUNTERS_IS_CLIENT : 0U) |
                                (rule->layer == POLICY_LAYER_TLS ? COUNTERS_IS_LAYER : 0U) |
                                (rule->seal != POLICY_SEAL_OFF ? COUNTERS_IS_SEALED : 0U) |
                                (rule->seal == POLICY_SEAL_PREFER ? COUNTERS_PREFERS : 0U);
    }
    about->rule_count = (uint32_t)policy->rule_count;
}

/* Keeps keys[] in the order of their expiry, and those with the nearest one if there are too many. */
static void put_key(struct counters_about *about, const struct keyring_peer *peer)
{
    uint32_t place = about->key_count;
    while (place > 0 && about->keys[place - 1].not_after > peer->not_after)
        place--;
    if (place == COUNTERS_KEYS)
        return;
    const uint32_t last = about->key_count < COUNTERS_KEYS ? about->key_count : COUNTERS_KEYS - 1;
    memmove(&about->keys[place + 1], &about->keys[place], (last - place) * sizeof about->keys[0]);
    copy_text(about->keys[place].name, sizeof about->keys[place].name, peer->name);
    about->keys[place].not_after = peer->not_after;
    memcpy(about->keys[place].id, peer->public_key, sizeof about->keys[place].id);
    about->key_count = last + 1;
}

static void put_keys(struct counters_about *about, const struct pfswrap_keyring *keyring)
{
    about->identity_count = about->psk_count = about->peer_count = about->key_count = 0;
    if (keyring == NULL)
        return;
    for (size_t i = 0; i < keyring->identity_count; i++)
        memcpy(about->identities[i], keyring->identities[i].public_key, sizeof about->identities[i]);
    about->identity_count = (uint32_t)keyring->identity_count;
    about->psk_count = (uint32_t)keyring->psk_count;
    about->peer_count = (uint32_t)keyring->peer_count;
    for (size_t i = 0; i < keyring->peer_count; i++)
        if (keyring->peers[i].not_after != PFSWRAP_NEVER)
            put_key(about, &keyring->peers[i]);
}

void publish_policy(const struct policy *policy, const struct pfswrap_keyring *keyring)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    struct counters_about *about = counters_begin_change();
    about->mode = policy->mode == POLICY_AUDIT;
    about->planes = planes_of(policy);
    about->policy_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    memcpy(about->policy_digest, policy->digest, sizeof about->policy_digest);
    copy_text(about->policy, sizeof about->policy, policy->path);
    about->problem[0] = '\0';
    put_rules(about, policy);
    put_keys(about, keyring);
    counters_end_change();
}

void publish_problem(const char *problem)
{
    struct counters_about *about = counters_begin_change();
    copy_text(about->problem, sizeof about->problem, problem != NULL ? problem : "");
    counters_end_change();
}
