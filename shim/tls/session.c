/*
 * Four measures prevent a resumption: libssl's cache is off, sessions from the program's own cache are checked,
 * tickets are ignored, and a client does not offer its session. TLS 1.2 tickets are stopped by the security
 * callback.
 */
#include "tls/session.h"

#include "config/init.h"
#include "config/override.h"
#include "base/interposed.h"
#include "tls/context.h"
#include "tls/report.h"

static const struct policy *policy(void)
{
    return pfswrap_policy();
}

static bool refuses_all(void)
{
    return policy()->tls.session_tickets == POLICY_TICKETS_REFUSE;
}

/* Whether a session can have another version than TLS 1.3. Only then libssl's cache has to be off. */
static bool may_be_older(const struct libssl *lib, const SSL_CTX *context)
{
    const SSL_METHOD *method = lib->SSL_CTX_get_ssl_method(context);
    bool dtls =
        method == lib->DTLS_method() || method == lib->DTLS_server_method() || method == lib->DTLS_client_method();
    return dtls || policy()->tls.min_version < TLS1_3_VERSION;
}

/* For SSL_CTX_set_session_ticket_cb(3): a full handshake, whatever ticket the client has. */
static SSL_TICKET_RETURN ticket_ignore(SSL *ssl, SSL_SESSION *session, const unsigned char *name, size_t length,
                                       SSL_TICKET_STATUS status, void *argument)
{
    (void)ssl, (void)session, (void)name, (void)length, (void)status, (void)argument;
    return SSL_TICKET_RETURN_IGNORE;
}

void tls_session_begin(struct libssl *lib, SSL_CTX *context)
{
    struct tls_context *record = tls_context_find(lib, context);
    if (refuses_all())
        lib->SSL_CTX_set_session_ticket_cb(context, NULL, ticket_ignore, NULL);
    /* Without it, a server that verifies clients cannot resume a session (SSL_CTX_set_session_id_context(3)). */
    static const unsigned char id_context[] = "pfswrap";
    if (policy()->tls.client_certificates == POLICY_VERIFY_REQUIRE)
        (void)lib->SSL_CTX_set_session_id_context(context, id_context, sizeof id_context - 1);
    if (record != NULL && (refuses_all() || may_be_older(lib, context)))
        record->program_cache_mode =
            lib->SSL_CTX_ctrl(context, SSL_CTRL_SET_SESS_CACHE_MODE, SSL_SESS_CACHE_OFF, NULL);
}

bool tls_session_ctrl(struct libssl *lib, SSL_CTX *context, int command, long value, long *result)
{
    struct tls_context *record = tls_context_find(lib, context);
    if (record == NULL || record->program_cache_mode < 0)
        return false;
    *result = record->program_cache_mode; /* getting and setting both return the previous mode */
    if (command == SSL_CTRL_GET_SESS_CACHE_MODE)
        return true;
    if (command != SSL_CTRL_SET_SESS_CACHE_MODE)
        return false;
    record->program_cache_mode = value;
    return true;
}

static bool may_be_resumed(const struct libssl *lib, const SSL_SESSION *session)
{
    return !refuses_all() && lib->SSL_SESSION_get_protocol_version(session) == TLS1_3_VERSION;
}

PFSWRAP_EXPORT int SSL_set_session(SSL *ssl, SSL_SESSION *session)
{
    struct libssl *lib = libssl_of_connection(ssl, CALLER);
    if (lib == NULL)
        return 0;
    bool offered =
        session == NULL || !pfswrap_enforces() || libssl_is_inside(lib, CALLER) || may_be_resumed(lib, session);
    if (offered)
        return lib->SSL_set_session(ssl, session);
    override_report("session", report_version_name(lib->SSL_SESSION_get_protocol_version(session)), "not resumed");
    return 1;
}

/* Called by libssl in place of the program's callback for an external cache. */
static SSL_SESSION *session_get_checked(SSL *ssl, const unsigned char *id, int length, int *copy)
{
    const struct libssl *lib = libssl_containing(CALLER);
    const struct tls_context *record = lib != NULL ? tls_context_find(lib, lib->SSL_get_SSL_CTX(ssl)) : NULL;
    if (record == NULL || record->program_session_get == NULL)
        return NULL;
    SSL_SESSION *session = record->program_session_get(ssl, id, length, copy);
    if (session == NULL || may_be_resumed(lib, session))
        return session;
    if (*copy == 0) /* the callback has passed its reference to the caller */
        lib->SSL_SESSION_free(session);
    return NULL;
}

PFSWRAP_EXPORT void SSL_CTX_sess_set_get_cb(SSL_CTX *context, session_get_callback *callback)
{
    struct libssl *lib = libssl_of_context(context, CALLER);
    if (lib == NULL)
        return;
    struct tls_context *record = tls_context_find(lib, context);
    bool checked = record != NULL && pfswrap_enforces() && callback != NULL;
    if (checked)
        record->program_session_get = callback;
    lib->SSL_CTX_sess_set_get_cb(context, checked ? session_get_checked : callback);
}

PFSWRAP_EXPORT session_get_callback *SSL_CTX_sess_get_get_cb(SSL_CTX *context)
{
    const struct libssl *lib = libssl_of_context(context, CALLER);
    if (lib == NULL)
        return NULL;
    session_get_callback *current = lib->SSL_CTX_sess_get_get_cb(context);
    const struct tls_context *record = tls_context_find(lib, context);
    return current == session_get_checked && record != NULL ? record->program_session_get : current;
}

PFSWRAP_EXPORT int SSL_CTX_set_session_ticket_cb(SSL_CTX *context, SSL_CTX_generate_session_ticket_fn generate,
                                                 SSL_CTX_decrypt_session_ticket_fn decrypt, void *argument)
{
    struct libssl *lib = libssl_of_context(context, CALLER);
    if (lib == NULL)
        return 0;
    if (!pfswrap_enforces() || !refuses_all())
        return lib->SSL_CTX_set_session_ticket_cb(context, generate, decrypt, argument);
    override_report("session-tickets", "callback", "refused");
    return 1;
}
