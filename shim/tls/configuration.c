/*
 * Configuration commands (SSL_CONF_cmd(3)) and configuration files. Nearly all settings are read back and replaced
 * before the handshake (settings.c). Signature algorithms and groups cannot be read back, so those lists are
 * checked here.
 */
#include <string.h>
#include <strings.h>

#include "config/init.h"
#include "config/override.h"
#include "base/interposed.h"
#include "tls/groups.h"
#include "tls/signature.h"

enum { LIST_MAX = 1024 };
_Static_assert((int)LIST_MAX >= (int)LIBSSL_LIST_MAX, "a list of groups fits");

/*
 * Whether `command` is one of `names`, for a file or, behind a prefix that the program chose, for a command line.
 */
static bool command_is(const char *command, const char *const names[])
{
    size_t length = command != NULL ? strlen(command) : 0;
    for (size_t i = 0; names[i] != NULL; i++) {
        size_t name_length = strlen(names[i]);
        if (length >= name_length && strcasecmp(command + length - name_length, names[i]) == 0)
            return true;
    }
    return false;
}

static const char *const signature_commands[] = {"SignatureAlgorithms", "ClientSignatureAlgorithms", "sigalgs",
                                                 "client_sigalgs", NULL};
static const char *const group_commands[] = {"Groups", "Curves", "ECDHParameters", "named_curve", NULL};

/* The value to pass on: the program's, or `changed` (LIST_MAX bytes) with the allowed value. */
static const char *value_checked(const struct libssl *lib, const char *command, const char *value, char *changed)
{
    if (value == NULL || !pfswrap_enforces())
        return value;
    const char *setting = NULL;
    if (command_is(command, signature_commands) && tls_signature_complete(value, changed, LIST_MAX))
        setting = "signature-algorithms";
    else if (command_is(command, group_commands) && tls_groups_keep_allowed(lib, value, changed, LIST_MAX))
        setting = "groups";
    /* `changed` is empty before the first context, when it is not known which of the policy's groups libssl has. */
    if (setting == NULL || changed[0] == '\0')
        return value;
    override_report(setting, value, changed);
    return changed;
}

PFSWRAP_EXPORT int SSL_CONF_cmd(SSL_CONF_CTX *configuration, const char *command, const char *value)
{
    struct libssl *lib = libssl_of_caller(CALLER);
    char changed[LIST_MAX];
    if (lib == NULL)
        return 0;
    return lib->SSL_CONF_cmd(configuration, command, value_checked(lib, command, value, changed));
}

PFSWRAP_EXPORT int SSL_CONF_cmd_argv(SSL_CONF_CTX *configuration, int *count, char ***arguments)
{
    struct libssl *lib = libssl_of_caller(CALLER);
    if (lib == NULL)
        return 0;
    char **own = arguments != NULL ? *arguments : NULL;
    bool has_value = own != NULL && own[0] != NULL && (count == NULL || *count >= 2) && own[1] != NULL;
    char changed[LIST_MAX];
    const char *value = has_value ? value_checked(lib, own[0], own[1], changed) : NULL;
    if (!has_value || value == own[1])
        return lib->SSL_CONF_cmd_argv(configuration, count, arguments);
    /* Makes the call with the changed value, then skips as many of the program's arguments as the call used. */
    char *replaced[] = {own[0], changed, NULL};
    char **at = replaced;
    int replaced_count = 2;
    int taken = lib->SSL_CONF_cmd_argv(configuration, &replaced_count, &at);
    if (taken > 0) {
        *arguments += taken;
        if (count != NULL)
            *count -= taken;
    }
    return taken;
}

/* A section of openssl.cnf may set groups, which cannot be read back, so the policy's groups are set again. */
static int configured(const struct tls_target *target, int result)
{
    if (pfswrap_enforces()) {
        struct tls_saved_errors saved = tls_errors_save(target->lib);
        (void)tls_groups_begin(target); /* if this fails, the security callback still refuses other groups */
        tls_errors_restore(saved);
    }
    return result;
}

PFSWRAP_EXPORT int SSL_CTX_config(SSL_CTX *context, const char *name)
{
    struct libssl *lib = libssl_of_context(context, CALLER);
    if (lib == NULL)
        return 0;
    struct tls_target target = {.lib = lib, .context = context};
    return configured(&target, lib->SSL_CTX_config(context, name));
}

PFSWRAP_EXPORT int SSL_config(SSL *ssl, const char *name)
{
    struct libssl *lib = libssl_of_connection(ssl, CALLER);
    if (lib == NULL)
        return 0;
    struct tls_target target = {.lib = lib, .ssl = ssl};
    return configured(&target, lib->SSL_config(ssl, name));
}
