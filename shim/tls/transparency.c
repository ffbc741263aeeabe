/*
 * Validates SCTs by the loaded libcrypto (SCT_validate(3)), against the policy's list of logs only. It works on
 * copies: the program may check SCTs itself, against its own list, and sees its own results. One valid SCT is
 * enough (RFC 6962, section 5.2, leaves the number to the client).
 */
#include "tls/transparency.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "audit/addresses.h"
#include "audit/builder.h"
#include "tls/fingerprints.h"
#include "tls/policy_pin.h"

enum { LISTS_MAX = 16, SCTS_MAX = 32 /* of a certificate that are looked at */, SUBJECT_MAX = 256 };

/* A list of logs that one library has read from one path. It is kept for the life of the process. */
struct log_list {
    const struct libssl *lib;
    char path[PATH_MAX];
    CTLOG_STORE *store;
    struct fingerprints valid;   /* certificates that had a valid SCT of this list */
    struct fingerprints invalid; /* those that had none, so that each is logged once */
};

static _Atomic(struct log_list *) lists[LISTS_MAX];

/* A build with no-ct has none of them. */
static bool has_functions(const struct libssl *lib)
{
    return lib->SSL_ct_is_enabled != NULL && lib->SSL_get0_peer_scts != NULL &&
           lib->SSL_get0_verified_chain != NULL && lib->SSL_SESSION_get0_peer != NULL &&
           lib->SSL_set_ct_validation_callback != NULL && lib->CT_POLICY_EVAL_CTX_free != NULL &&
           lib->CT_POLICY_EVAL_CTX_new != NULL && lib->CT_POLICY_EVAL_CTX_set1_cert != NULL &&
           lib->CT_POLICY_EVAL_CTX_set1_issuer != NULL && lib->CT_POLICY_EVAL_CTX_set_shared_CTLOG_STORE != NULL &&
           lib->CTLOG_STORE_free != NULL && lib->CTLOG_STORE_load_file != NULL && lib->CTLOG_STORE_new != NULL &&
           lib->SCT_free != NULL && lib->SCT_get_source != NULL && lib->SCT_get_validation_status != NULL &&
           lib->SCT_set_source != NULL && lib->SCT_validate != NULL && lib->i2o_SCT != NULL && lib->o2i_SCT != NULL;
}

static void list_free(const struct libssl *lib, struct log_list *list)
{
    lib->CTLOG_STORE_free(list->store);
    munmap(list, sizeof *list);
}

/* NULL: the file cannot be read, or an entry of it is wrong. */
static struct log_list *list_read(const struct libssl *lib, const char *path)
{
    struct log_list *const list =
        mmap(NULL, sizeof *list, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (list == MAP_FAILED)
        return NULL;
    list->lib = lib;
    (void)snprintf(list->path, sizeof list->path, "%s", path);
    list->store = lib->CTLOG_STORE_new();
    if (list->store != NULL && lib->CTLOG_STORE_load_file(list->store, path) == 1)
        return list;
    list_free(lib, list);
    return NULL;
}

static bool is_list(const struct log_list *list, const struct libssl *lib, const char *path)
{
    return list->lib == lib && strcmp(list->path, path) == 0;
}

/* Two threads may read the same list at once: one of the copies is dropped. */
static struct log_list *list_get(const struct libssl *lib)
{
    const char *const path = tls_policy()->tls.ct_log_list;
    size_t i = 0;
    struct log_list *list;
    for (; i < LISTS_MAX && (list = atomic_load(&lists[i])) != NULL; i++)
        if (is_list(list, lib, path))
            return list;
    list = i < LISTS_MAX ? list_read(lib, path) : NULL;
    for (; list != NULL && i < LISTS_MAX; i++) {
        struct log_list *other = NULL;
        if (atomic_compare_exchange_strong(&lists[i], &other, list))
            return list;
        if (is_list(other, lib, path)) {
            list_free(lib, list);
            return other;
        }
    }
    if (list != NULL)
        list_free(lib, list);
    return NULL;
}

void tls_transparency_begin(const struct libssl *lib)
{
    if (tls_policy()->tls.transparency != POLICY_TRANSPARENCY_OFF && has_functions(lib))
        (void)list_get(lib); /* if it cannot be read, handshakes that need it are refused with that reason */
}

/* libssl sends the extension only if there is a callback. The SCTs are validated after the handshake. */
static int accept_any(const CT_POLICY_EVAL_CTX *context, const STACK_OF(SCT) * scts, void *argument)
{
    (void)context, (void)scts, (void)argument;
    return 1;
}

/*
 * A resumed session has the certificate, and neither the extension nor the OCSP response of the handshake that it
 * comes from, nor the issuer. So a session is offered only if that handshake was judged by the same list.
 */
static void withdraw_session(const struct libssl *lib, SSL *ssl)
{
    unsigned char fingerprint[FINGERPRINT_BYTES];
    SSL_SESSION *const session = lib->SSL_get_session(ssl);
    const struct log_list *const list = session != NULL ? list_get(lib) : NULL;
    if (session != NULL &&
        (list == NULL || !fingerprint_take(fingerprint, lib, lib->SSL_SESSION_get0_peer(session)) ||
         !fingerprints_have(&list->valid, fingerprint)))
        (void)lib->SSL_set_session(ssl, NULL);
}

void tls_transparency_ask(const struct libssl *lib, SSL *ssl)
{
    const enum policy_transparency mode = tls_policy()->tls.transparency;
    if (mode == POLICY_TRANSPARENCY_OFF || !has_functions(lib))
        return;
    if (mode == POLICY_TRANSPARENCY_REQUIRE)
        withdraw_session(lib, ssl);
    if (lib->SSL_ct_is_enabled(ssl))
        return;
    const long status = lib->SSL_ctrl(ssl, SSL_CTRL_GET_TLSEXT_STATUS_REQ_TYPE, 0, NULL);
    int (*program)(SSL *, void *) = NULL;
    (void)lib->SSL_CTX_ctrl(lib->SSL_get_SSL_CTX(ssl), SSL_CTRL_GET_TLSEXT_STATUS_REQ_CB, 0, (void *)&program);
    (void)lib->SSL_set_ct_validation_callback(ssl, accept_any, NULL);
    /* The call also asks for an OCSP response, which the program's callback would have to judge. */
    if (program != NULL)
        (void)lib->SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_STATUS_REQ_TYPE, status, NULL);
}

/* What a server has shown. */
struct evidence {
    int count, valid, invalid, unverified; /* SCTs; the others are of logs that are not in the list */
};

static void validate_copy(const struct libssl *lib, const SCT *sct, const CT_POLICY_EVAL_CTX *context,
                          struct evidence *evidence)
{
    unsigned char *bytes = NULL;
    const int length = lib->i2o_SCT(sct, &bytes);
    const unsigned char *rest = bytes;
    SCT *const copy = length > 0 ? lib->o2i_SCT(NULL, &rest, (size_t)length) : NULL;
    sct_validation_status_t status = SCT_VALIDATION_STATUS_UNVERIFIED;
    if (copy != NULL && lib->SCT_set_source(copy, lib->SCT_get_source(sct)) == 1) {
        (void)lib->SCT_validate(copy, context);
        status = lib->SCT_get_validation_status(copy);
    }
    evidence->valid += status == SCT_VALIDATION_STATUS_VALID;
    evidence->invalid += status == SCT_VALIDATION_STATUS_INVALID;
    evidence->unverified += status == SCT_VALIDATION_STATUS_UNVERIFIED;
    lib->SCT_free(copy);
    lib->CRYPTO_free(bytes, "pfswrap", 0);
}

/* The certificate that has signed the server's: of the chain that was verified, else of the one that was sent. */
static X509 *issuer_get(const struct libssl *lib, SSL *ssl)
{
    const OPENSSL_STACK *const verified = (const OPENSSL_STACK *)lib->SSL_get0_verified_chain(ssl);
    const OPENSSL_STACK *const sent = (const OPENSSL_STACK *)lib->SSL_get_peer_cert_chain(ssl);
    if (verified != NULL && lib->OPENSSL_sk_num(verified) > 1)
        return lib->OPENSSL_sk_value(verified, 1);
    return sent != NULL && lib->OPENSSL_sk_num(sent) > 1 ? lib->OPENSSL_sk_value(sent, 1) : NULL;
}

static struct evidence evidence_get(const struct libssl *lib, SSL *ssl, X509 *certificate, CTLOG_STORE *store)
{
    struct evidence evidence = {0};
    const OPENSSL_STACK *const scts = (const OPENSSL_STACK *)lib->SSL_get0_peer_scts(ssl);
    X509 *const issuer = issuer_get(lib, ssl);
    CT_POLICY_EVAL_CTX *const context = lib->CT_POLICY_EVAL_CTX_new();
    evidence.count = scts != NULL ? lib->OPENSSL_sk_num(scts) : 0;
    if (context != NULL && lib->CT_POLICY_EVAL_CTX_set1_cert(context, certificate) == 1 &&
        (issuer == NULL || lib->CT_POLICY_EVAL_CTX_set1_issuer(context, issuer) == 1)) {
        lib->CT_POLICY_EVAL_CTX_set_shared_CTLOG_STORE(context, store);
        for (int i = 0; i < evidence.count && i < SCTS_MAX; i++)
            validate_copy(lib, lib->OPENSSL_sk_value(scts, i), context, &evidence);
    } else {
        evidence.unverified = evidence.count;
    }
    lib->CT_POLICY_EVAL_CTX_free(context);
    return evidence;
}

/* NULL: at least one is valid. */
static const char *judge(const struct evidence *evidence)
{
    if (evidence->valid > 0)
        return NULL;
    if (evidence->count == 0)
        return "the server has no signed certificate timestamp (SCT)";
    if (evidence->invalid > 0)
        return "an SCT of the server is not valid: its signature is wrong, or its time is in the future";
    return evidence->unverified > 0 ? "the SCTs of the server cannot be verified without its issuer's certificate"
                                    : "the SCTs of the server are of logs that are not in ct-log-list";
}

/* `certificate` and `evidence` may be NULL. */
static void report(const struct libssl *lib, SSL *ssl, const char *reason, X509 *certificate,
                   const unsigned char *fingerprint, const struct evidence *evidence)
{
    char subject[SUBJECT_MAX] = "", print[FINGERPRINT_TEXT];
    struct audit_addresses addresses = {{0}, {0}};
    struct audit_builder builder = {.count = 0};
    if (certificate != NULL && lib->X509_NAME_oneline != NULL && lib->X509_get_subject_name != NULL)
        (void)lib->X509_NAME_oneline(lib->X509_get_subject_name(certificate), subject, sizeof subject);
    audit_addresses_read(&addresses, lib->SSL_get_rfd(ssl));
    audit_add(&builder, AUDIT_S("role", "client"));
    audit_add(&builder, AUDIT_S("local", audit_optional(addresses.local)));
    audit_add(&builder, AUDIT_S("peer", audit_optional(addresses.peer)));
    audit_add(&builder, AUDIT_S("server_name", lib->SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)));
    audit_add(&builder, AUDIT_S("kind", "certificate-transparency"));
    audit_add(&builder, AUDIT_S("reason", reason));
    audit_add(&builder, AUDIT_S("subject", audit_optional(subject)));
    if (evidence != NULL) {
        audit_add(&builder, AUDIT_N("scts", evidence->count));
        audit_add(&builder, AUDIT_N("valid", evidence->valid));
    }
    if (fingerprint != NULL)
        audit_add(&builder, AUDIT_S("fingerprint", fingerprint_text(print, fingerprint)));
    audit_add(&builder, AUDIT_S("rule", "certificate-transparency"));
    audit_write(&builder, "finding");
}

/*
 * Each certificate is logged once. What is refused is not: its line `refused` says why. A resumed session counts by
 * what the handshake that it comes from has shown: see withdraw_session().
 */
static const char *verify_certificate(const struct libssl *lib, SSL *ssl, X509 *certificate, struct log_list *list)
{
    const bool refuses = tls_policy()->tls.transparency == POLICY_TRANSPARENCY_REQUIRE;
    unsigned char fingerprint[FINGERPRINT_BYTES];
    if (!fingerprint_take(fingerprint, lib, certificate))
        return "the fingerprint of the server's certificate cannot be computed";
    if (lib->SSL_session_reused(ssl) && fingerprints_have(&list->valid, fingerprint))
        return NULL;
    const struct evidence evidence = evidence_get(lib, ssl, certificate, list->store);
    const char *const reason = judge(&evidence);
    if (reason == NULL ? fingerprints_add(&list->valid, fingerprint)
                       : !refuses && fingerprints_add(&list->invalid, fingerprint))
        report(lib, ssl, reason, certificate, fingerprint, &evidence);
    return reason;
}

/* A reason that has nothing to do with the certificate is logged once. */
static const char *without_list(const struct libssl *lib, SSL *ssl, const char *reason)
{
    static atomic_bool is_reported;
    if (tls_policy()->tls.transparency != POLICY_TRANSPARENCY_REQUIRE && !atomic_exchange(&is_reported, true))
        report(lib, ssl, reason, NULL, NULL, NULL);
    return reason;
}

const char *tls_transparency_verify(const struct libssl *lib, SSL *ssl)
{
    const enum policy_transparency mode = tls_policy()->tls.transparency;
    const char *reason;
    if (mode == POLICY_TRANSPARENCY_OFF)
        return NULL;
    struct log_list *const list = has_functions(lib) ? list_get(lib) : NULL;
    X509 *const certificate = list != NULL ? lib->SSL_get1_peer_certificate(ssl) : NULL;
    if (!has_functions(lib))
        reason = without_list(lib, ssl, "this libssl was built without Certificate Transparency");
    else if (list == NULL)
        reason = without_list(lib, ssl,
                              "ct-log-list cannot be read, expected a file as CTLOG_STORE_load_file(3) reads it");
    else if (certificate == NULL)
        reason = "the server has no certificate, and so no signed certificate timestamp (SCT)";
    else
        reason = verify_certificate(lib, ssl, certificate, list);
    lib->X509_free(certificate);
    return mode == POLICY_TRANSPARENCY_REQUIRE ? reason : NULL;
}
