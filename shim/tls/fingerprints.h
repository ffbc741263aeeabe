/*
 * Sets of certificates, which are known by their fingerprints: the SHA-256 of their DER form (X509_digest(3)).
 * Peers may send any number of certificates, so a set has a fixed size.
 */
#ifndef PFSWRAP_TLS_FINGERPRINTS_H
#define PFSWRAP_TLS_FINGERPRINTS_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/mutex.h"
#include "tls/libssl.h"

enum {
    FINGERPRINTS_MAX = 512,
    FINGERPRINT_BYTES = 32,
    FINGERPRINT_TEXT = 2 * FINGERPRINT_BYTES + 1,
};

/* All zero: empty. An element is complete before it is counted. */
struct fingerprints {
    unsigned char list[FINGERPRINTS_MAX][FINGERPRINT_BYTES];
    atomic_size_t count;
    atomic_bool is_full; /* one was left out */
    struct mutex mutex;
};

/* False: it cannot be computed. */
bool fingerprint_take(unsigned char fingerprint[FINGERPRINT_BYTES], const struct libssl *lib,
                      const X509 *certificate);

/* The SHA-256 of a certificate's SubjectPublicKeyInfo (RFC 7469, 2.4). False: it cannot be computed. */
bool fingerprint_take_key(unsigned char digest[FINGERPRINT_BYTES], const struct libssl *lib,
                          const X509 *certificate);

/* In hexadecimal digits. Returns `text`. */
const char *fingerprint_text(char text[FINGERPRINT_TEXT], const unsigned char *fingerprint);

bool fingerprints_have(const struct fingerprints *set, const unsigned char *fingerprint);

/*
 * Whether it is new, and was added. If the set is full, this is logged once for each set: certificates that it does
 * not have are not logged any more.
 */
bool fingerprints_add(struct fingerprints *set, const unsigned char *fingerprint);

#endif
