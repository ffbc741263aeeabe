/*
 * The names and numbers of key exchange groups and TLS 1.3 cipher suites, from the IANA registries.
 */
#ifndef PFSWRAP_POLICY_REGISTRY_H
#define PFSWRAP_POLICY_REGISTRY_H

#include <stdint.h>

enum tls_group_kind {
    TLS_GROUP_ECDHE,  /* an elliptic curve of TLS 1.3 */
    TLS_GROUP_HYBRID, /* ECDHE combined with ML-KEM */
    TLS_GROUP_KEM,    /* ML-KEM without ECDHE */
    TLS_GROUP_FFDHE,  /* finite field Diffie-Hellman (RFC 7919); a policy cannot allow it */
    TLS_GROUP_LEGACY, /* a curve that TLS 1.3 does not allow (RFC 8446, section 4.2.7) */
};

struct tls_group {
    uint16_t id;      /* IANA "TLS Supported Groups" */
    const char *name; /* in policies and in the audit log */
    const char *iana; /* in the registry; policies may use it, too */
    const char
        *openssl; /* in OpenSSL's lists, the same in every version; NULL if OpenSSL does not have the group */
    int nid;      /* OpenSSL's NID, the same in every version; 0 if there is none */
    enum tls_group_kind kind;
};

struct tls_ciphersuite {
    uint16_t id;      /* IANA "TLS Cipher Suites" */
    const char *name; /* in the registry and in OpenSSL */
};

/* Looks up a group by one of its three names, ignoring case, or by a number. Returns NULL if there is none. */
const struct tls_group *tls_group_by_name(const char *name);
const struct tls_group *tls_group_by_id(uint16_t id);
const struct tls_group *tls_group_by_nid(int nid);

/*
 * The same for TLS 1.3 cipher suites (RFC 8446, appendix B.4). Suites that do not encrypt (RFC 9150) are not in the
 * table.
 */
const struct tls_ciphersuite *tls_ciphersuite_by_name(const char *name);
const struct tls_ciphersuite *tls_ciphersuite_by_id(uint16_t id);

#endif
