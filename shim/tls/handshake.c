/*
 * Enforces the policy before a handshake, verifies the negotiated parameters after it, and has the interposed calls
 * that only run a handshake. Calls that run a handshake and move data are split (data.c), so no data passes before
 * the verification.
 */
#include "base/trace.h"
#include "tls/handshake.h"

#include "audit/audit.h"
#include "base/interposed.h"
#include "config/init.h"
#include "config/override.h"
#include "fd/linger.h"
#include "fd/program_socket.h"
#include "tls/negotiated.h"
#include "tls/certificate_findings.h"
#include "tls/error.h"
#include "tls/http_findings.h"
#include "tls/layer.h"
#include "tls/report.h"
#include "tls/policy_pin.h"

/*
 * In TLS_STAGE_REFUSED the interposed functions let no data pass. The socket is shut down so that the peer does not
 * wait. Both directions are marked as closed in libssl, since writing a close_notify to that socket would raise
 * SIGPIPE. A datagram socket stays as it is: the program may serve other clients with it, and no peer waits.
 */
static int connection_refuse(struct libssl *lib, SSL *ssl, struct tls_connection *connection, int code,
                             const char *reason)
{
    report_refused(lib, ssl, reason);
    connection->stage = TLS_STAGE_REFUSED;
    int fd = lib->SSL_get_rfd(ssl);
    if (fd >= 0 && !lib->SSL_is_dtls(ssl))
        program_socket_shutdown(fd, SHUT_RDWR);
    lib->SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    tls_error_push(lib, code, reason);
    return -1;
}

static int connection_verify(struct libssl *lib, SSL *ssl, struct tls_connection *connection)
{
    struct tls_saved_errors saved = tls_errors_save(lib);
    (void)tls_policy_pin(connection->policy);
    struct tls_negotiated negotiated = tls_verify_negotiated(lib, ssl);
    (void)tls_policy_pin(NULL);
    tls_errors_restore(saved);
    TRACE(HANDSHAKE, negotiated.reason == NULL ? "tls verified" : "tls refused", lib->SSL_get_rfd(ssl), "version",
          lib->SSL_version(ssl));
    if (negotiated.reason != NULL && pfswrap_enforces())
        return connection_refuse(lib, ssl, connection, negotiated.code, negotiated.reason);
    if (negotiated.reason != NULL)
        report_refused(lib, ssl, negotiated.reason);
    saved = tls_errors_save(lib);
    report_handshake(lib, ssl, negotiated.group, negotiated.verified);
    const char *unlogged = pfswrap_enforces() ? audit_refusal() : NULL;
    if (unlogged != NULL) {
        tls_errors_restore(saved);
        return connection_refuse(lib, ssl, connection, ERR_R_INTERNAL_ERROR, unlogged);
    }
    if (connection->upgraded && !lib->SSL_is_server(ssl))
        linger_mark(lib->SSL_get_rfd(ssl));
    certificate_findings_add(lib, ssl, connection->policy);
    http_findings_begin(lib, ssl, connection);
    tls_errors_restore(saved);
    if (connection->layer_rule == NULL) {
        connection->stage = TLS_STAGE_OPEN;
        return 1;
    }
    saved = tls_errors_save(lib);
    const char *reason = layer_start(lib, ssl, connection);
    tls_errors_restore(saved);
    return reason == NULL ? 1 : layer_refuse(lib, ssl, connection, reason, NULL);
}

/* Returns the connection's record, in TLS_STAGE_HANDSHAKE or a later stage. NULL: the connection is refused. */
static struct tls_connection *connection_enforce(struct libssl *lib, SSL *ssl, enum tls_role role)
{
    struct tls_connection *connection = tls_connection_get(lib, ssl);
    if (connection == NULL) {
        report_refused(lib, ssl, "no memory for the connection's record");
        tls_error_push(lib, ERR_R_MALLOC_FAILURE, "no memory for the connection's record");
        return NULL;
    }
    if (connection->stage == TLS_STAGE_NEW) {
        const char *reason = tls_settings_enforce(lib, ssl, connection, role);
        TRACE(HANDSHAKE, reason == NULL ? "tls enforced" : "tls refused", lib->SSL_get_rfd(ssl), "role", role);
        if (reason != NULL) {
            connection_refuse(lib, ssl, connection, SSL_R_UNSUPPORTED_PROTOCOL, reason);
            return NULL;
        }
        reason = layer_in_force() ? layer_begin(lib, ssl, connection, role) : NULL;
        if (reason != NULL) {
            layer_refuse(lib, ssl, connection, reason, NULL);
            return NULL;
        }
    }
    if (connection->stage == TLS_STAGE_REFUSED) {
        tls_error_push(lib, SSL_R_UNSUPPORTED_PROTOCOL, "the connection was refused");
        return NULL;
    }
    return connection;
}

/* SSL_do_handshake(), SSL_connect() or SSL_accept(). */
typedef int handshake_call(SSL *ssl);

/* As tls_handshake_complete(), by `call`. */
static int handshake_run(struct libssl *lib, SSL *ssl, handshake_call *call, enum tls_role role)
{
    struct tls_connection *connection = connection_enforce(lib, ssl, role);
    if (connection == NULL)
        return -1;
    if (connection->stage == TLS_STAGE_SEAL)
        return layer_run(lib, ssl, connection);
    int result = call(ssl);
    if (connection->stage == TLS_STAGE_OPEN)
        return result;
    if (result == 1 && lib->SSL_is_init_finished(ssl)) {
        result = connection_verify(lib, ssl, connection);
        return connection->stage == TLS_STAGE_SEAL ? layer_run(lib, ssl, connection) : result;
    }
    if (result <= 0)
        tls_handshake_failed(lib, ssl, result);
    return result;
}

__thread struct tls_last_open tls_last_open __attribute__((tls_model("initial-exec")));

int tls_handshake_complete(struct libssl *lib, SSL *ssl)
{
    unsigned generation = tls_connection_generation(); /* read first: a later free makes the cache entry stale */
    const struct tls_connection *connection = tls_connection_find(lib, ssl);
    if (connection == NULL || connection->stage != TLS_STAGE_OPEN)
        return handshake_run(lib, ssl, lib->SSL_do_handshake, TLS_ROLE_UNKNOWN);
    if (connection->layer == NULL)
        tls_last_open = (struct tls_last_open){.ssl = ssl, .lib = lib, .generation = generation};
    return 1;
}

int tls_handshake_enforce(struct libssl *lib, SSL *ssl, enum tls_role role)
{
    return connection_enforce(lib, ssl, role) != NULL ? 1 : -1;
}

int tls_handshake_verify(struct libssl *lib, SSL *ssl)
{
    struct tls_connection *connection = tls_connection_find(lib, ssl);
    if (connection == NULL || connection->stage != TLS_STAGE_HANDSHAKE || !lib->SSL_is_init_finished(ssl))
        return connection != NULL && connection->stage == TLS_STAGE_REFUSED ? -1 : 1;
    return connection_verify(lib, ssl, connection);
}

void tls_handshake_failed(struct libssl *lib, SSL *ssl, int result)
{
    struct tls_connection *connection = tls_connection_find(lib, ssl);
    if (connection == NULL || connection->stage != TLS_STAGE_HANDSHAKE)
        return;
    struct tls_saved_errors saved = tls_errors_save(lib);
    report_failed(lib, ssl, connection, result);
    tls_errors_restore(saved);
}

void tls_handshake_reset(struct libssl *lib, SSL *ssl)
{
    struct tls_connection *connection = tls_connection_find(lib, ssl);
    if (connection == NULL || connection->stage == TLS_STAGE_NEW)
        return;
    tls_settings_release(lib, ssl, connection);
    if (connection->layer_rule != NULL && !lib->SSL_is_server(ssl))
        layer_alpn_withdraw(lib, ssl, connection);
    layer_forget(connection);
    http_findings_end(lib, connection);
    connection->has_early_writes = false;
    connection->stage = TLS_STAGE_NEW;
    tls_connection_ended();
    connection->program_method = NULL; /* SSL_clear() goes back to the context's method */
}

/* A call without a connection, or from inside libssl, goes straight to libssl. */
static bool is_passed_through(const struct libssl *lib, const SSL *ssl, const void *caller)
{
    return ssl == NULL || libssl_is_inside(lib, caller);
}

/* The three calls that only run a handshake. */
#define HANDSHAKE_CALL(call, role)                                                                                 \
    PFSWRAP_EXPORT int call(SSL *ssl)                                                                              \
    {                                                                                                              \
        struct libssl *lib = libssl_of_connection(ssl, CALLER);                                                    \
        if (lib == NULL)                                                                                           \
            return -1;                                                                                             \
        return is_passed_through(lib, ssl, CALLER) ? lib->call(ssl) : handshake_run(lib, ssl, lib->call, role);    \
    }
HANDSHAKE_CALL(SSL_do_handshake, TLS_ROLE_UNKNOWN)
HANDSHAKE_CALL(SSL_connect, TLS_ROLE_CLIENT)
HANDSHAKE_CALL(SSL_accept, TLS_ROLE_SERVER)

PFSWRAP_EXPORT int SSL_stateless(SSL *ssl)
{
    struct libssl *lib = libssl_of_connection(ssl, CALLER);
    if (lib == NULL)
        return -1;
    /* The call clears the connection first, including its settings. */
    tls_handshake_reset(lib, ssl);
    if (tls_handshake_enforce(lib, ssl, TLS_ROLE_SERVER) != 1)
        return -1;
    return lib->SSL_stateless(ssl);
}

PFSWRAP_EXPORT int DTLSv1_listen(SSL *ssl, BIO_ADDR *client)
{
    struct libssl *lib = libssl_of_connection(ssl, CALLER);
    if (lib == NULL)
        return -1;
    tls_handshake_reset(lib, ssl);
    if (tls_handshake_enforce(lib, ssl, TLS_ROLE_SERVER) != 1)
        return -1;
    return lib->DTLSv1_listen(ssl, client);
}

/* The policy's maximum for early data is 0, so this call continues the handshake and reports that there is none. */
PFSWRAP_EXPORT int SSL_read_early_data(SSL *ssl, void *buffer, size_t length, size_t *read)
{
    struct libssl *lib = libssl_of_connection(ssl, CALLER);
    if (lib == NULL)
        return SSL_READ_EARLY_DATA_ERROR;
    if (is_passed_through(lib, ssl, CALLER))
        return lib->SSL_read_early_data(ssl, buffer, length, read);
    if (tls_handshake_enforce(lib, ssl, TLS_ROLE_SERVER) != 1)
        return SSL_READ_EARLY_DATA_ERROR;
    int result = lib->SSL_read_early_data(ssl, buffer, length, read);
    if (result == SSL_READ_EARLY_DATA_ERROR)
        tls_handshake_failed(lib, ssl, -1);
    else if (tls_handshake_verify(lib, ssl) != 1)
        return SSL_READ_EARLY_DATA_ERROR;
    return result;
}

/* Early data has no forward secrecy (RFC 8446, 2.3). The call fails before anything is sent. */
PFSWRAP_EXPORT int SSL_write_early_data(SSL *ssl, const void *buffer, size_t length, size_t *written)
{
    struct libssl *lib = libssl_of_connection(ssl, CALLER);
    if (lib == NULL)
        return 0;
    override_report("early-data", "sent", "refused");
    if (!pfswrap_enforces()) {
        struct tls_connection *connection = tls_connection_find(lib, ssl);
        if (connection != NULL)
            connection->has_early_writes = true;
        return lib->SSL_write_early_data(ssl, buffer, length, written);
    }
    tls_error_push(lib, ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED, "early data is refused by the policy");
    return 0;
}

PFSWRAP_EXPORT int SSL_clear(SSL *ssl)
{
    struct libssl *lib = libssl_of_connection(ssl, CALLER);
    if (lib == NULL)
        return 0;
    if (!is_passed_through(lib, ssl, CALLER))
        tls_handshake_reset(lib, ssl);
    return lib->SSL_clear(ssl);
}

/* Afterwards the connection begins a new handshake, perhaps with another peer. */
#define STATE_CALL(call)                                                                                           \
    PFSWRAP_EXPORT void call(SSL *ssl)                                                                             \
    {                                                                                                              \
        struct libssl *lib = libssl_of_connection(ssl, CALLER);                                                    \
        if (lib == NULL)                                                                                           \
            return;                                                                                                \
        if (!is_passed_through(lib, ssl, CALLER))                                                                  \
            tls_handshake_reset(lib, ssl);                                                                         \
        lib->call(ssl);                                                                                            \
    }
STATE_CALL(SSL_set_connect_state)
STATE_CALL(SSL_set_accept_state)
