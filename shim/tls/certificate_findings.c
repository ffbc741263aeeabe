/*
 * What is in certificates, and what is wrong with them. See certificate_findings.h.
 */
#include "tls/certificate_findings.h"

#include <stdio.h>

#include "audit/addresses.h"
#include "audit/builder.h"
#include "audit/line.h"
#include "base/large.h"
#include "tls/fingerprints.h"

enum {
    CHAIN_MAX = 16, /* certificates of a chain that are looked at */
    SUBJECT_MAX = 256,
    DAYS_SOON = 30,
    /* 112 bits of security: SP 800-57 part 1, table 2 */
    BITS_MIN = 2048,
    BITS_MIN_EC = 224,
};

LARGE static struct fingerprints known;

/* What is wrong with a certificate, as a list with commas. */
struct faults {
    char text[256];
    struct line line;
};

static void add_fault(struct faults *faults, const char *text)
{
    if (faults->line.length > 0)
        line_puts(&faults->line, ", ");
    line_puts(&faults->line, text);
    faults->text[faults->line.length] = '\0';
}

static const char *key_kind(const struct libssl *lib, int kind)
{
    switch (kind) {
    case EVP_PKEY_RSA:
        return "RSA";
    case EVP_PKEY_RSA_PSS:
        return "RSA-PSS";
    case EVP_PKEY_EC:
        return "EC";
    case EVP_PKEY_DSA:
        return "DSA";
    default:
        return lib->OBJ_nid2sn(kind);
    }
}

static bool is_finite(int kind)
{
    return kind == EVP_PKEY_RSA || kind == EVP_PKEY_RSA_PSS || kind == EVP_PKEY_DSA;
}

/* Who has a certificate, and where it is used. */
struct holder {
    const char *whose; /* "own" or "peer" */
    bool is_server_leaf;
};

/* A root signs itself, and is trusted for another reason: its signature proves nothing. */
static void find_faults(const struct libssl *lib, X509 *certificate, struct faults *faults, int kind, int bits,
                        int digest, int days, const struct holder *holder)
{
    const bool is_self_issued = (lib->X509_get_extension_flags(certificate) & EXFLAG_SI) != 0;
    if (digest == NID_sha1 && !is_self_issued)
        add_fault(faults, "signed with SHA-1");
    if (digest == NID_md5 && !is_self_issued)
        add_fault(faults, "signed with MD5");
    if (is_finite(kind) && bits < BITS_MIN)
        add_fault(faults, "a key of less than 2048 bits");
    if (kind == EVP_PKEY_EC && bits < BITS_MIN_EC)
        add_fault(faults, "a key of less than 224 bits");
    if (days < 0)
        add_fault(faults, "expired");
    else if (days < DAYS_SOON)
        add_fault(faults, "expires in less than 30 days");
    if (holder->is_server_leaf && lib->X509_get_ext_by_NID(certificate, NID_subject_alt_name, -1) < 0)
        add_fault(faults, "no subjectAltName");
}

static void report(const struct libssl *lib, SSL *ssl, X509 *certificate, const unsigned char *fingerprint,
                   const struct holder *holder)
{
    char subject[SUBJECT_MAX] = "", key[64], print[FINGERPRINT_TEXT];
    struct faults faults = {.line = {.text = faults.text, .room = sizeof faults.text - 1}};
    struct audit_addresses addresses = {{0}, {0}};
    int digest = NID_undef, days = 0, seconds = 0;
    EVP_PKEY *const public = lib->X509_get0_pubkey(certificate);
    const int kind = public != NULL ? lib->EVP_PKEY_get_id(public) : NID_undef;
    const int bits = public != NULL ? lib->EVP_PKEY_get_bits(public) : 0;
    (void)lib->X509_NAME_oneline(lib->X509_get_subject_name(certificate), subject, sizeof subject);
    (void)lib->X509_get_signature_info(certificate, &digest, NULL, NULL, NULL);
    const bool has_end = lib->ASN1_TIME_diff(&days, &seconds, NULL, lib->X509_get0_notAfter(certificate)) == 1;
    if (days == 0 && seconds < 0)
        days = -1;
    find_faults(lib, certificate, &faults, kind, bits, digest, has_end ? days : 0, holder);
    (void)snprintf(key, sizeof key, "%s %d", public != NULL ? key_kind(lib, kind) : "unknown", bits);
    audit_addresses_read(&addresses, lib->SSL_get_rfd(ssl));
    const struct audit_field fields[] = {
        AUDIT_S("role", lib->SSL_is_server(ssl) ? "server" : "client"),
        AUDIT_S("local", audit_optional(addresses.local)),
        AUDIT_S("peer", audit_optional(addresses.peer)),
        AUDIT_S("server_name", lib->SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)),
        AUDIT_S("kind", "certificate"),
        AUDIT_S("reason", audit_optional(faults.text)),
        AUDIT_S("whose", holder->whose),
        AUDIT_S("subject", audit_optional(subject)),
        AUDIT_S("key", key),
        AUDIT_S("signature", lib->OBJ_nid2sn(lib->X509_get_signature_nid(certificate))),
        AUDIT_N("days", days),
        AUDIT_S("fingerprint", fingerprint_text(print, fingerprint)),
        AUDIT_S("rule", "certificate"),
    };
    audit_event("finding", fields, sizeof fields / sizeof fields[0]);
}

static void look_at(const struct libssl *lib, SSL *ssl, X509 *certificate, const struct holder *holder)
{
    unsigned char fingerprint[FINGERPRINT_BYTES];
    if (fingerprint_take(fingerprint, lib, certificate) && fingerprints_add(&known, fingerprint))
        report(lib, ssl, certificate, fingerprint, holder);
}

static bool has_functions(const struct libssl *lib)
{
    return lib->ASN1_TIME_diff != NULL && lib->EVP_PKEY_get_bits != NULL && lib->OBJ_nid2sn != NULL &&
           lib->X509_NAME_oneline != NULL && lib->X509_digest != NULL && lib->X509_get0_notAfter != NULL &&
           lib->X509_get_ext_by_NID != NULL && lib->X509_get_extension_flags != NULL &&
           lib->X509_get_signature_info != NULL && lib->X509_get_signature_nid != NULL &&
           lib->X509_get_subject_name != NULL;
}

void certificate_findings_add(const struct libssl *lib, SSL *ssl, const struct policy *policy)
{
    if (!policy->findings.certificates || !has_functions(lib))
        return;
    const bool is_server = lib->SSL_is_server(ssl) != 0;
    const struct holder own = {"own", is_server};
    const struct holder leaf = {"peer", !is_server}, issuer = {"peer", false};
    if (is_server)
        look_at(lib, ssl, lib->SSL_get_certificate(ssl), &own);
    X509 *const peer = lib->SSL_get1_peer_certificate(ssl);
    look_at(lib, ssl, peer, &leaf);
    lib->X509_free(peer);
    const OPENSSL_STACK *const chain = (const OPENSSL_STACK *)lib->SSL_get_peer_cert_chain(ssl);
    const int count = chain != NULL ? lib->OPENSSL_sk_num(chain) : 0;
    for (int i = 0; i < count && i < CHAIN_MAX; i++)
        look_at(lib, ssl, lib->OPENSSL_sk_value(chain, i), &issuer);
}
