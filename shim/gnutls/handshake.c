/*
 * Handshakes. The negotiated parameters are verified and logged before the program can send data. A session that
 * the policy does not allow is cut: its socket is shut down, and its transport functions fail.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

#include "base/trace.h"
#include "audit/addresses.h"
#include "audit/builder.h"
#include "base/interposed.h"
#include "config/init.h"
#include "fd/program_socket.h"
#include "gnutls/algorithm.h"
#include "gnutls/session.h"
#include "gnutls/verify.h"
#include "policy/registry.h"

/*
 * Whether the session is a server's. The library returns a server name only to servers. On a server, writes the
 * name that the client asked for to `name`, with *length bytes.
 */
static bool session_is_server(const struct gnutls *lib, gnutls_session_t session, char *name, size_t *length)
{
    unsigned type;
    int result = lib->gnutls_server_name_get(session, name, length, &type, 0);
    if (result < 0)
        *length = 0;
    return result != GNUTLS_E_INVALID_REQUEST;
}

/*
 * The session's socket. -1: the program has its own transport. The transport's pointer is then a real pointer, and
 * not a descriptor number.
 */
static int session_socket(const struct gnutls *lib, gnutls_session_t session)
{
    enum { DESCRIPTORS_MAX = 1 << 20 };
    struct sockaddr_storage address;
    socklen_t length;
    uintptr_t pointer = (uintptr_t)lib->gnutls_transport_get_ptr(session);
    const bool is_socket =
        pointer < DESCRIPTORS_MAX && program_socket_address((int)pointer, PROGRAM_SOCKET_LOCAL, &address, &length);
    return is_socket ? (int)pointer : -1;
}

/* What events report about a session. */
struct description {
    char name[256]; /* on a server: the name that the client asked for */
    bool is_server;
    struct audit_addresses addresses;
};

static void describe(struct description *description, const struct gnutls *lib, gnutls_session_t session)
{
    size_t length = sizeof description->name - 1;
    memset(description, 0, sizeof *description);
    description->is_server = session_is_server(lib, session, description->name, &length);
    description->name[length] = '\0';
    audit_addresses_read(&description->addresses, session_socket(lib, session));
}

static const char *version_name(gnutls_protocol_t version)
{
    switch (version) {
    case GNUTLS_TLS1_3:
        return "TLSv1.3";
    case GNUTLS_TLS1_2:
        return "TLSv1.2";
    case GNUTLS_TLS1_1:
        return "TLSv1.1";
    case GNUTLS_TLS1_0:
        return "TLSv1";
    case GNUTLS_SSL3:
        return "SSLv3";
    case GNUTLS_DTLS1_2:
        return "DTLSv1.2";
    case GNUTLS_DTLS1_0:
        return "DTLSv1";
    default:
        return "unknown";
    }
}

static const char *group_name(const struct gnutls *lib, gnutls_session_t session)
{
    gnutls_group_t group = lib->gnutls_group_get(session);
    const struct tls_group *known = tls_group_by_id(algorithm_group_id(lib, group));
    return known != NULL ? known->name : group != GNUTLS_GROUP_INVALID ? lib->gnutls_group_get_name(group) : NULL;
}

/* The name of the TLS 1.3 suite. For an older version, the name of the cipher. */
static const char *cipher_name(const struct gnutls *lib, gnutls_session_t session)
{
    gnutls_cipher_algorithm_t cipher = lib->gnutls_cipher_get(session);
    const struct tls_ciphersuite *suite = tls_ciphersuite_by_id(algorithm_suite_id(lib, cipher));
    bool is_tls13 = lib->gnutls_protocol_get_version(session) == GNUTLS_TLS1_3;
    return is_tls13 && suite != NULL ? suite->name : lib->gnutls_cipher_get_name(cipher);
}

static void report_handshake(const struct gnutls *lib, gnutls_session_t session)
{
    struct description description;
    describe(&description, lib, session);
    const struct audit_field fields[] = {
        AUDIT_S("role", description.is_server ? "server" : "client"),
        AUDIT_S("local", audit_optional(description.addresses.local)),
        AUDIT_S("peer", audit_optional(description.addresses.peer)),
        AUDIT_S("server_name", audit_optional(description.name)),
        AUDIT_S("version", version_name(lib->gnutls_protocol_get_version(session))),
        AUDIT_S("group", group_name(lib, session)),
        AUDIT_S("cipher", cipher_name(lib, session)),
        AUDIT_B("resumed", lib->gnutls_session_is_resumed(session) != 0),
        AUDIT_S("verified", verify_is_required(description.is_server) ? "policy" : NULL),
        AUDIT_S("library", "GnuTLS"),
        AUDIT_S("rule", "tls"),
    };
    audit_event("handshake", fields, sizeof fields / sizeof fields[0]);
}

static void report_end(const char *event, const struct gnutls *lib, gnutls_session_t session, const char *reason,
                       const char *detail)
{
    struct description description;
    describe(&description, lib, session);
    const struct audit_field fields[] = {
        AUDIT_S("role", description.is_server ? "server" : "client"),
        AUDIT_S("local", audit_optional(description.addresses.local)),
        AUDIT_S("peer", audit_optional(description.addresses.peer)),
        AUDIT_S("server_name", audit_optional(description.name)),
        AUDIT_S("reason", reason),
        AUDIT_S("detail", detail),
        AUDIT_S("library", lib->name),
        AUDIT_S("rule", "tls"),
    };
    audit_event(event, fields, sizeof fields / sizeof fields[0]);
}

/* Whether the handshake had an ephemeral key exchange with elliptic curves. */
static bool kx_is_ephemeral(gnutls_kx_algorithm_t kx)
{
    return kx == GNUTLS_KX_ECDHE_RSA || kx == GNUTLS_KX_ECDHE_ECDSA || kx == GNUTLS_KX_ECDHE_PSK;
}

/* NULL: the policy allows the complete handshake; else the reason why it does not. */
static const char *verify_negotiated(const struct gnutls *lib, gnutls_session_t session)
{
    const struct policy_tls *policy = &pfswrap_policy()->tls;
    gnutls_protocol_t version = lib->gnutls_protocol_get_version(session);
    bool is_resumed = lib->gnutls_session_is_resumed(session) != 0;
    if (version == GNUTLS_DTLS1_2 && policy->dtls == POLICY_DTLS_REFUSE)
        return "DTLS is refused by the policy";
    if (version != GNUTLS_TLS1_3 && version != GNUTLS_DTLS1_2 &&
        (version != GNUTLS_TLS1_2 || policy->min_version > 0x0303))
        return "the version is older than the policy allows";
    if (!kx_is_ephemeral(lib->gnutls_kx_get(session)))
        return "the handshake had no ephemeral key exchange";
    if (!algorithm_group_is_allowed(lib, lib->gnutls_group_get(session)))
        return "the key exchange group is not in the policy";
    if (!algorithm_cipher_is_allowed(lib, lib->gnutls_cipher_get(session)) ||
        lib->gnutls_mac_get(session) != GNUTLS_MAC_AEAD)
        return "the cipher is not in the policy";
    if (is_resumed && version != GNUTLS_TLS1_3)
        return "a session older than TLS 1.3 was resumed, without a fresh key exchange";
    if (is_resumed && policy->session_tickets == POLICY_TICKETS_REFUSE)
        return "a session was resumed, which the policy refuses";
    return NULL;
}

/* NULL: the handshake may begin; else the reason for a refusal. */
static const char *enforce_before_handshake(const struct gnutls *lib, gnutls_session_t session, bool is_server)
{
    if (pfswrap_policy()->tls.dtls == POLICY_DTLS_REFUSE && session_is_datagram(session))
        return "DTLS is refused by the policy";
    if (pfswrap_enforces())
        verify_begin(lib, session, is_server);
    return NULL;
}

/* Transport functions of a session that is cut. */
static ssize_t push_nothing(gnutls_transport_ptr_t pointer, const void *data, size_t size)
{
    (void)pointer, (void)data, (void)size;
    errno = ECONNRESET;
    return -1;
}

static ssize_t push_nothing_vec(gnutls_transport_ptr_t pointer, const giovec_t *parts, int count)
{
    (void)pointer, (void)parts, (void)count;
    errno = ECONNRESET;
    return -1;
}

static ssize_t pull_nothing(gnutls_transport_ptr_t pointer, void *data, size_t size)
{
    (void)pointer, (void)data, (void)size;
    errno = ECONNRESET;
    return -1;
}

/*
 * Cuts the session, so that no data passes even if the program ignores the error, and the peer does not wait.
 * Returns `error`.
 */
static int session_refuse(const struct gnutls *lib, gnutls_session_t session, const char *reason, int error)
{
    report_end("refused", lib, session, reason, NULL);
    int fd = session_socket(lib, session);
    if (fd >= 0)
        program_socket_shutdown(fd, SHUT_RDWR);
    lib->gnutls_transport_set_vec_push_function(session, push_nothing_vec);
    lib->gnutls_transport_set_push_function(session, push_nothing);
    lib->gnutls_transport_set_pull_function(session, pull_nothing);
    return error;
}

/* Whether an error means that the two sides have nothing in common that the policy allows. */
static bool caused_by_policy(const struct gnutls *lib, gnutls_session_t session, int error)
{
    switch (error) {
    case GNUTLS_E_UNSUPPORTED_VERSION_PACKET:
    case GNUTLS_E_NO_CIPHER_SUITES:
    case GNUTLS_E_NO_COMMON_KEY_SHARE:
    case GNUTLS_E_NO_PRIORITIES_WERE_SET:
    case GNUTLS_E_UNSUPPORTED_SIGNATURE_ALGORITHM:
    case GNUTLS_E_INSUFFICIENT_CREDENTIALS:
    case GNUTLS_E_UNKNOWN_CIPHER_SUITE:
        return true;
    case GNUTLS_E_FATAL_ALERT_RECEIVED:
        switch (lib->gnutls_alert_get(session)) {
        case GNUTLS_A_PROTOCOL_VERSION:
        case GNUTLS_A_HANDSHAKE_FAILURE:
        case GNUTLS_A_INSUFFICIENT_SECURITY:
            return true;
        default:
            return false;
        }
    default:
        return false;
    }
}

static void report_failed(const struct gnutls *lib, gnutls_session_t session, int error)
{
    bool is_refused = pfswrap_enforces() && caused_by_policy(lib, session, error);
    const char *alert =
        error == GNUTLS_E_FATAL_ALERT_RECEIVED ? lib->gnutls_alert_get_name(lib->gnutls_alert_get(session)) : NULL;
    report_end(is_refused ? "refused" : "failed", lib, session, lib->gnutls_strerror(error), alert);
}

/*
 * GnuTLS reads SCTs and validates none (gnutls_x509_ct_sct_get(3)). NULL: the policy does not require them. With
 * log, one finding says that nobody looks.
 */
static const char *verify_transparency(const struct gnutls *lib, gnutls_session_t session, bool is_server)
{
    static atomic_bool is_reported;
    static const char reason[] = "GnuTLS cannot verify Certificate Transparency";
    const enum policy_transparency mode = pfswrap_policy()->tls.transparency;
    if (is_server || mode == POLICY_TRANSPARENCY_OFF)
        return NULL;
    if (mode == POLICY_TRANSPARENCY_LOG && !atomic_exchange(&is_reported, true)) {
        struct description description;
        describe(&description, lib, session);
        const struct audit_field fields[] = {
            AUDIT_S("role", "client"),
            AUDIT_S("local", audit_optional(description.addresses.local)),
            AUDIT_S("peer", audit_optional(description.addresses.peer)),
            AUDIT_S("kind", "certificate-transparency"),
            AUDIT_S("reason", reason),
            AUDIT_S("rule", "certificate-transparency"),
        };
        audit_event("finding", fields, sizeof fields / sizeof fields[0]);
    }
    return mode == POLICY_TRANSPARENCY_REQUIRE ? reason : NULL;
}

/* The age of certificates is looked at in OpenSSL only. NULL: the policy refuses none. */
static const char *verify_age(bool is_server)
{
    return is_server && pfswrap_policy()->tls.expired == POLICY_EXPIRED_REFUSE
               ? "the age of certificates is not known with GnuTLS, and expired = refuse"
               : NULL;
}

static int handshake_verify(const struct gnutls *lib, gnutls_session_t session, bool is_server)
{
    const char *reason = verify_negotiated(lib, session);
    TRACE(HANDSHAKE, reason == NULL ? "gnutls verified" : "gnutls refused", -1, "server", is_server);
    int error = GNUTLS_E_UNWANTED_ALGORITHM;
    if (reason == NULL) {
        reason = verify_end(lib, session, is_server);
        if (reason == NULL)
            reason = verify_transparency(lib, session, is_server);
        if (reason == NULL)
            reason = verify_age(is_server);
        error = GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR;
    }
    if (reason != NULL && pfswrap_enforces())
        return session_refuse(lib, session, reason, error);
    if (reason != NULL)
        report_end("would-refuse", lib, session, reason, NULL);
    report_handshake(lib, session);
    reason = pfswrap_enforces() ? audit_refusal() : NULL;
    if (reason != NULL)
        return session_refuse(lib, session, reason, GNUTLS_E_INTERNAL_ERROR);
    return GNUTLS_E_SUCCESS;
}

PFSWRAP_EXPORT int gnutls_handshake(gnutls_session_t session)
{
    const struct gnutls *lib = gnutls_library();
    if (lib == NULL)
        return GNUTLS_NO_LIBRARY;
    if (gnutls_is_inside(lib, GNUTLS_CALLER))
        return lib->gnutls_handshake(session);
    size_t length = 0;
    bool is_server = session_is_server(lib, session, NULL, &length);
    const char *reason = enforce_before_handshake(lib, session, is_server);
    if (reason != NULL && pfswrap_enforces())
        return session_refuse(lib, session, reason, GNUTLS_E_INSUFFICIENT_SECURITY);
    int result = lib->gnutls_handshake(session);
    if (result == GNUTLS_E_SUCCESS)
        return handshake_verify(lib, session, is_server);
    if (lib->gnutls_error_is_fatal(result))
        report_failed(lib, session, result);
    return result;
}
