/*
 * The state of a connection with the inner layer, as programs read it. While the seal's handshake runs, the TLS
 * handshake appears incomplete. The pending bytes are those that the layer has opened. After an error of the seal,
 * the peer appears not to have sent a close_notify.
 */
#include "base/interposed.h"
#include "tls/layer.h"

/* The record of a connection with the layer, for calls of the program. NULL: libssl's answer is right. */
static struct tls_connection *layered(const struct libssl *lib, const SSL *ssl, const void *caller)
{
    if (!layer_in_force() || ssl == NULL || libssl_is_inside(lib, caller))
        return NULL;
    struct tls_connection *connection = tls_connection_find(lib, ssl);
    return connection != NULL && connection->layer != NULL ? connection : NULL;
}

static bool is_handshaking(const struct tls_connection *connection)
{
    return connection != NULL && connection->stage == TLS_STAGE_SEAL;
}

bool layer_is_handshaking(const struct libssl *lib, const SSL *ssl, const void *caller)
{
    return is_handshaking(layered(lib, ssl, caller));
}

PFSWRAP_EXPORT int SSL_in_init(const SSL *ssl)
{
    const struct libssl *lib = libssl_of_connection(ssl, CALLER);
    if (lib == NULL)
        return 1;
    return is_handshaking(layered(lib, ssl, CALLER)) ? 1 : lib->SSL_in_init(ssl);
}

PFSWRAP_EXPORT int SSL_is_init_finished(const SSL *ssl)
{
    const struct libssl *lib = libssl_of_connection(ssl, CALLER);
    if (lib == NULL)
        return 0;
    return is_handshaking(layered(lib, ssl, CALLER)) ? 0 : lib->SSL_is_init_finished(ssl);
}

/* The state before the last step. OpenSSL 3.2 numbered the states anew; SSL_get0_group_name() is as old. */
static OSSL_HANDSHAKE_STATE finished_state(const struct libssl *lib, bool is_server)
{
    if (lib->SSL_get0_group_name != NULL)
        return is_server ? TLS_ST_SR_FINISHED_SINCE_3_2 : TLS_ST_CR_FINISHED_SINCE_3_2;
    return is_server ? TLS_ST_SR_FINISHED : TLS_ST_CR_FINISHED;
}

PFSWRAP_EXPORT OSSL_HANDSHAKE_STATE SSL_get_state(const SSL *ssl)
{
    const struct libssl *lib = libssl_of_connection(ssl, CALLER);
    if (lib == NULL)
        return TLS_ST_BEFORE;
    if (is_handshaking(layered(lib, ssl, CALLER)))
        return finished_state(lib, lib->SSL_is_server(ssl));
    return lib->SSL_get_state(ssl);
}

PFSWRAP_EXPORT int SSL_pending(const SSL *ssl)
{
    const struct libssl *lib = libssl_of_connection(ssl, CALLER);
    if (lib == NULL)
        return 0;
    const struct tls_connection *connection = layered(lib, ssl, CALLER);
    if (connection == NULL)
        return lib->SSL_pending(ssl);
    return connection->stage == TLS_STAGE_OPEN ? (int)layer_pending(connection->layer) : 0;
}

PFSWRAP_EXPORT int SSL_has_pending(const SSL *ssl)
{
    const struct libssl *lib = libssl_of_connection(ssl, CALLER);
    if (lib == NULL)
        return 0;
    const struct tls_connection *connection = layered(lib, ssl, CALLER);
    if (connection != NULL && connection->stage == TLS_STAGE_OPEN && layer_pending(connection->layer) > 0)
        return 1;
    return lib->SSL_has_pending(ssl);
}

PFSWRAP_EXPORT int SSL_get_shutdown(const SSL *ssl)
{
    const struct libssl *lib = libssl_of_connection(ssl, CALLER);
    if (lib == NULL)
        return 0;
    const struct tls_connection *connection = layered(lib, ssl, CALLER);
    int shutdown = lib->SSL_get_shutdown(ssl);
    if (connection != NULL && pfswrap_tunnel_error(connection->layer->tunnel) != 0)
        shutdown &= ~SSL_RECEIVED_SHUTDOWN;
    return shutdown;
}

/* Whether a buffering BIO holds handshake messages that it could not write. */
static bool waits_for_flush(const struct tls_connection *connection)
{
    return is_handshaking(connection) && connection->layer->flush_due;
}

PFSWRAP_EXPORT int SSL_want(const SSL *ssl)
{
    const struct libssl *lib = libssl_of_connection(ssl, CALLER);
    if (lib == NULL)
        return SSL_NOTHING;
    return waits_for_flush(layered(lib, ssl, CALLER)) ? SSL_WRITING : lib->SSL_want(ssl);
}

PFSWRAP_EXPORT int SSL_get_error(const SSL *ssl, int result)
{
    const struct libssl *lib = libssl_of_connection(ssl, CALLER);
    if (lib == NULL)
        return SSL_ERROR_SSL;
    const struct tls_connection *connection = result <= 0 ? layered(lib, ssl, CALLER) : NULL;
    if (connection == NULL)
        return lib->SSL_get_error(ssl, result);
    if (waits_for_flush(connection))
        return SSL_ERROR_WANT_WRITE;
    if (pfswrap_tunnel_error(connection->layer->tunnel) != 0)
        return SSL_ERROR_SSL;
    if (result == 0 && connection->layer->end_reported)
        return SSL_ERROR_ZERO_RETURN; /* libssl reports this only after a close_notify */
    return lib->SSL_get_error(ssl, result);
}
