/*
 * Copies names, settings and dates to the counters' page: nothing that is secret, and no pointer. See publish.h.
 */
#include "config/publish.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "counters/counters.h"
#include "config/keys.h"
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

static uint32_t flags_of(const struct policy_rule *rule)
{
    return (rule->direction == POLICY_CONNECT ? COUNTERS_IS_CLIENT : 0U) |
           (rule->layer == POLICY_LAYER_TLS ? COUNTERS_IS_LAYER : 0U) |
           (rule->seal != POLICY_SEAL_OFF ? COUNTERS_IS_SEALED : 0U) |
           (rule->seal == POLICY_SEAL_PREFER ? COUNTERS_PREFERS : 0U);
}

/* Whether `entry` stands for `rule`, perhaps since an earlier policy. */
static bool is_entry_of(const struct counters_rule *entry, const struct policy_rule *rule)
{
    const uint32_t same = COUNTERS_IS_CLIENT | COUNTERS_IS_LAYER;
    return ((entry->flags ^ flags_of(rule)) & same) == 0 && strcmp(entry->name, rule->name) == 0;
}

/* The first entry that is not taken, and is the rule's; NULL for `rule`: any one, after which it counts anew. */
static uint32_t find_entry(const struct counters_about *about, uint64_t taken, const struct policy_rule *rule)
{
    uint32_t number = 0;
    while (number < about->rule_count &&
           ((taken >> number & 1) != 0 || (rule != NULL && !is_entry_of(&about->rules[number], rule))))
        number++;
    return number;
}

static void clear_flows(uint32_t number)
{
    for (size_t i = 0; i < COUNTERS_SHARDS; i++) {
        struct counters_flow *flow = &counters.counts.flows[number][i];
        counters_set(&flow->sent_bytes, 0);
        counters_set(&flow->sent_chunks, 0);
        counters_set(&flow->received_bytes, 0);
        counters_set(&flow->received_chunks, 0);
    }
}

/*
 * Rules that an earlier policy had keep their entries, and what they have counted; an entry whose rule is gone
 * stays, since its connections may still be open. Only if there are no more entries, a new rule gets the one of a
 * rule that is gone.
 */
static void put_rules(struct counters_about *about, const struct policy *policy, uint8_t numbers[POLICY_RULES_MAX])
{
    uint64_t taken = 0;
    for (size_t i = 0; i < policy->rule_count; i++) {
        const uint32_t number = find_entry(about, taken, &policy->rules[i]);
        numbers[i] = (uint8_t)number;
        if (number < about->rule_count)
            taken |= UINT64_C(1) << number;
    }
    for (uint32_t number = 0; number < about->rule_count; number++)
        if ((taken >> number & 1) == 0)
            about->rules[number].flags |= COUNTERS_IS_REMOVED;
    const uint32_t before = about->rule_count;
    for (size_t i = 0; i < policy->rule_count; i++) {
        const bool is_new = numbers[i] >= before;
        if (is_new && about->rule_count < COUNTERS_RULES)
            numbers[i] = (uint8_t)about->rule_count++;
        else if (is_new)
            clear_flows(numbers[i] = (uint8_t)find_entry(about, taken, NULL));
        taken |= UINT64_C(1) << numbers[i];
        copy_text(about->rules[numbers[i]].name, sizeof about->rules[0].name, policy->rules[i].name);
        about->rules[numbers[i]].flags = flags_of(&policy->rules[i]);
    }
}
_Static_assert((int)COUNTERS_RULES <= 64, "a bit for each entry");

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

/* A key of this process expires: under the name "identity FILE" or "psk FILE", cut to what fits. */
static void put_own_key(struct counters_about *about, const char *kind, const char *path, const uint8_t *id,
                        size_t length, int64_t expires)
{
    struct keyring_peer key = {.not_after = expires - 1};
    const char *slash = strrchr(path, '/');
    (void)snprintf(key.name, sizeof key.name, "%s %s", kind, slash != NULL ? slash + 1 : path);
    memcpy(key.public_key, id, length);
    put_key(about, &key);
}

static void put_own_keys(struct counters_about *about, const struct policy_seal_keys *seal, const struct keys *keys)
{
    const struct pfswrap_keyring *keyring = keys_keyring(keys);
    for (size_t i = 0; i < keyring->identity_count; i++)
        put_own_key(about, "identity", keys_identity_name(keys, i), keyring->identities[i].public_key,
                    sizeof keyring->identities[i].public_key,
                    keyring->identities[i].period.created + seal->max_key_age_s);
    for (size_t i = 0; i < keyring->psk_count; i++)
        put_own_key(about, "psk", keys_psk_name(keys, i), keyring->psks[i].secret.id,
                    sizeof keyring->psks[i].secret.id, keyring->psks[i].period.created + seal->max_key_age_s);
}

static void put_keys(struct counters_about *about, const struct policy_seal_keys *seal, const struct keys *keys)
{
    const struct pfswrap_keyring *keyring = keys_keyring(keys);
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
    if (seal->max_key_age_s > 0)
        put_own_keys(about, seal, keys);
}

static int64_t now_ns(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void publish_policy(const struct policy *policy, const struct keys *keys, uint8_t numbers[POLICY_RULES_MAX])
{
    struct counters_about *about = counters_begin_change();
    about->mode = policy->mode == POLICY_AUDIT;
    about->planes = planes_of(policy);
    about->policy_ns = now_ns();
    memcpy(about->policy_digest, policy->digest, sizeof about->policy_digest);
    copy_text(about->policy, sizeof about->policy, policy->path);
    about->problem[0] = '\0';
    put_rules(about, policy, numbers);
    put_keys(about, &policy->seal, keys);
    counters_end_change();
}

void publish_unchanged(void)
{
    struct counters_about *about = counters_begin_change();
    about->policy_ns = now_ns();
    about->problem[0] = '\0';
    counters_end_change();
}

void publish_problem(const char *problem)
{
    struct counters_about *about = counters_begin_change();
    copy_text(about->problem, sizeof about->problem, problem != NULL ? problem : "");
    counters_end_change();
}
