/*
 * Version and cipher are the connection's. The proof of a fresh (EC)DHE exchange is the peer's temporary key: after
 * a resumption without a key exchange there is none. Key encapsulation groups never set that key; for them, the
 * proof is the negotiated group, provided that resumption without a key exchange (psk_ke) is off.
 */
#include "tls/negotiated.h"

#include "config/init.h"
#include "policy/registry.h"
#include "tls/certificate_age.h"
#include "tls/ciphers.h"
#include "tls/groups.h"
#include "tls/state.h"
#include "tls/policy_pin.h"
#include "tls/transparency.h"

struct agreed_group {
    const struct tls_group *group;
    bool fresh; /* the peer sent an ephemeral key in this handshake */
};

static int key_group_nid(const struct libssl *lib, EVP_PKEY *key)
{
    int kind = lib->EVP_PKEY_get_id(key);
    if (kind != EVP_PKEY_EC)
        return kind == EVP_PKEY_X25519 ? NID_X25519 : kind == EVP_PKEY_X448 ? NID_X448 : NID_undef;
    const EC_KEY *ec = lib->EVP_PKEY_get0_EC_KEY(key);
    return ec != NULL ? lib->EC_GROUP_get_curve_name(lib->EC_KEY_get0_group(ec)) : NID_undef;
}

static struct agreed_group group_agreed(const struct libssl *lib, SSL *ssl)
{
    struct agreed_group agreed = {0};
    EVP_PKEY *key = NULL;
    if (lib->SSL_ctrl(ssl, SSL_CTRL_GET_PEER_TMP_KEY, 0, &key) == 1 && key != NULL) {
        agreed.fresh = true;
        agreed.group = tls_group_by_nid(key_group_nid(lib, key));
        lib->EVP_PKEY_free(key);
        if (agreed.group != NULL)
            return agreed;
    }
    /* 1.1.1 does not have this command and returns 0. */
    int nid = (int)lib->SSL_ctrl(ssl, SSL_CTRL_GET_NEGOTIATED_GROUP, 0, NULL);
    if (nid > 0)
        agreed.group = tls_group_by_id(tls_group_of_nid(nid));
    if (agreed.group == NULL && lib->SSL_get0_group_name != NULL) {
        const char *name = lib->SSL_get0_group_name(ssl);
        agreed.group = name != NULL ? tls_group_by_name(name) : NULL;
    }
    return agreed;
}

static const char *verify_tls13(const struct libssl *lib, SSL *ssl, struct agreed_group agreed)
{
    bool encapsulation = agreed.group != NULL && agreed.group->kind == TLS_GROUP_HYBRID;
    bool psk_ke_possible = (lib->SSL_get_options(ssl) & SSL_OP_ALLOW_NO_DHE_KEX) != 0;
    if (!agreed.fresh && (!encapsulation || psk_ke_possible))
        return "the handshake had no ephemeral key exchange";
    if (agreed.group == NULL)
        return "the key exchange group is not known";
    return tls_group_is_allowed(agreed.group->id) ? NULL : "the key exchange group is not in the policy";
}

static const char *verify_older(const struct libssl *lib, const SSL *ssl)
{
    return lib->SSL_session_reused(ssl) ? "a session older than TLS 1.3 was resumed, without a fresh key exchange"
                                        : NULL;
}

/* A TLS 1.2 server no longer has the peer's key. The shared group is the one that was used. */
static struct agreed_group group_of_older(const struct libssl *lib, SSL *ssl, struct agreed_group agreed)
{
    if (agreed.group == NULL && lib->SSL_is_server(ssl)) {
        int nid = (int)lib->SSL_ctrl(ssl, SSL_CTRL_GET_SHARED_GROUP, 0, NULL);
        agreed.group = nid > 0 ? tls_group_by_id(tls_group_of_nid(nid)) : NULL;
    }
    return agreed;
}

static const char *verify_protocol(struct libssl *lib, SSL *ssl, struct agreed_group *agreed)
{
    const struct policy_tls *policy = &tls_policy()->tls;
    const SSL_CIPHER *cipher = lib->SSL_get_current_cipher(ssl);
    int version = lib->SSL_version(ssl);
    bool dtls = lib->SSL_is_dtls(ssl) != 0;
    bool quic = lib->SSL_is_quic != NULL && lib->SSL_is_quic(ssl);
    if (cipher == NULL || !tls_cipher_is_allowed(lib, cipher))
        return "the cipher is not in the policy";
    *agreed = group_agreed(lib, ssl);
    if (quic || version == TLS1_3_VERSION)
        return verify_tls13(lib, ssl, *agreed);
    if (dtls && policy->dtls == POLICY_DTLS_REFUSE)
        return "DTLS is refused by the policy";
    if (dtls ? version != DTLS1_2_VERSION : version < policy->min_version)
        return "the version is older than the policy allows";
    *agreed = group_of_older(lib, ssl, *agreed);
    return verify_older(lib, ssl);
}

/*
 * For libssl, a connection with a preshared key of the program's own is a reused session as well. On a client, such
 * a session has no ticket. A server cannot tell the two apart, but a server whose context has a record cannot find
 * a session to resume (session.c).
 */
static bool session_was_resumed(const struct libssl *lib, SSL *ssl)
{
    if (!lib->SSL_session_reused(ssl))
        return false;
    if (lib->SSL_version(ssl) != TLS1_3_VERSION)
        return true;
    if (lib->SSL_is_server(ssl))
        return tls_context_find(lib, lib->SSL_get_SSL_CTX(ssl)) == NULL;
    const SSL_SESSION *session = lib->SSL_get_session(ssl);
    return session == NULL || lib->SSL_SESSION_has_ticket(session);
}

static const char *verified_by_program(const struct libssl *lib, const SSL *ssl)
{
    bool asked = (lib->SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER) != 0;
    X509 *peer = lib->SSL_get1_peer_certificate(ssl);
    lib->X509_free(peer);
    return asked && peer != NULL && lib->SSL_get_verify_result(ssl) == X509_V_OK ? "application" : "none";
}

struct tls_negotiated tls_verify_negotiated(struct libssl *lib, SSL *ssl)
{
    const struct policy_tls *policy = &tls_policy()->tls;
    struct agreed_group agreed = {0};
    struct tls_negotiated result = {.code = SSL_R_UNSUPPORTED_PROTOCOL};
    result.reason = verify_protocol(lib, ssl, &agreed);
    result.group = agreed.group != NULL ? agreed.group->name : NULL;
    if (policy->session_tickets == POLICY_TICKETS_REFUSE && result.reason == NULL && session_was_resumed(lib, ssl))
        result.reason = "a session was resumed, which the policy refuses";
    bool server = lib->SSL_is_server(ssl) != 0;
    bool verify = server ? policy->client_certificates == POLICY_VERIFY_REQUIRE
                         : policy->verify_server == POLICY_VERIFY_REQUIRE || policy->pin_count > 0;
    result.verified = verify ? "policy" : verified_by_program(lib, ssl);
    if (verify && result.reason == NULL) {
        result.reason = server ? tls_verify_client(lib, ssl) : tls_verify_server(lib, ssl);
        result.code = SSL_R_CERTIFICATE_VERIFY_FAILED;
    }
    if (server && result.reason == NULL) {
        result.reason = certificate_age_check(lib, ssl);
        result.code = SSL_R_CERTIFICATE_VERIFY_FAILED;
    }
    if (!server && result.reason == NULL) {
        result.reason = tls_transparency_verify(lib, ssl);
        result.code = SSL_R_CERTIFICATE_VERIFY_FAILED;
    }
    return result;
}
