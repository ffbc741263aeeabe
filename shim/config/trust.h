/*
 * The content of the policy's ca-file, which a reload reads again. It is checked and approved here without a TLS
 * library, as a digest; the planes of TLS then load what has this digest.
 */
#ifndef PFSWRAP_CONFIG_TRUST_H
#define PFSWRAP_CONFIG_TRUST_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/policy.h"

enum { TRUST_DIGEST_BYTES = 32 };

struct trust {
    bool is_set; /* the policy has a ca-file */
    uint8_t digest[TRUST_DIGEST_BYTES];
};

/*
 * Reads the ca-file. Returns 0, or -1 with *error filled: it cannot be read, has no certificate, or is not whole in
 * PEM (RFC 7468).
 */
int trust_read(const struct policy *policy, struct trust *trust, struct policy_error *error);

/* Whether this is what was approved last. */
bool trust_is_approved(const struct trust *trust);

/* The planes of TLS may load it from now on. One thread at a time. */
void trust_approve(const struct trust *trust);

/* A number that changes with each approval; 0: there was none, and what is loaded first counts. */
uint32_t trust_generation(void);

/* Whether the file's content is the approved one now. Keeps errno. */
bool trust_file_is_approved(const struct policy *policy);

#endif
