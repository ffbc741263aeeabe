/*
 * Configuration commands (SSL_CONF_cmd(3)): all of them but the signature algorithms are left to the gate, which
 * sees their effect; those lists are completed on their way in.
 */
#include <string.h>
#include <strings.h>

#include "init.h"
#include "interposed.h"
#include "tls/report.h"
#include "tls/signature.h"

enum { LIST_MAX = 1024 };

/* Whether `command` names signature algorithms: "SignatureAlgorithms" in files, "-sigalgs" on command lines. */
static bool sets_signature_algorithms(const char *command)
{
    static const char *const names[] = {"SignatureAlgorithms", "ClientSignatureAlgorithms", "sigalgs", "client_sigalgs"};
    size_t length = command != NULL ? strlen(command) : 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        /* The program may have set a prefix of its own. */
        size_t name_length = strlen(names[i]);
        if (length >= name_length && strcasecmp(command + length - name_length, names[i]) == 0)
            return true;
    }
    return false;
}

/* The value to pass on: `completed`, filled, or the program's own. */
static const char *value_completed(const char *command, const char *value, char *completed)
{
    if (value == NULL || pfswrap_policy()->mode != POLICY_ENFORCE || !sets_signature_algorithms(command) ||
        !tls_signature_complete(value, completed, LIST_MAX))
        return value;
    report_override("signature-algorithms", value, completed);
    return completed;
}

PFSWRAP_EXPORT int SSL_CONF_cmd(SSL_CONF_CTX *configuration, const char *command, const char *value)
{
    struct libssl *lib = libssl_of_caller(CALLER);
    char completed[LIST_MAX];
    if (lib == NULL)
        return 0;
    return lib->SSL_CONF_cmd(configuration, command, value_completed(command, value, completed));
}

PFSWRAP_EXPORT int SSL_CONF_cmd_argv(SSL_CONF_CTX *configuration, int *count, char ***arguments)
{
    struct libssl *lib = libssl_of_caller(CALLER);
    if (lib == NULL)
        return 0;
    char **own = arguments != NULL ? *arguments : NULL;
    bool has_value = own != NULL && own[0] != NULL && (count == NULL || *count >= 2) && own[1] != NULL;
    char completed[LIST_MAX];
    const char *value = has_value ? value_completed(own[0], own[1], completed) : NULL;
    if (!has_value || value == own[1])
        return lib->SSL_CONF_cmd_argv(configuration, count, arguments);
    /* The same command with the other value; then the program's arguments go on by as many as were taken. */
    char *replaced[] = {own[0], completed, NULL};
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
