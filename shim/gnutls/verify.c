/*
 * Verifies chain, name and pins by GnuTLS's X.509 functions. The trusted certificates are those in the policy's
 * ca-file, or else the system's.
 */
#include "gnutls/verify.h"

#include <string.h>

#include "audit/builder.h"
#include "base/mutex.h"
#include "base/workspace.h"
#include "config/init.h"
#include "config/trust.h"
#include "gnutls/session.h"

enum { CHAIN_MAX = 16, KEY_MAX = 8192, DIGEST_BYTES = 32 };

bool verify_is_required(bool is_server)
{
    const struct policy_tls *policy = &pfswrap_policy()->tls;
    return is_server ? policy->client_certificates == POLICY_VERIFY_REQUIRE
                     : policy->verify_server == POLICY_VERIFY_REQUIRE;
}

/*
 * The trusted certificates: the newest list, and older ones that verifications still use. GnuTLS does not count who
 * uses a list.
 */
enum { LISTS_MAX = 4 };
static struct mutex mutex;
static struct trusted {
    gnutls_x509_trust_list_t list; /* NULL: the place is free */
    unsigned users;                /* verifications, and one for the newest list */
} lists[LISTS_MAX], *newest;
static uint32_t generation; /* the approval (config/trust.h) that the last attempt to load one followed */

/* The mutex is locked. */
static void release(const struct gnutls *lib, struct trusted *trusted)
{
    if (trusted == NULL || --trusted->users > 0)
        return;
    lib->gnutls_x509_trust_list_deinit(trusted->list, 1);
    trusted->list = NULL;
}

static gnutls_x509_trust_list_t load(const struct gnutls *lib)
{
    const char *file = pfswrap_policy()->tls.ca_file;
    gnutls_x509_trust_list_t list = NULL;
    if (lib->gnutls_x509_trust_list_init(&list, 0) < 0)
        return NULL;
    const int count = file[0] != '\0'
                          ? lib->gnutls_x509_trust_list_add_trust_file(list, file, NULL, GNUTLS_X509_FMT_PEM, 0, 0)
                          : lib->gnutls_x509_trust_list_add_system_trust(list, 0, 0);
    if (count > 0 && (newest == NULL || trust_file_is_approved(pfswrap_policy())))
        return list;
    lib->gnutls_x509_trust_list_deinit(list, 1);
    return NULL;
}

static void report_kept(void)
{
    const struct audit_field fields[] = {
        AUDIT_S("kind", "ca-file"),
        AUDIT_S("reason",
                "the ca-file could not be read again, and the certificates that it had before are trusted"),
        AUDIT_S("file", pfswrap_policy()->tls.ca_file),
        AUDIT_S("rule", "certificate"),
    };
    audit_event("finding", fields, sizeof fields / sizeof fields[0]);
}

/* Puts a new list in place of the one that is there, if the file has the content that a reload has approved. */
static void load_newest(const struct gnutls *lib)
{
    struct trusted *place = lists;
    while (place < lists + LISTS_MAX && place->list != NULL)
        place++;
    place = place < lists + LISTS_MAX ? place : NULL;
    gnutls_x509_trust_list_t list = place != NULL ? load(lib) : NULL;
    if (list != NULL) {
        *place = (struct trusted){.list = list, .users = 1};
        release(lib, newest);
        newest = place;
    } else if (newest != NULL && place != NULL) {
        report_kept();
    }
}

/*
 * The trusted certificates, to be given back. They are read before the program calls chroot or drops privileges,
 * and after a reload that has found another content in the ca-file. NULL: they cannot be read.
 */
static struct trusted *trust_take(const struct gnutls *lib)
{
    mutex_lock(&mutex);
    const uint32_t now = trust_generation();
    if (newest == NULL || generation != now)
        load_newest(lib);
    generation = now;
    if (newest != NULL)
        newest->users++;
    struct trusted *const trusted = newest;
    mutex_unlock(&mutex);
    return trusted;
}

static void trust_give(const struct gnutls *lib, struct trusted *trusted)
{
    mutex_lock(&mutex);
    release(lib, trusted);
    mutex_unlock(&mutex);
}

void verify_begin(const struct gnutls *lib, gnutls_session_t session, bool is_server)
{
    if (!verify_is_required(is_server))
        return;
    trust_give(lib, trust_take(lib));
    if (is_server)
        lib->gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
}

/* The SHA-256 digest of the SubjectPublicKeyInfo. `key`: memory for that. False: it cannot be computed. */
static bool key_digest(const struct gnutls *lib, gnutls_x509_crt_t certificate, unsigned char key[static KEY_MAX],
                       unsigned char digest[static DIGEST_BYTES])
{
    size_t key_size = KEY_MAX, digest_size = DIGEST_BYTES;
    gnutls_pubkey_t public_key;
    if (lib->gnutls_pubkey_init(&public_key) < 0)
        return false;
    bool is_read = lib->gnutls_pubkey_import_x509(public_key, certificate, 0) >= 0 &&
                   lib->gnutls_pubkey_export(public_key, GNUTLS_X509_FMT_DER, key, &key_size) >= 0;
    lib->gnutls_pubkey_deinit(public_key);
    const gnutls_datum_t data = {key, (unsigned)key_size};
    return is_read && lib->gnutls_fingerprint(GNUTLS_DIG_SHA256, &data, digest, &digest_size) >= 0;
}

/* A pin is such a digest (RFC 7469, 2.4). */
static bool pin_matches(const struct gnutls *lib, gnutls_x509_crt_t certificate)
{
    const struct policy_tls *policy = &pfswrap_policy()->tls;
    unsigned char digest[DIGEST_BYTES];
    unsigned char *key = workspace_take();
    const bool is_known = key != NULL && key_digest(lib, certificate, key, digest);
    workspace_give(key);
    for (size_t i = 0; is_known && i < policy->pin_count; i++)
        if (memcmp(digest, policy->pins[i], sizeof digest) == 0)
            return true;
    return false;
}

/* `name`: the DNS name that the certificate must have; NULL: any. */
static const char *chain_verify_by(const struct gnutls *lib, gnutls_x509_trust_list_t trust,
                                   gnutls_x509_crt_t *chain, unsigned count, const char *name, bool is_server)
{
    gnutls_typed_vdata_st wanted[2] = {
        {.type = GNUTLS_DT_KEY_PURPOSE_OID,
         .data = (unsigned char *)(uintptr_t)(is_server ? GNUTLS_KP_TLS_WWW_CLIENT : GNUTLS_KP_TLS_WWW_SERVER)},
        {.type = GNUTLS_DT_DNS_HOSTNAME, .data = (unsigned char *)(uintptr_t)name},
    };
    unsigned status = 0;
    if (lib->gnutls_x509_trust_list_verify_crt2(trust, chain, count, wanted, name != NULL ? 2 : 1, 0, &status,
                                                NULL) < 0)
        return "the certificate cannot be verified";
    if ((status & GNUTLS_CERT_UNEXPECTED_OWNER) != 0)
        return "the certificate is for another name";
    if ((status & GNUTLS_CERT_SIGNER_NOT_FOUND) != 0)
        return "the certificate's issuer is not trusted";
    if ((status & (GNUTLS_CERT_EXPIRED | GNUTLS_CERT_NOT_ACTIVATED)) != 0)
        return "the certificate has expired or is not valid yet";
    return status == 0 ? NULL : "the certificate is not valid";
}

static const char *chain_verify(const struct gnutls *lib, gnutls_x509_crt_t *chain, unsigned count,
                                const char *name, bool is_server)
{
    struct trusted *const trusted = trust_take(lib);
    if (trusted == NULL)
        return "the trusted certificates cannot be read";
    const char *const reason = chain_verify_by(lib, trusted->list, chain, count, name, is_server);
    trust_give(lib, trusted);
    return reason;
}

static const char *chain_check(const struct gnutls *lib, gnutls_session_t session, gnutls_x509_crt_t *chain,
                               unsigned count, bool is_server)
{
    const struct policy_tls *policy = &pfswrap_policy()->tls;
    if (is_server)
        return policy->ca_file[0] != '\0' ? chain_verify(lib, chain, count, NULL, true)
                                          : "client-certificates = require needs a ca-file with GnuTLS";
    const char *name = session_server_name(session);
    if (policy->pin_count > 0 && !pin_matches(lib, chain[0]))
        return "the server's key matches no pin";
    if (name == NULL && policy->pin_count == 0)
        return "the program named no server to verify, and the policy has no pin";
    return chain_verify(lib, chain, count, name, false);
}

const char *verify_end(const struct gnutls *lib, gnutls_session_t session, bool is_server)
{
    gnutls_x509_crt_t chain[CHAIN_MAX];
    unsigned shown = 0, count = 0;
    if (!verify_is_required(is_server))
        return NULL;
    const gnutls_datum_t *certificates = lib->gnutls_certificate_get_peers(session, &shown);
    if (certificates == NULL || shown == 0)
        return is_server ? "the client has no certificate" : "the server has no certificate";
    for (; count < shown && count < CHAIN_MAX && lib->gnutls_x509_crt_init(&chain[count]) >= 0; count++)
        if (lib->gnutls_x509_crt_import(chain[count], &certificates[count], GNUTLS_X509_FMT_DER) < 0) {
            lib->gnutls_x509_crt_deinit(chain[count]);
            break;
        }
    const char *reason =
        count > 0 ? chain_check(lib, session, chain, count, is_server) : "the certificate cannot be read";
    for (unsigned i = 0; i < count; i++)
        lib->gnutls_x509_crt_deinit(chain[i]);
    return reason;
}
