/*
 * Creates contexts, and changes the method or the context of a connection. A method for a single version is
 * replaced by the flexible method of the same kind, with that version as both limits. The program reads back what
 * it asked for, and the version can be raised before the handshake.
 */
#include "tls/context.h"

#include <string.h>

#include "config/init.h"
#include "base/interposed.h"
#include "tls/negotiated.h"
#include "tls/certificate_age.h"
#include "tls/ciphers.h"
#include "tls/error.h"
#include "tls/groups.h"
#include "tls/layer.h"
#include "tls/report.h"
#include "tls/security.h"
#include "tls/session.h"
#include "tls/settings.h"
#include "tls/state.h"
#include "tls/transparency.h"

/* The table's row for a single-version method. NULL: `method` is flexible. */
static const struct libssl_method *fixed_method_find(const struct libssl *lib, const SSL_METHOD *method)
{
    for (size_t i = 0; i < LIBSSL_METHODS && method != NULL; i++)
        if (lib->methods[i].fixed == method)
            return &lib->methods[i];
    return NULL;
}

/* Whether the context is for DTLS. */
static bool is_dtls(const struct libssl *lib, const SSL_CTX *context)
{
    enum { DTLS_MAJOR = 0xfe };
    const SSL_METHOD *method = lib->SSL_CTX_get_ssl_method(context);
    const struct libssl_method *fixed = fixed_method_find(lib, method);
    return method == lib->DTLS_method() || method == lib->DTLS_server_method() ||
           method == lib->DTLS_client_method() || (fixed != NULL && fixed->version >> 8 == DTLS_MAJOR);
}

bool tls_context_has_fixed_method(const struct libssl *lib, const SSL_CTX *context)
{
    const struct tls_context *record = tls_context_find(lib, context);
    return record != NULL && record->program_method != NULL;
}

bool tls_connection_has_fixed_method(const struct libssl *lib, const SSL *ssl)
{
    const struct tls_connection *connection = tls_connection_find(lib, ssl);
    if (connection != NULL && connection->program_method != NULL)
        return fixed_method_find(lib, connection->program_method) != NULL;
    return tls_context_has_fixed_method(lib, lib->SSL_get_SSL_CTX(ssl));
}

bool tls_fixed_method_ctrl(int command, long value, long *result)
{
    switch (command) {
    case SSL_CTRL_GET_MIN_PROTO_VERSION:
    case SSL_CTRL_GET_MAX_PROTO_VERSION:
        *result = 0;
        return true;
    case SSL_CTRL_SET_MIN_PROTO_VERSION:
    case SSL_CTRL_SET_MAX_PROTO_VERSION:
        *result = value == 0 || strcmp(report_version_name((int)value), "unknown") != 0;
        return true;
    default:
        return false;
    }
}

/* Returns NULL, or why the context cannot be protected. */
static const char *context_protect(struct libssl *lib, SSL_CTX *context, const struct libssl_method *fixed)
{
    struct tls_context *record = tls_context_get(lib, context);
    if (record == NULL)
        return "no memory for the context's record";
    /* A server that fails only at the handshake has not read the client's datagram, and would try again and again.
     */
    if (pfswrap_policy()->tls.dtls == POLICY_DTLS_REFUSE && is_dtls(lib, context))
        return "DTLS is refused by the policy";
    if (fixed != NULL) {
        record->program_method = fixed->fixed;
        lib->SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, fixed->version, NULL);
        lib->SSL_CTX_ctrl(context, SSL_CTRL_SET_MAX_PROTO_VERSION, fixed->version, NULL);
    }
    record->initial_min = (int)lib->SSL_CTX_ctrl(context, SSL_CTRL_GET_MIN_PROTO_VERSION, 0, NULL);
    record->initial_options = lib->SSL_CTX_get_options(context);
    if (layer_in_force())
        layer_alpn_begin_context(lib, context);
    certificate_age_begin();
    if (!pfswrap_enforces())
        return NULL;
    if (!tls_security_begin(lib, context))
        return "the security callback cannot be set";
    tls_session_begin(lib, context);
    tls_verify_begin(lib);
    tls_transparency_begin(lib);
    struct tls_target target = {.lib = lib, .context = context};
    const char *reason = tls_groups_begin(&target);
    return reason != NULL ? reason : tls_ciphers_begin(lib, context);
}

/* Prepares a context that libssl has created. Returns NULL, and frees the context, if it cannot be protected. */
static SSL_CTX *context_begin(struct libssl *lib, SSL_CTX *context, const struct libssl_method *fixed)
{
    if (context == NULL)
        return NULL;
    struct tls_saved_errors saved = tls_errors_save(lib);
    const char *reason = context_protect(lib, context, fixed);
    tls_errors_restore(saved);
    if (reason == NULL)
        return context;
    report_refused(lib, NULL, reason);
    if (!pfswrap_enforces())
        return context;
    tls_error_push(lib, SSL_R_UNSUPPORTED_PROTOCOL, reason);
    lib->SSL_CTX_free(context);
    return NULL;
}

/* Whether contexts of this library can be protected. If not, the reason is logged. */
static bool library_is_usable(struct libssl *lib)
{
    if (lib == NULL)
        return false;
    if (lib->missing == NULL && tls_state_prepare(lib))
        return true;
    report_refused(lib, NULL,
                   lib->missing != NULL ? "the library is neither OpenSSL 1.1.1 nor 3.x"
                                        : "the library has no ex_data index left for pfswrap");
    return false;
}

PFSWRAP_EXPORT SSL_CTX *SSL_CTX_new(const SSL_METHOD *method)
{
    struct libssl *lib = libssl_of_method(method, CALLER);
    if (lib == NULL)
        return NULL;
    if (libssl_is_inside(lib, CALLER))
        return lib->SSL_CTX_new(method);
    if (!library_is_usable(lib))
        return pfswrap_enforces() ? NULL : lib->SSL_CTX_new(method);
    const struct libssl_method *fixed = pfswrap_enforces() ? fixed_method_find(lib, method) : NULL;
    return context_begin(lib, lib->SSL_CTX_new(fixed != NULL ? fixed->flexible : method), fixed);
}

PFSWRAP_EXPORT SSL_CTX *SSL_CTX_new_ex(struct ossl_lib_ctx_st *library, const char *properties,
                                       const SSL_METHOD *method)
{
    struct libssl *lib = libssl_of_method(method, CALLER);
    if (lib == NULL || lib->SSL_CTX_new_ex == NULL)
        return NULL;
    if (libssl_is_inside(lib, CALLER))
        return lib->SSL_CTX_new_ex(library, properties, method);
    if (!library_is_usable(lib))
        return pfswrap_enforces() ? NULL : lib->SSL_CTX_new_ex(library, properties, method);
    const struct libssl_method *fixed = pfswrap_enforces() ? fixed_method_find(lib, method) : NULL;
    return context_begin(lib, lib->SSL_CTX_new_ex(library, properties, fixed != NULL ? fixed->flexible : method),
                         fixed);
}

PFSWRAP_EXPORT int SSL_CTX_set_ssl_version(SSL_CTX *context, const SSL_METHOD *method)
{
    struct libssl *lib = libssl_of_context(context, CALLER);
    if (lib == NULL)
        return 0;
    struct tls_context *record = tls_context_find(lib, context);
    const struct libssl_method *fixed = pfswrap_enforces() ? fixed_method_find(lib, method) : NULL;
    if (libssl_is_inside(lib, CALLER) || fixed == NULL || record == NULL) {
        if (record != NULL)
            record->program_method = NULL;
        return lib->SSL_CTX_set_ssl_version(context, method);
    }
    int result = lib->SSL_CTX_set_ssl_version(context, fixed->flexible);
    if (result == 1) {
        record->program_method = fixed->fixed;
        lib->SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, fixed->version, NULL);
        lib->SSL_CTX_ctrl(context, SSL_CTRL_SET_MAX_PROTO_VERSION, fixed->version, NULL);
    }
    return result;
}

PFSWRAP_EXPORT const SSL_METHOD *SSL_CTX_get_ssl_method(const SSL_CTX *context)
{
    const struct libssl *lib = libssl_of_context(context, CALLER);
    if (lib == NULL)
        return NULL;
    const struct tls_context *record = tls_context_find(lib, context);
    bool replaced = record != NULL && record->program_method != NULL && !libssl_is_inside(lib, CALLER);
    return replaced ? record->program_method : lib->SSL_CTX_get_ssl_method(context);
}

PFSWRAP_EXPORT int SSL_set_ssl_method(SSL *ssl, const SSL_METHOD *method)
{
    struct libssl *lib = libssl_of_connection(ssl, CALLER);
    if (lib == NULL)
        return 0;
    const struct libssl_method *fixed = pfswrap_enforces() ? fixed_method_find(lib, method) : NULL;
    struct tls_connection *connection = tls_connection_get(lib, ssl);
    if (libssl_is_inside(lib, CALLER) || connection == NULL)
        return lib->SSL_set_ssl_method(ssl, method);
    tls_settings_release(lib, ssl, connection);
    int result = lib->SSL_set_ssl_method(ssl, fixed != NULL ? fixed->flexible : method);
    if (result == 1) {
        connection->program_method = method;
        if (fixed != NULL) {
            lib->SSL_ctrl(ssl, SSL_CTRL_SET_MIN_PROTO_VERSION, fixed->version, NULL);
            lib->SSL_ctrl(ssl, SSL_CTRL_SET_MAX_PROTO_VERSION, fixed->version, NULL);
        }
    }
    tls_settings_retake(lib, ssl, connection);
    return result;
}

PFSWRAP_EXPORT const SSL_METHOD *SSL_get_ssl_method(const SSL *ssl)
{
    const struct libssl *lib = libssl_of_connection(ssl, CALLER);
    if (lib == NULL)
        return NULL;
    if (libssl_is_inside(lib, CALLER))
        return lib->SSL_get_ssl_method(ssl);
    const struct tls_connection *connection = tls_connection_find(lib, ssl);
    if (connection != NULL && connection->program_method != NULL)
        return connection->program_method;
    const struct tls_context *record = tls_context_find(lib, lib->SSL_get_SSL_CTX(ssl));
    return record != NULL && record->program_method != NULL ? record->program_method : lib->SSL_get_ssl_method(ssl);
}

/* Called in a server name callback: the connection takes certificate and security callback from the new context. */
PFSWRAP_EXPORT SSL_CTX *SSL_set_SSL_CTX(SSL *ssl, SSL_CTX *context)
{
    struct libssl *lib = libssl_of_connection(ssl, CALLER);
    if (lib == NULL)
        return NULL;
    struct tls_connection *connection = tls_connection_find(lib, ssl);
    if (libssl_is_inside(lib, CALLER) || connection == NULL || connection->stage == TLS_STAGE_NEW ||
        !pfswrap_enforces())
        return lib->SSL_set_SSL_CTX(ssl, context);
    tls_settings_release(lib, ssl, connection);
    SSL_CTX *result = lib->SSL_set_SSL_CTX(ssl, context);
    tls_settings_retake(lib, ssl, connection);
    tls_security_install(lib, ssl, connection);
    return result;
}
