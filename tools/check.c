/*
 * pfswrap check [--no-keys] [--explain] [FILE]: parses a policy, loads the keys that its rules need, and prints the
 * policy in force. Problems that may be wanted or temporary, such as a key that has expired, are warnings and do
 * not change the exit status.
 */
#include "commands.h"
#include "config/chain_key.h"
#include "config/keys.h"
#include "message.h"
#include "policy/policy.h"
#include "peers_text.h"
#include "policy_controls.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

static void warn_unreadable(const struct policy *policy, const char *key, const char *path)
{
    if (path[0] != '\0' && access(path, R_OK) < 0)
        message("warning: %s: %s %s cannot be read: %s", policy->path, key, path, strerror(errno));
}

/* The log file is created when the first event is written, so only its directory must exist. */
static void warn_log(const struct policy *policy)
{
    char directory[PATH_MAX];
    const bool is_file = policy->log == POLICY_LOG_FILE;
    if ((!is_file && policy->log != POLICY_LOG_JOURNALD) || access(policy->log_path, W_OK) == 0)
        return;
    if (is_file && errno == ENOENT) {
        memcpy(directory, policy->log_path, sizeof directory);
        char *slash = strrchr(directory, '/');
        slash[slash == directory] = '\0';
        if (access(directory, W_OK | X_OK) == 0)
            return;
    }
    message("warning: %s: log %s cannot be written: %s", policy->path, policy->log_path, strerror(errno));
}

/* Whether `name` has a key that is valid today: a channel to it could be made. */
static bool has_good_key(const struct pfswrap_seal_config *config, const char *name)
{
    const struct pfswrap_seal_config one = {
        .keyring = config->keyring, .names = &name, .name_count = 1, .anonymous = true};
    struct pfswrap_seal channel;
    int result = pfswrap_seal_init(&channel, PFSWRAP_SEAL_INITIATOR, &one, NULL, 0, 0, (uint64_t)time(NULL));
    pfswrap_seal_wipe(&channel);
    return result == 0;
}

/* Expired keys are not errors, because the date is compared for each connection. */
static void warn_keys(const struct policy *policy, const struct policy_rule *rule)
{
    bool listens = rule->direction == POLICY_LISTEN;
    const struct pfswrap_seal_config *config = keys_config(rule);
    if (rule->post_quantum == POLICY_POST_QUANTUM_ALLOW && !pfswrap_seal_has_post_quantum())
        message("warning: %s:%u: [listen %s] post-quantum = allow has no effect: this pfswrap was built without "
                "ML-KEM",
                policy->path, rule->post_quantum_line, rule->name);
    for (size_t i = 0; i < rule->peer_count; i++)
        if (!has_good_key(config, rule->peers[i]))
            message("warning: %s:%u: [%s %s] %s %s has no key that is valid today", policy->path,
                    rule->peer_lines[i], listens ? "listen" : "connect", rule->name, listens ? "clients" : "peer",
                    rule->peers[i]);
    if (listens && !rule->clients_any && pfswrap_keyring_count_peers(config->keyring, NULL) == 0)
        message("warning: %s:%u: [listen %s] admits no client: %s is empty", policy->path, rule->seal_line,
                rule->name, policy->seal.peers);
}

static void warn(const struct policy *policy)
{
    const struct policy_seal_keys *seal = &policy->seal;
    bool has_keys = seal->identity_count > 0 || seal->peers[0] != '\0' || seal->psk_count > 0;
    warn_unreadable(policy, "ca-file", policy->tls.ca_file);
    warn_unreadable(policy, "ct-log-list", policy->tls.ct_log_list);
    warn_log(policy);
    if (has_keys && !policy_seals(policy))
        message("warning: %s: [seal] names keys, but no rule seals anything", policy->path);
    for (size_t i = 0; keys_in_use() && i < policy->rule_count; i++)
        if (policy->rules[i].seal != POLICY_SEAL_OFF)
            warn_keys(policy, &policy->rules[i]);
}

static const char usage[] = "expected pfswrap check [--no-keys] [--explain] [FILE]";

/* Parses the options. Returns the index of FILE in argv, which may be argc, or -1 after a message. */
static int parse_options(int argc, char **argv, bool *with_keys, bool *explains)
{
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (strcmp(argv[i], "--") == 0) {
            i++;
            break;
        }
        if (strcmp(argv[i], "--explain") == 0) {
            *explains = true;
            continue;
        }
        if (strcmp(argv[i], "--no-keys") != 0) {
            message("unknown option %.80s of check, %s", argv[i], usage);
            return -1;
        }
        *with_keys = false;
    }
    if (argc - i <= 1)
        return i;
    message("check takes one FILE, %s", usage);
    return -1;
}

/* Whether the key of the log's chain can be read, if there is one. */
static bool chain_is_usable(const struct policy *policy, struct policy_error *error)
{
    uint8_t key[CHAIN_MASTER_BYTES];
    const int loaded = chain_key_load(policy, key, error);
    sodium_memzero(key, sizeof key);
    return loaded >= 0;
}

/* Loads the policy and, with `with_keys`, its keys. Returns 0, or -1 after a message. */
static int load(struct policy *policy, const char *file, bool with_keys)
{
    static struct policy_error error;
    char path[PATH_MAX];
    if (file == NULL && policy_locate(path, sizeof path, "") < 0) {
        message("the path of the policy is too long, expected at most %d bytes", PATH_MAX - 1);
        return -1;
    }
    if (policy_load(policy, file != NULL ? file : path, &error) == 0 &&
        (!with_keys || (keys_load(policy, &error) == 0 && chain_is_usable(policy, &error))))
        return 0;
    message("%s", error.text);
    return -1;
}

int command_check(int argc, char **argv)
{
    static struct policy policy;
    bool with_keys = true, explains = false;
    int first = parse_options(argc, argv, &with_keys, &explains);
    if (first < 0)
        return 2;
    if (load(&policy, first < argc ? argv[first] : NULL, with_keys) < 0)
        return 1;
    const int printed = policy_print(&policy, STDOUT_FILENO);
    if (printed != 0) {
        message("cannot write: %s", strerror(-printed));
        return 1;
    }
    if (keys_in_use() && keys_signed_peers(keys_first())->serial != 0) {
        char text[PEERS_TEXT_BYTES];
        out("\n; %s: %s\n", policy.seal.peers, peers_text(text, keys_signed_peers(keys_first())));
    }
    if (explains)
        policy_controls_write(&policy);
    warn(&policy);
    return out_finish();
}
