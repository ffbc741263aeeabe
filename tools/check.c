/*
 * pfswrap check [FILE]: parses a policy and prints what is in force, errors as FILE:LINE: message. Then it says
 * what only this machine can tell, as warnings: they do not change the exit status.
 */
#include "commands.h"
#include "message.h"
#include "policy/policy.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static void warn_unreadable(const struct policy *policy, const char *key, const char *path)
{
    if (path[0] != '\0' && access(path, R_OK) < 0)
        message("warning: %s: %s %s cannot be read: %s", policy->path, key, path, strerror(errno));
}

/* The log file is made when the first event is written, so it is its directory that must be there. */
static void warn_log(const struct policy *policy)
{
    char directory[PATH_MAX];
    if (policy->log != POLICY_LOG_FILE || access(policy->log_path, W_OK) == 0)
        return;
    if (errno == ENOENT) {
        memcpy(directory, policy->log_path, sizeof directory);
        char *slash = strrchr(directory, '/');
        slash[slash == directory] = '\0';
        if (access(directory, W_OK | X_OK) == 0)
            return;
    }
    message("warning: %s: log %s cannot be written: %s", policy->path, policy->log_path, strerror(errno));
}

static bool seals_anything(const struct policy *policy)
{
    for (size_t i = 0; i < policy->rule_count; i++)
        if (policy->rules[i].seal != POLICY_SEAL_OFF)
            return true;
    return false;
}

static void warn(const struct policy *policy)
{
    const struct policy_seal_keys *seal = &policy->seal;
    bool has_keys = seal->identity_count > 0 || seal->peers[0] != '\0' || seal->psk_count > 0;
    warn_unreadable(policy, "ca-file", policy->tls.ca_file);
    warn_log(policy);
    if (has_keys && !seals_anything(policy))
        message("warning: %s: [seal] names keys, and no rule seals anything", policy->path);
    if (has_keys && seals_anything(policy)) {
        for (size_t i = 0; i < seal->identity_count; i++)
            warn_unreadable(policy, "identity", seal->identities[i]);
        warn_unreadable(policy, "peers", seal->peers);
        for (size_t i = 0; i < seal->psk_count; i++)
            warn_unreadable(policy, "psk", seal->psks[i]);
    }
}

int command_check(int argc, char **argv)
{
    static struct policy policy;
    static struct policy_error error;
    char path[PATH_MAX];
    if (argc > 1 && strcmp(argv[1], "--") == 0) {
        argc--;
        argv++;
    } else if (argc > 1 && argv[1][0] == '-') {
        message("unknown option %.80s of check, expected pfswrap check [FILE]", argv[1]);
        return 2;
    }
    if (argc > 2) {
        message("check takes one FILE, expected pfswrap check [FILE]");
        return 2;
    }
    const char *file = argc == 2 ? argv[1] : path;
    if (argc != 2 && policy_locate(path, sizeof path, "") < 0) {
        message("the path of the policy is too long, expected at most %d bytes", PATH_MAX - 1);
        return 1;
    }
    if (policy_load(&policy, file, &error) < 0) {
        message("%s", error.text);
        return 1;
    }
    if (policy_print(&policy, STDOUT_FILENO) < 0) {
        message("cannot write: %s", strerror(errno));
        return 1;
    }
    warn(&policy);
    return 0;
}
