/*
 * The events of connections that use libssl. docs/AUDIT.md describes them.
 */
#include "tls/report.h"

#include "audit/addresses.h"
#include "audit/builder.h"
#include "config/init.h"
#include "config/override.h"
#include "tls/layer.h"

void report_dh_parameters(void)
{
    override_report("dh-parameters", "finite-field", "never used");
}

const char *report_version_name(int version)
{
    switch (version) {
    case 0:
        return "any";
    case SSL3_VERSION:
        return "SSLv3";
    case TLS1_VERSION:
        return "TLSv1";
    case TLS1_1_VERSION:
        return "TLSv1.1";
    case TLS1_2_VERSION:
        return "TLSv1.2";
    case TLS1_3_VERSION:
        return "TLSv1.3";
    case DTLS1_VERSION:
        return "DTLSv1";
    case DTLS1_2_VERSION:
        return "DTLSv1.2";
    default:
        return "unknown";
    }
}

static const char *role_name(const struct libssl *lib, const SSL *ssl)
{
    return lib->SSL_is_server(ssl) ? "server" : "client";
}

void report_handshake(const struct libssl *lib, SSL *ssl, const char *group, const char *verified)
{
    struct audit_addresses addresses = {{0}, {0}};
    if (audit_has_handshakes())
        audit_addresses_read(&addresses, lib->SSL_get_rfd(ssl));
    const struct audit_field fields[] = {
        AUDIT_S("role", role_name(lib, ssl)),
        AUDIT_S("local", audit_optional(addresses.local)),
        AUDIT_S("peer", audit_optional(addresses.peer)),
        AUDIT_S("server_name", lib->SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)),
        AUDIT_S("version", lib->SSL_get_version(ssl)),
        AUDIT_S("group", group),
        AUDIT_S("cipher", lib->SSL_CIPHER_get_name(lib->SSL_get_current_cipher(ssl))),
        AUDIT_B("resumed", lib->SSL_session_reused(ssl) != 0),
        AUDIT_S("verified", verified),
        AUDIT_S("rule", "tls"),
    };
    audit_event("handshake", fields, sizeof fields / sizeof fields[0]);
}

static void report_end(const char *event, const struct libssl *lib, SSL *ssl, const char *reason,
                       const char *detail)
{
    struct audit_addresses addresses = {{0}, {0}};
    if (ssl != NULL)
        audit_addresses_read(&addresses, lib->SSL_get_rfd(ssl));
    const struct audit_field fields[] = {
        AUDIT_S("role", ssl != NULL ? role_name(lib, ssl) : NULL),
        AUDIT_S("local", audit_optional(addresses.local)),
        AUDIT_S("peer", audit_optional(addresses.peer)),
        AUDIT_S("server_name", ssl != NULL ? lib->SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) : NULL),
        AUDIT_S("reason", reason),
        AUDIT_S("detail", detail),
        AUDIT_S("library", lib != NULL ? lib->name : NULL),
        AUDIT_S("rule", "tls"),
    };
    audit_event(event, fields, sizeof fields / sizeof fields[0]);
}

/* Whether an SSL_R_ code means that the two sides have nothing in common that the policy allows. */
static bool caused_by_policy(int code)
{
    switch (code) {
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_NO_PROTOCOLS_AVAILABLE:
    case SSL_R_NO_CIPHERS_AVAILABLE:
    case SSL_R_NO_SHARED_GROUPS:
    case SSL_R_NO_SUITABLE_GROUPS:
    case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
    case SSL_R_UNSUPPORTED_SSL_VERSION:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_WRONG_SSL_VERSION:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
    case SSL_R_TLSV1_ALERT_INSUFFICIENT_SECURITY:
    case SSL_R_EE_KEY_TOO_SMALL:
    case SSL_R_WRONG_CURVE:
        return true;
    default:
        return false;
    }
}

/* Why this side's certificate cannot be used in TLS 1.3 (RFC 8446, 4.2.3). NULL: it can, or there is none. */
static const char *certificate_problem(const struct libssl *lib, const SSL *ssl, int code)
{
    X509 *certificate = lib->SSL_get_certificate(ssl);
    EVP_PKEY *key = certificate != NULL ? lib->X509_get0_pubkey(certificate) : NULL;
    if (key == NULL)
        return NULL;
    const EC_KEY *ec = NULL;
    int curve = NID_undef;
    switch (lib->EVP_PKEY_get_id(key)) {
    case EVP_PKEY_RSA:
    case EVP_PKEY_RSA_PSS:
        return code == SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM
                   ? "the certificate's RSA key is too short for TLS 1.3, expected 1024 bits or more"
                   : NULL;
    case EVP_PKEY_EC:
        ec = lib->EVP_PKEY_get0_EC_KEY(key);
        curve = ec != NULL ? lib->EC_GROUP_get_curve_name(lib->EC_KEY_get0_group(ec)) : NID_undef;
        if (curve == NID_X9_62_prime256v1 || curve == NID_secp384r1 || curve == NID_secp521r1)
            return NULL;
        return "the certificate's curve cannot be used in TLS 1.3, expected P-256, P-384 or P-521";
    case EVP_PKEY_DSA:
        return "the certificate's key is DSA, which TLS 1.3 does not have, expected RSA, ECDSA or EdDSA";
    default:
        return NULL;
    }
}

/* The same, and whether a server lacks a certificate. NULL on a client. */
static const char *credential_problem(const struct libssl *lib, const SSL *ssl, int code)
{
    if (!lib->SSL_is_server(ssl))
        return NULL;
    if (lib->SSL_get_certificate(ssl) != NULL)
        return certificate_problem(lib, ssl, code);
    return code == SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM || code == SSL_R_NO_SHARED_CIPHER
               ? "the server has no certificate, and TLS 1.3 has no anonymous or SRP key exchange"
               : NULL;
}

/*
 * Under mode = audit, a handshake below TLS 1.3 may have ended there because of the certificate. Under enforce it
 * would fail, and the log would say so.
 */
void report_refused(const struct libssl *lib, SSL *ssl, const char *reason)
{
    const bool is_older = !pfswrap_enforces() && lib != NULL && ssl != NULL && lib->SSL_is_server(ssl) &&
                          lib->SSL_version(ssl) < TLS1_3_VERSION && !lib->SSL_is_dtls(ssl);
    const char *problem = is_older ? certificate_problem(lib, ssl, 0) : NULL;
    report_end(pfswrap_enforces() ? "refused" : "would-refuse", lib, ssl, problem != NULL ? problem : reason,
               problem != NULL ? reason : NULL);
}

/* The SSL_R_ code of an error; 0: another library's error. Since 3.0 the code has more bits (ERR_GET_REASON(3)). */
static int ssl_code(const struct libssl *lib, unsigned long error)
{
    bool is_1_1 = lib->ERR_new == NULL;
    unsigned long library = is_1_1 ? error >> 24 & 0xff : error >> 23 & 0xff;
    unsigned long reason = is_1_1 ? error & 0xfff : error & 0x7fffff;
    return library == ERR_LIB_SSL ? (int)reason : 0;
}

void report_failed(const struct libssl *lib, SSL *ssl, struct tls_connection *connection, int result)
{
    int kind = lib->SSL_get_error(ssl, result);
    if ((kind != SSL_ERROR_SSL && kind != SSL_ERROR_SYSCALL && kind != SSL_ERROR_ZERO_RETURN) ||
        connection->reported)
        return;
    connection->reported = true;
    unsigned long error = kind == SSL_ERROR_SSL ? lib->ERR_peek_last_error() : 0;
    int code = ssl_code(lib, error);
    const char *text = error != 0 ? lib->ERR_reason_error_string(error) : NULL;
    if (text == NULL)
        text = "the peer closed the connection during the handshake";
    if (code == SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL && connection->layer_rule != NULL) {
        layer_report_refused(lib, ssl, connection->layer_rule, "the server does not have the inner layer", text);
        return;
    }
    bool refused = pfswrap_enforces() && caused_by_policy(code);
    const char *problem = refused ? credential_problem(lib, ssl, code) : NULL;
    report_end(refused ? "refused" : "failed", lib, ssl, problem != NULL ? problem : text,
               problem != NULL ? text : NULL);
}
