/*
 * The application protocol `pfsw1` (ALPN, RFC 7301). A client that has to seal offers it after the program's
 * protocols. A server removes it from the list before its program chooses, so neither program sees it. In this way
 * one port serves clients with and without the layer. The TLS handshake alone tells them apart, so it does not
 * matter which side sends data first.
 */
#include <string.h>

#include "base/interposed.h"
#include "tls/layer.h"

static const unsigned char layer_protocol[] = {5, 'p', 'f', 's', 'w', '1'};

/* Copies a list of protocols without the layer's, up to an entry that is cut. Returns the length of the copy. */
static unsigned list_filter(unsigned char *to, const unsigned char *from, unsigned length)
{
    unsigned kept = 0;
    for (unsigned at = 0; at < length; at += 1U + from[at]) {
        unsigned size = 1U + from[at];
        if (size > length - at)
            return kept;
        if (size == sizeof layer_protocol && memcmp(from + at, layer_protocol, size) == 0)
            continue;
        memcpy(to + kept, from + at, size);
        kept += size;
    }
    return kept;
}

/*
 * For SSL_CTX_set_alpn_select_cb(3). The program's choice points into the filtered list, which therefore has to
 * stay valid after this call.
 */
static int alpn_select(SSL *ssl, const unsigned char **out, unsigned char *out_length, const unsigned char *in,
                       unsigned in_length, void *argument)
{
    (void)argument;
    struct libssl *lib = libssl_containing(CALLER);
    const struct tls_context *context = lib != NULL ? tls_context_find(lib, lib->SSL_get_SSL_CTX(ssl)) : NULL;
    struct tls_connection *connection = lib != NULL ? tls_connection_get(lib, ssl) : NULL;
    if (context == NULL || connection == NULL)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    lib->CRYPTO_free(connection->alpn_filtered, "pfswrap", 0);
    connection->alpn_filtered = lib->CRYPTO_zalloc(in_length, "pfswrap", 0);
    if (connection->alpn_filtered == NULL)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    unsigned kept = list_filter(connection->alpn_filtered, in, in_length);
    connection->offers_layer = kept < in_length;
    if (kept == 0 || context->program_alpn_select == NULL)
        return SSL_TLSEXT_ERR_NOACK;
    return context->program_alpn_select(ssl, out, out_length, connection->alpn_filtered, kept,
                                        context->program_alpn_argument);
}

void layer_alpn_begin_context(struct libssl *lib, SSL_CTX *context)
{
    lib->SSL_CTX_set_alpn_select_cb(context, alpn_select, NULL);
}

PFSWRAP_EXPORT void SSL_CTX_set_alpn_select_cb(SSL_CTX *context, SSL_CTX_alpn_select_cb_func callback,
                                               void *argument)
{
    struct libssl *lib = libssl_of_context(context, CALLER);
    if (lib == NULL)
        return;
    struct tls_context *record = layer_in_force() ? tls_context_find(lib, context) : NULL;
    if (record == NULL) {
        lib->SSL_CTX_set_alpn_select_cb(context, callback, argument);
        return;
    }
    record->program_alpn_select = callback;
    record->program_alpn_argument = argument;
}

/* Stores a copy of what the program offers, since libssl has no getter for it. */
static void protocols_remember(struct libssl *lib, struct tls_protocols *to, const unsigned char *list,
                               unsigned length)
{
    lib->CRYPTO_free(to->list, "pfswrap", 0);
    *to = (struct tls_protocols){.set = true};
    if (length == 0)
        return;
    to->list = lib->CRYPTO_zalloc(length, "pfswrap", 0);
    if (to->list == NULL)
        return;
    memcpy(to->list, list, length);
    to->length = length;
}

PFSWRAP_EXPORT int SSL_CTX_set_alpn_protos(SSL_CTX *context, const unsigned char *list, unsigned length)
{
    struct libssl *lib = libssl_of_context(context, CALLER);
    if (lib == NULL)
        return 1; /* this function returns 0 for success */
    int result = lib->SSL_CTX_set_alpn_protos(context, list, length);
    struct tls_context *record = layer_in_force() && result == 0 ? tls_context_find(lib, context) : NULL;
    if (record != NULL)
        protocols_remember(lib, &record->protocols, list, length);
    return result;
}

PFSWRAP_EXPORT int SSL_set_alpn_protos(SSL *ssl, const unsigned char *list, unsigned length)
{
    struct libssl *lib = libssl_of_connection(ssl, CALLER);
    if (lib == NULL)
        return 1;
    int result = lib->SSL_set_alpn_protos(ssl, list, length);
    struct tls_connection *connection = layer_in_force() && result == 0 ? tls_connection_get(lib, ssl) : NULL;
    if (connection == NULL)
        return result;
    protocols_remember(lib, &connection->protocols, list, length);
    if (connection->layer_rule != NULL && !lib->SSL_is_server(ssl))
        (void)layer_alpn_offer(lib, ssl, connection);
    return result;
}

/* What the program offers on this connection. NULL: not known. */
static const struct tls_protocols *protocols_of(const struct libssl *lib, const SSL *ssl,
                                                const struct tls_connection *connection)
{
    if (connection->protocols.set)
        return &connection->protocols;
    const struct tls_context *context = tls_context_find(lib, lib->SSL_get_SSL_CTX(ssl));
    return context != NULL ? &context->protocols : NULL;
}

void layer_alpn_withdraw(struct libssl *lib, SSL *ssl, const struct tls_connection *connection)
{
    const struct tls_protocols *program = protocols_of(lib, ssl, connection);
    (void)lib->SSL_set_alpn_protos(ssl, program != NULL ? program->list : NULL,
                                   program != NULL ? program->length : 0);
}

bool layer_alpn_offer(struct libssl *lib, SSL *ssl, struct tls_connection *connection)
{
    const struct tls_protocols *program = protocols_of(lib, ssl, connection);
    unsigned length = program != NULL ? program->length : 0;
    unsigned char *list = lib->CRYPTO_zalloc(length + sizeof layer_protocol, "pfswrap", 0);
    if (list == NULL)
        return false;
    if (length > 0)
        memcpy(list, program->list, length);
    memcpy(list + length, layer_protocol, sizeof layer_protocol);
    bool set = lib->SSL_set_alpn_protos(ssl, list, length + (unsigned)sizeof layer_protocol) == 0;
    lib->CRYPTO_free(list, "pfswrap", 0);
    return set;
}
