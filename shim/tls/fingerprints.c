/*
 * Sets of certificates: see fingerprints.h.
 */
#include "tls/fingerprints.h"

#include <string.h>

#include "audit/builder.h"

bool fingerprint_take(unsigned char fingerprint[FINGERPRINT_BYTES], const struct libssl *lib,
                      const X509 *certificate)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    if (certificate == NULL || lib->X509_digest == NULL ||
        lib->X509_digest(certificate, lib->EVP_sha256(), digest, &length) != 1 || length != FINGERPRINT_BYTES)
        return false;
    memcpy(fingerprint, digest, FINGERPRINT_BYTES);
    return true;
}

bool fingerprint_take_key(unsigned char digest[FINGERPRINT_BYTES], const struct libssl *lib,
                          const X509 *certificate)
{
    unsigned char *key = NULL, longest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    const int size = lib->i2d_X509_PUBKEY(lib->X509_get_X509_PUBKEY(certificate), &key);
    const bool is_hashed =
        size > 0 && lib->EVP_Digest(key, (size_t)size, longest, &length, lib->EVP_sha256(), NULL);
    lib->CRYPTO_free(key, "pfswrap", 0);
    if (is_hashed && length == FINGERPRINT_BYTES)
        memcpy(digest, longest, FINGERPRINT_BYTES);
    return is_hashed && length == FINGERPRINT_BYTES;
}

const char *fingerprint_text(char text[FINGERPRINT_TEXT], const unsigned char *fingerprint)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < FINGERPRINT_BYTES; i++) {
        text[2 * i] = digits[fingerprint[i] >> 4];
        text[2 * i + 1] = digits[fingerprint[i] & 0xf];
    }
    text[FINGERPRINT_TEXT - 1] = '\0';
    return text;
}

bool fingerprints_have(const struct fingerprints *set, const unsigned char *fingerprint)
{
    const size_t count = atomic_load_explicit(&set->count, memory_order_acquire);
    for (size_t i = 0; i < count; i++)
        if (memcmp(set->list[i], fingerprint, FINGERPRINT_BYTES) == 0)
            return true;
    return false;
}

bool fingerprints_add(struct fingerprints *set, const unsigned char *fingerprint)
{
    if (fingerprints_have(set, fingerprint))
        return false;
    mutex_lock(&set->mutex);
    const size_t count = atomic_load_explicit(&set->count, memory_order_relaxed);
    const bool has_room = count < FINGERPRINTS_MAX;
    const bool is_new = has_room && !fingerprints_have(set, fingerprint);
    if (is_new) {
        memcpy(set->list[count], fingerprint, FINGERPRINT_BYTES);
        atomic_store_explicit(&set->count, count + 1, memory_order_release);
    }
    mutex_unlock(&set->mutex);
    if (!has_room && !atomic_exchange(&set->is_full, true)) {
        const struct audit_field fields[] = {
            AUDIT_S("kind", "certificates-full"),
            AUDIT_S("reason", "512 certificates are logged; more are not logged by this process"),
            AUDIT_S("rule", "certificate"),
        };
        audit_event("finding", fields, sizeof fields / sizeof fields[0]);
    }
    return is_new;
}
