/*
 * Verification of the peer's certificate, independent of the program's. It uses the loaded libcrypto
 * (X509_verify_cert(3)) with its own certificate store and host name check. A pin is the SHA-256 digest of the
 * SubjectPublicKeyInfo (RFC 7469, 2.4).
 */
#include "tls/negotiated.h"
#include "tls/policy_pin.h"

#include <stdlib.h>
#include <string.h>

#include "audit/builder.h"
#include "base/mutex.h"
#include "config/init.h"
#include "config/trust.h"
#include "tls/fingerprints.h"

static bool pin_matches(const struct libssl *lib, const X509 *certificate)
{
    const struct policy_tls *policy = &tls_policy()->tls;
    unsigned char digest[FINGERPRINT_BYTES];
    _Static_assert((int)FINGERPRINT_BYTES == (int)POLICY_PIN_BYTES, "a pin is such a digest");
    const bool is_known = fingerprint_take_key(digest, lib, certificate);
    for (size_t i = 0; is_known && i < policy->pin_count; i++)
        if (memcmp(digest, policy->pins[i], sizeof digest) == 0)
            return true;
    return false;
}

/* A store with the policy's ca-file, or else with the system's certificates. NULL: they cannot be read. */
static X509_STORE *store_of_policy(const struct libssl *lib)
{
    const struct policy_tls *policy = &tls_policy()->tls;
    X509_STORE *store = lib->X509_STORE_new();
    int loaded = 0;
    if (store != NULL)
        loaded = policy->ca_file[0] != '\0' ? lib->X509_STORE_load_locations(store, policy->ca_file, NULL)
                                            : lib->X509_STORE_set_default_paths(store);
    if (loaded == 1)
        return store;
    lib->X509_STORE_free(store);
    return NULL;
}

static struct mutex kept_mutex;
static struct {
    X509_STORE *store;
    uint32_t generation; /* the approval (config/trust.h) that the last attempt to load it followed */
} kept[LIBSSL_MAX];

static void report_kept(const char *file)
{
    const struct audit_field fields[] = {
        AUDIT_S("kind", "ca-file"),
        AUDIT_S("reason",
                "the ca-file could not be read again, and the certificates that it had before are trusted"),
        AUDIT_S("file", file),
        AUDIT_S("rule", "certificate"),
    };
    audit_event("finding", fields, sizeof fields / sizeof fields[0]);
}

/*
 * Loads the store. In place of one that is there, only if the file has the content that a reload has approved:
 * libcrypto would take a part of a file for all of it.
 */
static void load_kept(const struct libssl *lib, uint32_t generation)
{
    const bool is_first = kept[lib->index].store == NULL;
    X509_STORE *store = store_of_policy(lib);
    if (store != NULL && !is_first && !trust_file_is_approved(tls_policy())) {
        lib->X509_STORE_free(store);
        store = NULL;
    }
    kept[lib->index].generation = generation;
    if (store != NULL) {
        lib->X509_STORE_free(kept[lib->index].store);
        kept[lib->index].store = store;
    } else if (!is_first) {
        report_kept(tls_policy()->tls.ca_file);
    }
}

/*
 * The policy's store, for the caller to free. It is loaded once for each library, and again after a reload that has
 * found another content in the ca-file: after a chroot, or without privileges, the program may no longer be able to
 * read the files. NULL: it cannot be read.
 */
static X509_STORE *store_take(const struct libssl *lib)
{
    mutex_lock(&kept_mutex);
    const uint32_t generation = trust_generation();
    if (kept[lib->index].store == NULL || kept[lib->index].generation != generation)
        load_kept(lib, generation);
    X509_STORE *const store = kept[lib->index].store;
    if (store != NULL)
        (void)lib->X509_STORE_up_ref(store);
    mutex_unlock(&kept_mutex);
    return store;
}

void tls_verify_begin(const struct libssl *lib)
{
    const struct policy_tls *policy = &tls_policy()->tls;
    bool of_clients = policy->client_certificates == POLICY_VERIFY_REQUIRE && policy->ca_file[0] != '\0';
    if (of_clients || policy->verify_server == POLICY_VERIFY_REQUIRE)
        lib->X509_STORE_free(store_take(lib)); /* if it cannot be read, handshakes that need it say so */
}

static const char *chain_verify(const struct libssl *lib, SSL *ssl, X509 *certificate, X509_STORE *store,
                                const char *purpose, const char *host)
{
    if (store == NULL)
        return "the trusted certificates cannot be read";
    X509_STORE_CTX *verification = lib->X509_STORE_CTX_new();
    const char *reason = "no memory to verify the certificate";
    if (verification != NULL &&
        lib->X509_STORE_CTX_init(verification, store, certificate, lib->SSL_get_peer_cert_chain(ssl)) == 1 &&
        lib->X509_STORE_CTX_set_default(verification, purpose) == 1) {
        X509_VERIFY_PARAM *parameters = lib->X509_STORE_CTX_get0_param(verification);
        /* At least 80 bits for keys and digests. The program's level may be 0 (SSL_CTX_set_security_level(3)). */
        lib->X509_VERIFY_PARAM_set_auth_level(parameters, 1);
        bool named = host == NULL || lib->X509_VERIFY_PARAM_set1_host(parameters, host, 0) == 1;
        if (named && lib->X509_verify_cert(verification) == 1)
            reason = NULL;
        else
            reason = lib->X509_verify_cert_error_string(lib->X509_STORE_CTX_get_error(verification));
    }
    lib->X509_STORE_CTX_free(verification);
    return reason;
}

static const char *verify_with_own_store(const struct libssl *lib, SSL *ssl, X509 *certificate, const char *purpose,
                                         const char *host)
{
    X509_STORE *const store = store_take(lib);
    const char *const reason = chain_verify(lib, ssl, certificate, store, purpose, host);
    lib->X509_STORE_free(store);
    return reason;
}

const char *tls_verify_server(struct libssl *lib, SSL *ssl)
{
    const struct policy_tls *policy = &tls_policy()->tls;
    X509 *certificate = lib->SSL_get1_peer_certificate(ssl);
    if (certificate == NULL)
        return "the server has no certificate";
    const char *host = lib->SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    const char *reason = NULL;
    if (policy->pin_count > 0 && !pin_matches(lib, certificate))
        reason = "the server's key matches no pin";
    else if (policy->verify_server == POLICY_VERIFY_REQUIRE && host == NULL && policy->pin_count == 0)
        reason = "the program named no server to verify, and the policy has no pin";
    else if (policy->verify_server == POLICY_VERIFY_REQUIRE)
        reason = verify_with_own_store(lib, ssl, certificate, "ssl_server", host);
    lib->X509_free(certificate);
    return reason;
}

const char *tls_verify_client(struct libssl *lib, SSL *ssl)
{
    X509 *certificate = lib->SSL_get1_peer_certificate(ssl);
    if (certificate == NULL)
        return "the client has no certificate";
    /* Without a ca-file, the program's store is used; the verification is still the shim's. */
    bool own_store = tls_policy()->tls.ca_file[0] != '\0';
    const char *reason =
        own_store ? verify_with_own_store(lib, ssl, certificate, "ssl_client", NULL)
                  : chain_verify(lib, ssl, certificate, lib->SSL_CTX_get_cert_store(lib->SSL_get_SSL_CTX(ssl)),
                                 "ssl_client", NULL);
    lib->X509_free(certificate);
    return reason;
}
