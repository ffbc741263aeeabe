/*
 * Settings that the program makes or reads. Before the policy is enforced, libssl has the program's settings, and
 * all calls go straight to libssl. Later libssl has the policy's settings: a setter changes the program's settings,
 * after which the policy is enforced again, and a getter returns the program's settings.
 */
#include "config/init.h"
#include "base/interposed.h"
#include "tls/ciphers.h"
#include "tls/context.h"
#include "tls/groups.h"
#include "tls/report.h"
#include "tls/session.h"
#include "tls/settings.h"
#include "tls/signature.h"

/* The connection's record, if libssl has the policy's settings at the moment, and the program makes the call. */
static struct tls_connection *forced_connection(const struct libssl *lib, const SSL *ssl, const void *caller)
{
    if (lib == NULL || ssl == NULL || libssl_is_inside(lib, caller) || !pfswrap_enforces())
        return NULL;
    struct tls_connection *connection = tls_connection_find(lib, ssl);
    return connection != NULL && connection->stage != TLS_STAGE_NEW ? connection : NULL;
}

static bool sets_dh_parameters(int command, long value, const void *pointer)
{
    return (command == SSL_CTRL_SET_TMP_DH && pointer != NULL) || (command == SSL_CTRL_SET_DH_AUTO && value != 0);
}

PFSWRAP_EXPORT long SSL_ctrl(SSL *ssl, int command, long value, void *pointer)
{
    struct libssl *lib = libssl_of_connection(ssl, CALLER);
    if (lib == NULL)
        return 0;
    const struct tls_target target = {.lib = lib, .ssl = ssl};
    if (ssl != NULL && !libssl_is_inside(lib, CALLER) && tls_signature_concerns(command))
        return tls_signature_set(&target, command, value, pointer);
    if (ssl != NULL && !libssl_is_inside(lib, CALLER) && tls_groups_concerns(command))
        return tls_groups_set(&target, command, value, pointer);
    if (sets_dh_parameters(command, value, pointer) && !libssl_is_inside(lib, CALLER))
        report_dh_parameters();
    long result = 0;
    if (ssl != NULL && !libssl_is_inside(lib, CALLER) && tls_connection_has_fixed_method(lib, ssl) &&
        tls_fixed_method_ctrl(command, value, &result))
        return result;
    struct tls_connection *connection = forced_connection(lib, ssl, CALLER);
    if (connection == NULL)
        return lib->SSL_ctrl(ssl, command, value, pointer);
    switch (command) {
    case SSL_CTRL_GET_MIN_PROTO_VERSION:
        return connection->asked.min_version;
    case SSL_CTRL_GET_MAX_PROTO_VERSION:
        return connection->asked.max_version;
    case SSL_CTRL_SET_MIN_PROTO_VERSION:
    case SSL_CTRL_SET_MAX_PROTO_VERSION:
        break;
    default:
        return lib->SSL_ctrl(ssl, command, value, pointer);
    }
    tls_settings_release(lib, ssl, connection);
    result = lib->SSL_ctrl(ssl, command, value, pointer);
    tls_settings_retake(lib, ssl, connection);
    return result;
}

PFSWRAP_EXPORT long SSL_CTX_ctrl(SSL_CTX *context, int command, long value, void *pointer)
{
    struct libssl *lib = libssl_of_context(context, CALLER);
    if (lib == NULL)
        return 0;
    if (libssl_is_inside(lib, CALLER))
        return lib->SSL_CTX_ctrl(context, command, value, pointer);
    long result = 0;
    if (context != NULL && tls_context_has_fixed_method(lib, context) &&
        tls_fixed_method_ctrl(command, value, &result))
        return result;
    if (context != NULL && tls_session_ctrl(lib, context, command, value, &result))
        return result;
    const struct tls_target target = {.lib = lib, .context = context};
    if (context != NULL && tls_signature_concerns(command))
        return tls_signature_set(&target, command, value, pointer);
    if (context != NULL && tls_groups_concerns(command))
        return tls_groups_set(&target, command, value, pointer);
    if (sets_dh_parameters(command, value, pointer))
        report_dh_parameters();
    return lib->SSL_CTX_ctrl(context, command, value, pointer);
}

/* A setter with one argument and one result, and the getter of the same setting. */
#define SETTER(result_type, call, argument_type)                                                                   \
    PFSWRAP_EXPORT result_type call(SSL *ssl, argument_type value)                                                 \
    {                                                                                                              \
        struct libssl *lib = libssl_of_connection(ssl, CALLER);                                                    \
        if (lib == NULL)                                                                                           \
            return 0;                                                                                              \
        struct tls_connection *connection = forced_connection(lib, ssl, CALLER);                                   \
        tls_settings_release(lib, ssl, connection);                                                                \
        result_type result = lib->call(ssl, value);                                                                \
        tls_settings_retake(lib, ssl, connection);                                                                 \
        return result;                                                                                             \
    }
#define GETTER(result_type, call, asked_member)                                                                    \
    PFSWRAP_EXPORT result_type call(const SSL *ssl)                                                                \
    {                                                                                                              \
        const struct libssl *lib = libssl_of_connection(ssl, CALLER);                                              \
        if (lib == NULL)                                                                                           \
            return 0;                                                                                              \
        const struct tls_connection *connection = forced_connection(lib, ssl, CALLER);                             \
        return connection != NULL ? connection->asked.asked_member : lib->call(ssl);                               \
    }
SETTER(uint64_t, SSL_set_options, uint64_t)
SETTER(uint64_t, SSL_clear_options, uint64_t)
GETTER(uint64_t, SSL_get_options, options)
SETTER(int, SSL_set_num_tickets, size_t)
GETTER(size_t, SSL_get_num_tickets, num_tickets)
SETTER(int, SSL_set_max_early_data, uint32_t)
GETTER(uint32_t, SSL_get_max_early_data, max_early_data)
GETTER(int, SSL_get_verify_mode, verify_mode)

PFSWRAP_EXPORT void SSL_set_verify(SSL *ssl, int mode, SSL_verify_cb callback)
{
    struct libssl *lib = libssl_of_connection(ssl, CALLER);
    if (lib == NULL)
        return;
    struct tls_connection *connection = forced_connection(lib, ssl, CALLER);
    tls_settings_release(lib, ssl, connection);
    lib->SSL_set_verify(ssl, mode, callback);
    tls_settings_retake(lib, ssl, connection);
}

/* Lists that a callback sets during the handshake are checked like those set before it. */
static int lists_checked(struct libssl *lib, SSL *ssl, const void *caller, int result)
{
    if (result == 1 && forced_connection(lib, ssl, caller) != NULL) {
        struct tls_saved_errors saved = tls_errors_save(lib);
        (void)tls_ciphers_enforce(lib, ssl, lib->SSL_is_dtls(ssl) != 0, true);
        tls_errors_restore(saved);
    }
    return result;
}

PFSWRAP_EXPORT int SSL_set_ciphersuites(SSL *ssl, const char *list)
{
    struct libssl *lib = libssl_of_connection(ssl, CALLER);
    return lib != NULL ? lists_checked(lib, ssl, CALLER, lib->SSL_set_ciphersuites(ssl, list)) : 0;
}

PFSWRAP_EXPORT int SSL_set_cipher_list(SSL *ssl, const char *list)
{
    struct libssl *lib = libssl_of_connection(ssl, CALLER);
    if (lib == NULL)
        return 0;
    int result = lists_checked(lib, ssl, CALLER, lib->SSL_set_cipher_list(ssl, list));
    if (result == 1 && !libssl_is_inside(lib, CALLER))
        tls_ciphers_report(lib, lib->SSL_get_ciphers(ssl), list);
    return result;
}

PFSWRAP_EXPORT int SSL_CTX_set_cipher_list(SSL_CTX *context, const char *list)
{
    struct libssl *lib = libssl_of_context(context, CALLER);
    if (lib == NULL)
        return 0;
    int result = lib->SSL_CTX_set_cipher_list(context, list);
    if (result == 1 && !libssl_is_inside(lib, CALLER))
        tls_ciphers_report(lib, lib->SSL_CTX_get_ciphers(context), list);
    return result;
}

/*
 * Returns what a handshake would offer, so the policy is enforced for the duration of the call. With the program's
 * settings there might be no version that the security callback allows, and then libssl returns no list.
 */
PFSWRAP_EXPORT STACK_OF(SSL_CIPHER) * SSL_get1_supported_ciphers(SSL *ssl)
{
    struct libssl *lib = libssl_of_connection(ssl, CALLER);
    if (lib == NULL)
        return NULL;
    bool asked_by_program = ssl != NULL && !libssl_is_inside(lib, CALLER) && pfswrap_enforces();
    struct tls_connection *connection = asked_by_program ? tls_connection_get(lib, ssl) : NULL;
    if (connection == NULL || connection->stage != TLS_STAGE_NEW)
        return lib->SSL_get1_supported_ciphers(ssl);
    (void)tls_settings_enforce(lib, ssl, connection, TLS_ROLE_UNKNOWN); /* the handshake reports the reason */
    STACK_OF(SSL_CIPHER) *supported = lib->SSL_get1_supported_ciphers(ssl);
    tls_settings_release(lib, ssl, connection);
    connection->stage = TLS_STAGE_NEW;
    return supported;
}
