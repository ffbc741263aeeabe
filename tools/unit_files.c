/*
 * The log and the keys of the policy, in a unit that may not write everywhere and may run as another user. See
 * unit_sandbox.h.
 */
#include "unit_sandbox.h"
#include "message.h"

#include <stdio.h>
#include <string.h>

/* The program runs as a user other than root. */
static bool drops_root(const struct unit *unit)
{
    const char *const user = unit_value(unit, "User");
    return unit_is_true(unit, "DynamicUser") ||
           (user != NULL && strcmp(user, "root") != 0 && strcmp(user, "0") != 0);
}

bool unit_covers(const struct unit *unit, const char *key, const char *path)
{
    const struct unit_setting *setting;
    for (size_t at = 0; (setting = unit_next(unit, key, &at)) != NULL;)
        for (const char *s = setting->value; *s != '\0'; s += strcspn(s, " \t"), s += strspn(s, " \t")) {
            const char *const folder = s + strspn(s, "+-");
            const size_t length = strcspn(folder, " \t:");
            if (length > 0 && strncmp(folder, path, length) == 0 &&
                (path[length] == '/' || path[length] == '\0' || folder[length - 1] == '/'))
                return true;
        }
    return false;
}

void unit_print_log(const struct unit *unit, const struct policy *policy)
{
    static const char logs[] = "/var/log/";
    const char *const protect = unit_value(unit, "ProtectSystem");
    const bool is_strict = protect != NULL && strcmp(protect, "strict") == 0;
    const bool drops = drops_root(unit);
    char folder[PATH_MAX];
    if (policy->log != POLICY_LOG_FILE || (!is_strict && !drops))
        return;
    (void)snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(policy->log_path, '/') - policy->log_path),
                   policy->log_path);
    if (unit_covers(unit, "ReadWritePaths", policy->log_path))
        return;
    if (strncmp(folder, logs, sizeof logs - 1) == 0) {
        const char *const name = folder + sizeof logs - 1;
        if (unit_lists(unit, "LogsDirectory", name, ":"))
            return;
        out("\n# The log is %s. systemd makes its folder, for the service's user:\n", policy->log_path);
        out("# services with different users must not share it.\n");
        out("LogsDirectory=%s\n", name);
    } else if (is_strict) {
        out("\n# The log is %s; this user must be able to write there.\n", policy->log_path);
        out("ReadWritePaths=%s\n", folder[0] != '\0' ? folder : "/");
    } else {
        out("\n# The log is %s: the service's user must be able to write there.\n", policy->log_path);
    }
}

/* Whether the unit already has a credential of that name. */
static bool has_credential(const struct unit *unit, const char *name)
{
    static const char *const keys[] = {"LoadCredential", "LoadCredentialEncrypted", "SetCredential",
                                       "SetCredentialEncrypted"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (unit_lists(unit, keys[i], name, ":"))
            return true;
    return false;
}

static void print_key(const struct unit *unit, const char *key, const char *path)
{
    const size_t length = sizeof UNIT_CREDENTIALS - 1;
    if (policy_agent_name(path) != NULL) {
        out("# %s = %s: in [Unit], write Requires= and After=pfswrap-agent.socket (pfswrap-agent(1))\n", key, path);
        return;
    }
    if (strncmp(path, UNIT_CREDENTIALS "/", length + 1) == 0) {
        const char *const name = path + length + 1;
        if (!has_credential(unit, name))
            out("LoadCredential=%s:/etc/pfswrap/keys/%s\n", name, name);
    } else if (drops_root(unit) || unit_is_true(unit, "PrivateUsers") || unit_has_own_root(unit)) {
        const char *const name = strrchr(path, '/') + 1;
        out("# %s = %s: if only root can read it, write %s = $CREDENTIALS_DIRECTORY/%s in the policy, and here\n",
            key, path, key, name);
        out("# LoadCredential=%s:%s\n", name, path);
    }
}

/* The state of signed peers: systemd makes a folder below /var/lib for the service's user. */
static void print_state(const struct unit *unit, const char *path)
{
    static const char states[] = "/var/lib/";
    char folder[PATH_MAX];
    if (unit_covers(unit, "ReadWritePaths", path))
        return;
    (void)snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') - path), path);
    out("\n# peers-state = %s: the service's user must be able to write there.\n", path);
    if (strncmp(folder, states, sizeof states - 1) != 0)
        out("# ReadWritePaths=%s\n", folder[0] != '\0' ? folder : "/");
    else if (!unit_lists(unit, "StateDirectory", folder + sizeof states - 1, ":"))
        out("StateDirectory=%s\n", folder + sizeof states - 1);
}

void unit_print_keys(const struct unit *unit, const struct policy *policy)
{
    const struct policy_seal_keys *const seal = &policy->seal;
    if (seal->identity_count > 0 || seal->psk_count > 0 || seal->peers[0] != '\0')
        out("\n");
    for (size_t i = 0; i < seal->identity_count; i++)
        print_key(unit, "identity", seal->identities[i]);
    for (size_t i = 0; i < seal->psk_count; i++)
        print_key(unit, "psk", seal->psks[i]);
    if (strncmp(seal->peers, UNIT_CREDENTIALS "/", sizeof UNIT_CREDENTIALS) == 0)
        print_key(unit, "peers", seal->peers);
    if (strncmp(seal->peers, UNIT_CREDENTIALS "/", sizeof UNIT_CREDENTIALS) == 0 && seal->signer_count > 0) {
        char path[PATH_MAX];
        (void)snprintf(path, sizeof path, "%.*s" SIGNATURE_SUFFIX, PATH_MAX - (int)sizeof SIGNATURE_SUFFIX,
                       seal->peers);
        print_key(unit, "the signature of peers", path);
    }
    if (seal->peers_state_line != 0)
        print_state(unit, seal->peers_state);
}
