/*
 * Fills a keyring and a table of channel settings, and makes the table read-only. All secrets are in the keyring,
 * whose pages are guarded, locked and left out of core dumps. The table has pointers to it and settings. See
 * keys.h.
 */
#include "config/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/page.h"
#include "base/probe.h"
#include "config/agent.h"
#include "config/agent_ask.h"
#include "config/peers_serial.h"
#include "seal/keyring.h"
#include "seal/signed_peers.h"
#include "seal/wipe.h"

/* In pages of its own, because mprotect(2) changes whole pages. */
struct keys {
    const struct policy *policy;
    struct pfswrap_keyring *keyring;
    struct signed_peers version; /* of the peers file */
    struct pfswrap_seal_config configs[POLICY_RULES_MAX];
    const char *names[POLICY_RULES_MAX][POLICY_LIST_MAX];
    /* Which entry of the policy each is from. */
    uint8_t identity_entries[PFSWRAP_KEYRING_IDENTITIES_MAX], psk_entries[PFSWRAP_KEYRING_PSKS_MAX];
};

static const struct keys *first; /* those of keys_load(); NULL if no rule seals */
static bool agent_has_refused;   /* the agent has a key that this user may not use */

_Static_assert((int)AGENT_NAME_BYTES == (int)POLICY_NAME_MAX && (int)AGENT_PATH_BYTES == (int)POLICY_SOCKET_MAX,
               "what a policy says fits a request");

__attribute__((format(printf, 4, 5))) static int fail_at(const struct policy *policy, struct policy_error *error,
                                                         unsigned line, const char *format, ...)
{
    va_list arguments;
    int used = snprintf(error->text, sizeof error->text, "%s:%u: ", policy->path, line);
    va_start(arguments, format);
    (void)vsnprintf(error->text + used, sizeof error->text - (size_t)used, format, arguments);
    va_end(arguments);
    return -1;
}

/* Whether the file exists and this user may not read it. */
static bool is_withheld(const char *path)
{
    return faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) != 0 && errno == EACCES;
}

static bool any_is_withheld(const struct policy_seal_keys *seal)
{
    for (size_t i = 0; i < seal->identity_count; i++)
        if (is_withheld(seal->identities[i]))
            return true;
    for (size_t i = 0; i < seal->psk_count; i++)
        if (is_withheld(seal->psks[i]))
            return true;
    if (agent_has_refused || (seal->peers_state_line != 0 && is_withheld(seal->peers_state)))
        return true;
    return seal->peers[0] != '\0' && is_withheld(seal->peers);
}

/* With peers-signer, only a file that is signed, and not older than the last one. */
static int load_peers(struct keys *keys, struct policy_error *error)
{
    const struct policy *policy = keys->policy;
    const struct policy_seal_keys *seal = &policy->seal;
    struct pfswrap_keys_error problem;
    if (seal->peers[0] == '\0')
        return 0;
    if (seal->signer_count == 0)
        return pfswrap_keyring_load_peers(keys->keyring, seal->peers, &problem) == 0
                   ? 0
                   : fail_at(policy, error, seal->peers_line, "peers %s", problem.text);
    if (signed_peers_load(keys->keyring, seal->peers, seal->signers, seal->signer_count, &keys->version,
                          &problem) != 0)
        return fail_at(policy, error, seal->peers_line, "peers %s", problem.text);
    return peers_serial_check(policy, &keys->version, error);
}

static int fail_of_agent(const struct keys *keys, bool is_psk, size_t entry, const char *why,
                         struct policy_error *error)
{
    const struct policy_seal_keys *seal = &keys->policy->seal;
    return fail_at(keys->policy, error, is_psk ? seal->psk_lines[entry] : seal->identity_lines[entry],
                   "%s %s: %s: %s", is_psk ? "psk" : "identity",
                   is_psk ? seal->psks[entry] : seal->identities[entry], policy_agent_path(keys->policy), why);
}

/*
 * Asks the key agent for all keys of an entry of the policy: the current one, and those that are still accepted.
 * The secrets stay there.
 */
static int load_from_agent(struct keys *keys, bool is_psk, size_t entry, const char *name,
                           struct policy_error *error)
{
    uint8_t current[AGENT_KEY_BYTES];
    for (unsigned i = 0;; i++) {
        struct agent_answer answer;
        const int result = agent_identify(policy_agent_path(keys->policy),
                                          is_psk ? AGENT_IDENTIFY_PSK : AGENT_IDENTIFY, name, i, &answer);
        if (i > 0 && result == AGENT_NO_MORE)
            return 0;
        agent_has_refused = agent_has_refused || result == AGENT_REFUSED;
        if (result != AGENT_OK)
            return fail_of_agent(keys, is_psk, entry, agent_result_text(result), error);
        if (i > 0 && memcmp(answer.key, current, sizeof current) == 0)
            return 0; /* an agent of an earlier version says the current one again */
        if (i == 0)
            memcpy(current, answer.key, sizeof current);
        if ((is_psk ? keyring_add_remote_psk(keys->keyring, answer.key, agent_psk)
                    : keyring_add_remote(keys->keyring, answer.key, agent_dh)) != 0)
            return fail_of_agent(
                keys, is_psk, entry,
                "the agent has no usable key of this name, it is that of another one, or there are 16 others",
                error);
        keyring_set_created(keys->keyring, is_psk, answer.created);
    }
}

static int load_identities(struct keys *keys, struct policy_error *error)
{
    const struct policy_seal_keys *seal = &keys->policy->seal;
    struct pfswrap_keys_error problem;
    size_t before = 0;
    for (size_t i = 0; i < seal->identity_count; i++) {
        const char *name = policy_agent_name(seal->identities[i]);
        if (name != NULL && load_from_agent(keys, false, i, name, error) != 0)
            return -1;
        if (name == NULL && pfswrap_keyring_load_identity(keys->keyring, seal->identities[i], &problem) != 0)
            return fail_at(keys->policy, error, seal->identity_lines[i], "identity %s", problem.text);
        while (before < keys->keyring->identity_count)
            keys->identity_entries[before++] = (uint8_t)i;
    }
    return 0;
}

static int load_psks(struct keys *keys, struct policy_error *error)
{
    const struct policy_seal_keys *seal = &keys->policy->seal;
    struct pfswrap_keys_error problem;
    size_t before = 0;
    for (size_t i = 0; i < seal->psk_count; i++) {
        const char *name = policy_agent_name(seal->psks[i]);
        if (name != NULL && load_from_agent(keys, true, i, name, error) != 0)
            return -1;
        if (name == NULL && pfswrap_keyring_load_psk(keys->keyring, seal->psks[i], &problem) != 0)
            return fail_at(keys->policy, error, seal->psk_lines[i], "psk %s", problem.text);
        while (before < keys->keyring->psk_count)
            keys->psk_entries[before++] = (uint8_t)i;
    }
    return 0;
}

static int load_files(struct keys *keys, struct policy_error *error)
{
    if (load_identities(keys, error) != 0 || load_psks(keys, error) != 0)
        return -1;
    return load_peers(keys, error);
}

/* Without this check, a misspelt name would be noticed only when a peer is refused. */
static int check_names(const struct policy *policy, const struct policy_rule *rule,
                       const struct pfswrap_keyring *keyring, struct policy_error *error)
{
    bool listens = rule->direction == POLICY_LISTEN;
    for (size_t i = 0; i < rule->peer_count; i++)
        if (pfswrap_keyring_count_peers(keyring, rule->peers[i]) == 0)
            return fail_at(policy, error, rule->peer_lines[i],
                           "[%s %s] %s %s has no key, expected a line %s PUBLIC-KEY in %s",
                           listens ? "listen" : "connect", rule->name, listens ? "clients" : "peer", rule->peers[i],
                           rule->peers[i], policy->seal.peers);
    return 0;
}

/*
 * Whether channels of the rule are anonymous. A client is if it has no identity. A client with an identity always
 * proves it, so that servers that admit any client still learn the names of those they know.
 */
static bool is_anonymous(const struct policy_rule *rule, const struct pfswrap_keyring *keyring)
{
    if (rule->direction == POLICY_LISTEN)
        return rule->clients_any;
    return pfswrap_keyring_count_identities(keyring) == 0;
}

static void configure(struct keys *keys, size_t index)
{
    const struct policy_rule *rule = &keys->policy->rules[index];
    for (size_t i = 0; i < rule->peer_count; i++)
        keys->names[index][i] = rule->peers[i];
    keys->configs[index] = (struct pfswrap_seal_config){
        .keyring = keys->keyring,
        .service = rule->service[0] != '\0' ? rule->service : NULL,
        .names = rule->peer_count > 0 ? keys->names[index] : NULL,
        .name_count = rule->peer_count,
        .anonymous = is_anonymous(rule, keys->keyring),
        .rekey = keys->policy->seal.rekey,
        .post_quantum = (enum pfswrap_seal_post_quantum)rule->post_quantum,
        .padding = rule->padding,
        .transport_max = rule->layer == POLICY_LAYER_TLS ? PFSWRAP_SEAL_TLS_RECORD : 0,
    };
}

static int configure_rules(struct keys *keys, struct policy_error *error)
{
    const struct policy *policy = keys->policy;
    for (size_t i = 0; i < policy->rule_count; i++) {
        if (policy->rules[i].seal == POLICY_SEAL_OFF)
            continue;
        if (check_names(policy, &policy->rules[i], keys->keyring, error) != 0)
            return -1;
        configure(keys, i);
    }
    return 0;
}

/* An empty keyring in *keys. NULL with *error filled: no memory. */
static struct keys *new_keys(const struct policy *policy, struct policy_error *error)
{
    struct pfswrap_keyring *keyring = pfswrap_keyring_new();
    struct keys *keys = MAP_FAILED;
    if (keyring != NULL)
        keys = mmap(NULL, PAGE_ROUND_UP(sizeof *keys), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (keys == MAP_FAILED) {
        pfswrap_keyring_free(keyring);
        (void)snprintf(error->text, sizeof error->text, "%.*s: not enough memory for the keys", PATH_MAX,
                       policy->path);
        return NULL;
    }
    keys->policy = policy;
    keys->keyring = keyring;
    return keys;
}

static const struct keys *finish(struct keys *keys)
{
    (void)mprotect(keys, PAGE_ROUND_UP(sizeof *keys), PROT_READ);
    return keys;
}

void keys_free(const struct keys *keys)
{
    if (keys == NULL)
        return;
    pfswrap_keyring_free(keys->keyring);
    (void)munmap((void *)(uintptr_t)keys, PAGE_ROUND_UP(sizeof *keys));
}

const struct keys *keys_make(const struct policy *policy, struct policy_error *error)
{
    error->text[0] = '\0';
    struct keys *keys = new_keys(policy, error);
    if (keys == NULL)
        return NULL;
    int result = load_files(keys, error);
    dead_stack_wipe(DEAD_STACK_HANDSHAKE); /* the calls above left secrets there */
    if (result == 0 && policy->seal.expired == POLICY_EXPIRED_REFUSE)
        keyring_limit_age(keys->keyring, policy->seal.max_key_age_s);
    if (result == 0)
        result = configure_rules(keys, error);
    if (result == 0)
        return finish(keys);
    keys_free(keys);
    return NULL;
}

int keys_load(const struct policy *policy, struct policy_error *error)
{
    if (!policy_seals(policy))
        return 0;
    probe_filters(); /* libsodium locks memory, which a filter may forbid */
    first = keys_make(policy, error);
    return first != NULL ? 0 : -1;
}

/*
 * An empty keyring, and no anonymous client. With some of the files, a channel could be weaker than the policy
 * says: without a preshared key, or without the client's identity. Without any, no channel can be made.
 */
static int load_nothing(const struct policy *policy, struct policy_error *error)
{
    struct keys *keys = new_keys(policy, error);
    if (keys == NULL)
        return -1;
    for (size_t i = 0; i < policy->rule_count; i++) {
        configure(keys, i);
        keys->configs[i].anonymous = policy->rules[i].direction == POLICY_LISTEN;
    }
    first = finish(keys);
    return 0;
}

int keys_load_child(const struct policy *policy, struct policy_error *error)
{
    if (keys_load(policy, error) == 0)
        return 0;
    if (!any_is_withheld(&policy->seal))
        return -1;
    return load_nothing(policy, error) == 0 ? KEYS_WITHHELD : -1;
}

const struct signed_peers *keys_signed_peers(const struct keys *keys)
{
    return &keys->version;
}

uint64_t keys_peers_serial(const struct keys *keys)
{
    return keys != NULL ? keys->version.serial : 0;
}

int keys_keep_serial(const struct keys *keys, struct policy_error *error)
{
    return keys == NULL || keys->version.serial == 0 ? 0 : peers_serial_keep(keys->policy, &keys->version, error);
}

bool keys_in_use(void)
{
    return first != NULL;
}

const struct keys *keys_first(void)
{
    return first;
}

const struct pfswrap_seal_config *keys_config_in(const struct keys *keys, size_t index)
{
    return &keys->configs[index];
}

const char *keys_identity_name(const struct keys *keys, size_t index)
{
    return keys->policy->seal.identities[keys->identity_entries[index]];
}

const char *keys_psk_name(const struct keys *keys, size_t index)
{
    return keys->policy->seal.psks[keys->psk_entries[index]];
}

const struct pfswrap_keyring *keys_keyring(const struct keys *keys)
{
    return keys != NULL ? keys->keyring : NULL;
}

const struct pfswrap_seal_config *keys_config(const struct policy_rule *rule)
{
    return &first->configs[rule - first->policy->rules];
}

bool keys_are_equal(const struct keys *one, const struct keys *other)
{
    return one->policy == other->policy && keyring_is_equal(one->keyring, other->keyring) &&
           one->version.serial == other->version.serial;
}
