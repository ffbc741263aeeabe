/*
 * The shim's security callback, and the four calls that set and get the program's. Finite-field Diffie-Hellman
 * parameters are not refused (SSL_SECOP_TMP_DH): some programs fail if they cannot set them, and no allowed cipher
 * uses them.
 */
#include "tls/security.h"

#include "config/init.h"
#include "config/override.h"
#include "base/interposed.h"
#include "tls/ciphers.h"
#include "tls/groups.h"
#include "tls/policy_pin.h"

static bool version_is_allowed(const struct policy_tls *policy, int version)
{
    enum { DTLS_MAJOR = 0xfe, DTLS_BAD_VERSION = 0x0100 };
    if (version >> 8 == DTLS_MAJOR)
        return policy->dtls == POLICY_DTLS_ECDHE && version <= DTLS1_2_VERSION;
    return version != DTLS_BAD_VERSION && version >= policy->min_version;
}

/* The argument `other` of a question about a group: its IANA number, in network byte order. */
static uint16_t group_number(const void *other)
{
    const unsigned char *bytes = other;
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static bool policy_allows(const struct libssl *lib, int operation, int nid, const void *other)
{
    const struct policy_tls *policy = &tls_policy()->tls;
    switch (operation) {
    case SSL_SECOP_VERSION:
        return version_is_allowed(policy, nid);
    case SSL_SECOP_CURVE_SUPPORTED:
    case SSL_SECOP_CURVE_SHARED:
    case SSL_SECOP_CURVE_CHECK:
        return other == NULL || tls_group_is_allowed(group_number(other));
    case SSL_SECOP_CIPHER_SUPPORTED:
    case SSL_SECOP_CIPHER_SHARED:
    case SSL_SECOP_CIPHER_CHECK:
        return other == NULL || tls_cipher_is_allowed(lib, other);
    case SSL_SECOP_TICKET: /* only about tickets of TLS 1.2 and older */
    case SSL_SECOP_COMPRESSION:
        return false;
    default:
        return true;
    }
}

/* The same, by the policy of the connection's handshake. `connection` may be NULL. */
static bool connection_allows(const struct libssl *lib, const struct tls_connection *connection, int operation,
                              int nid, const void *other)
{
    const bool has_begun = connection != NULL && connection->stage != TLS_STAGE_NEW && connection->policy != NULL;
    const struct policy *before = tls_policy_pin(has_begun ? connection->policy : tls_policy_pinned);
    const bool is_allowed = policy_allows(lib, operation, nid, other);
    (void)tls_policy_pin(before);
    return is_allowed;
}

static int tls_security_callback(const SSL *ssl, const SSL_CTX *context, int operation, int bits, int nid,
                                 void *other, void *extra)
{
    const struct libssl *lib = libssl_containing(CALLER);
    if (lib == NULL)
        return 0;
    const struct tls_connection *connection = tls_connection_find(lib, ssl);
    if (!connection_allows(lib, connection, operation, nid, other))
        return 0;
    if (connection != NULL && connection->has_security_callback)
        return connection->program_security(ssl, context, operation, bits, nid, other, extra);
    const struct tls_context *record = tls_context_find(lib, ssl != NULL ? lib->SSL_get_SSL_CTX(ssl) : context);
    return record == NULL || record->program_security == NULL ||
           record->program_security(ssl, context, operation, bits, nid, other, extra);
}

bool tls_security_begin(struct libssl *lib, SSL_CTX *context)
{
    struct tls_context *record = tls_context_get(lib, context);
    if (record == NULL)
        return false;
    security_callback *current = lib->SSL_CTX_get_security_callback(context);
    if (current != tls_security_callback) {
        record->program_security = current;
        lib->SSL_CTX_set_security_callback(context, tls_security_callback);
    }
    return true;
}

void tls_security_install(struct libssl *lib, SSL *ssl, struct tls_connection *connection)
{
    security_callback *current = lib->SSL_get_security_callback(ssl);
    if (current == tls_security_callback)
        return;
    connection->program_security = current;
    connection->has_security_callback = current != NULL;
    lib->SSL_set_security_callback(ssl, tls_security_callback);
}

PFSWRAP_EXPORT void SSL_CTX_set_security_callback(SSL_CTX *context, security_callback *callback)
{
    struct libssl *lib = libssl_of_context(context, CALLER);
    if (lib == NULL)
        return;
    struct tls_context *record = tls_context_find(lib, context);
    override_report("security-callback", "the program's", "asked after the policy");
    if (record == NULL || lib->SSL_CTX_get_security_callback(context) != tls_security_callback)
        lib->SSL_CTX_set_security_callback(context, callback);
    else
        record->program_security = callback;
}

PFSWRAP_EXPORT security_callback *SSL_CTX_get_security_callback(const SSL_CTX *context)
{
    const struct libssl *lib = libssl_of_context(context, CALLER);
    if (lib == NULL)
        return NULL;
    security_callback *current = lib->SSL_CTX_get_security_callback(context);
    const struct tls_context *record = tls_context_find(lib, context);
    return current == tls_security_callback && record != NULL ? record->program_security : current;
}

PFSWRAP_EXPORT void SSL_set_security_callback(SSL *ssl, security_callback *callback)
{
    struct libssl *lib = libssl_of_connection(ssl, CALLER);
    if (lib == NULL)
        return;
    override_report("security-callback", "the program's", "asked after the policy");
    struct tls_connection *connection = tls_connection_get(lib, ssl);
    if (connection == NULL || lib->SSL_get_security_callback(ssl) != tls_security_callback) {
        lib->SSL_set_security_callback(ssl, callback);
        return;
    }
    connection->program_security = callback;
    connection->has_security_callback = callback != NULL;
}

PFSWRAP_EXPORT security_callback *SSL_get_security_callback(const SSL *ssl)
{
    const struct libssl *lib = libssl_of_connection(ssl, CALLER);
    if (lib == NULL)
        return NULL;
    security_callback *current = lib->SSL_get_security_callback(ssl);
    if (current != tls_security_callback)
        return current;
    const struct tls_connection *connection = tls_connection_find(lib, ssl);
    if (connection != NULL && connection->has_security_callback)
        return connection->program_security;
    const struct tls_context *record = tls_context_find(lib, lib->SSL_get_SSL_CTX(ssl));
    return record != NULL ? record->program_security : NULL;
}
