/*
 * Verification of the peer's certificate, independent of the program's. It uses the loaded libcrypto
 * (X509_verify_cert(3)) with its own certificate store and host name check. A pin is the SHA-256 digest of the
 * SubjectPublicKeyInfo (RFC 7469, 2.4).
 */
#include "tls/negotiated.h"
#include "tls/policy_pin.h"

#include <stdlib.h>
#include <string.h>

#include "config/init.h"

static bool pin_matches(const struct libssl *lib, const X509 *certificate)
{
    const struct policy_tls *policy = &tls_policy()->tls;
    unsigned char *key = NULL;
    int length = lib->i2d_X509_PUBKEY(lib->X509_get_X509_PUBKEY(certificate), &key);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int digest_length = 0;
    bool hashed =
        length > 0 && lib->EVP_Digest(key, (size_t)length, digest, &digest_length, lib->EVP_sha256(), NULL);
    lib->CRYPTO_free(key, "pfswrap", 0);
    for (size_t i = 0; hashed && digest_length == POLICY_PIN_BYTES && i < policy->pin_count; i++)
        if (memcmp(digest, policy->pins[i], POLICY_PIN_BYTES) == 0)
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

/*
 * The policy's store. It is read once for each library and kept for the life of the process: after a chroot, or
 * without privileges, the program may no longer be able to read the files.
 */
static X509_STORE *store_get(const struct libssl *lib)
{
    static X509_STORE *stores[LIBSSL_MAX];
    X509_STORE *store = __atomic_load_n(&stores[lib->index], __ATOMIC_ACQUIRE);
    if (store != NULL)
        return store;
    store = store_of_policy(lib);
    X509_STORE *expected = NULL;
    if (store != NULL && !__atomic_compare_exchange_n(&stores[lib->index], &expected, store, false,
                                                      __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        lib->X509_STORE_free(store);
        store = expected;
    }
    return store;
}

void tls_verify_begin(const struct libssl *lib)
{
    const struct policy_tls *policy = &tls_policy()->tls;
    bool of_clients = policy->client_certificates == POLICY_VERIFY_REQUIRE && policy->ca_file[0] != '\0';
    if (of_clients || policy->verify_server == POLICY_VERIFY_REQUIRE)
        (void)store_get(lib); /* if it cannot be read, handshakes that need it are refused with that reason */
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
        reason = chain_verify(lib, ssl, certificate, store_get(lib), "ssl_server", host);
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
    X509_STORE *store = own_store ? store_get(lib) : lib->SSL_CTX_get_cert_store(lib->SSL_get_SSL_CTX(ssl));
    const char *reason = chain_verify(lib, ssl, certificate, store, "ssl_client", NULL);
    lib->X509_free(certificate);
    return reason;
}
