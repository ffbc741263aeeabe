/*
 * Counts the allowed and the other entries of cipher lists, and replaces lists.
 */
#include "tls/ciphers.h"
#include "tls/policy_pin.h"

#include <stdio.h>
#include <string.h>

#include "config/init.h"
#include "config/override.h"
#include "policy/registry.h"

/* A cipher string of libssl: ECDHE with AES-GCM or ChaCha20-Poly1305, for TLS 1.2 and DTLS 1.2. */
static const char ecdhe_aead[] = "ECDHE+AESGCM:ECDHE+CHACHA20";

static bool ciphersuite_is_allowed(uint16_t id)
{
    const struct policy_tls *policy = &tls_policy()->tls;
    for (size_t i = 0; i < policy->ciphersuite_count; i++)
        if (policy->ciphersuites[i] == id)
            return true;
    return false;
}

static bool is_tls13(uint16_t id)
{
    return id >> 8 == 0x13; /* RFC 8446, B.4 */
}

bool tls_cipher_is_allowed(const struct libssl *lib, const SSL_CIPHER *cipher)
{
    uint16_t id = (uint16_t)lib->SSL_CIPHER_get_id(cipher);
    if (is_tls13(id))
        return ciphersuite_is_allowed(id);
    int exchange = lib->SSL_CIPHER_get_kx_nid(cipher);
    return (exchange == NID_kx_ecdhe || exchange == NID_kx_ecdhe_psk) && lib->SSL_CIPHER_is_aead(cipher);
}

static void ciphersuites_of_policy(char *list, size_t size)
{
    const struct policy_tls *policy = &tls_policy()->tls;
    size_t used = 0;
    list[0] = '\0';
    for (size_t i = 0; i < policy->ciphersuite_count && used < size; i++)
        used += (size_t)snprintf(list + used, size - used, "%s%s", i > 0 ? ":" : "",
                                 tls_ciphersuite_by_id(policy->ciphersuites[i])->name);
}

const char *tls_ciphers_begin(struct libssl *lib, SSL_CTX *context)
{
    char list[LIBSSL_LIST_MAX];
    ciphersuites_of_policy(list, sizeof list);
    return lib->SSL_CTX_set_ciphersuites(context, list) == 1
               ? NULL
               : "this libssl knows none of the policy's cipher suites";
}

struct cipher_counts {
    int tls13_allowed, tls13_denied;
    int older_allowed, older_denied; /* counted only on request */
};

/*
 * Runs for each connection, and the list has about sixty entries: older ones are examined only if `older` is true.
 */
static struct cipher_counts ciphers_count(const struct libssl *lib, const STACK_OF(SSL_CIPHER) * ciphers,
                                          bool older)
{
    struct cipher_counts counts = {0};
    int total = ciphers != NULL ? lib->OPENSSL_sk_num((const OPENSSL_STACK *)ciphers) : 0;
    for (int i = 0; i < total; i++) {
        const SSL_CIPHER *cipher = lib->OPENSSL_sk_value((const OPENSSL_STACK *)ciphers, i);
        uint16_t id = (uint16_t)lib->SSL_CIPHER_get_id(cipher);
        if (is_tls13(id))
            ciphersuite_is_allowed(id) ? counts.tls13_allowed++ : counts.tls13_denied++;
        else if (older)
            tls_cipher_is_allowed(lib, cipher) ? counts.older_allowed++ : counts.older_denied++;
    }
    return counts;
}

void tls_ciphers_report(const struct libssl *lib, const STACK_OF(SSL_CIPHER) * ciphers, const char *asked)
{
    if (ciphers_count(lib, ciphers, true).older_denied > 0)
        override_report("cipher-list", asked, "without forward secrecy: never used");
}

const char *tls_ciphers_enforce(struct libssl *lib, SSL *ssl, bool dtls, bool enforce)
{
    bool older_versions = dtls || tls_policy()->tls.min_version < TLS1_3_VERSION;
    struct cipher_counts counts = ciphers_count(lib, lib->SSL_get_ciphers(ssl), older_versions);
    bool none_left = !dtls && counts.tls13_allowed == 0;
    char list[LIBSSL_LIST_MAX];
    if (counts.tls13_denied > 0 || none_left) {
        ciphersuites_of_policy(list, sizeof list);
        override_report("ciphersuites", counts.tls13_denied > 0 ? "some outside the policy" : "none", list);
    }
    if (!enforce)
        return NULL;
    if (none_left && lib->SSL_set_ciphersuites(ssl, list) != 1)
        return "the connection's cipher suites cannot be set to the policy's";
    if (older_versions && counts.older_allowed == 0 && lib->SSL_set_cipher_list(ssl, ecdhe_aead) != 1)
        return "the connection's ciphers cannot be set to ECDHE with AEAD";
    return NULL;
}
