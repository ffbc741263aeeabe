/*
 * The IANA registries a policy names things from: TLS supported groups and TLS 1.3 cipher suites. Plain tables;
 * knows nothing of files, sockets or libssl.
 */
#ifndef PFSWRAP_POLICY_REGISTRY_H
#define PFSWRAP_POLICY_REGISTRY_H

#include <stdint.h>

enum tls_group_kind {
    TLS_GROUP_ECDHE,  /* an elliptic curve TLS 1.3 allows */
    TLS_GROUP_HYBRID, /* ECDHE and ML-KEM together */
    TLS_GROUP_KEM,    /* ML-KEM alone: no ECDHE in it */
    TLS_GROUP_FFDHE,  /* finite field (RFC 7919): never allowed */
    TLS_GROUP_LEGACY, /* a curve TLS 1.3 does not allow (RFC 8446, 4.2.7) */
};

struct tls_group {
    uint16_t id;         /* IANA "TLS Supported Groups" */
    const char *name;    /* as a policy and the audit log spell it */
    const char *iana;    /* the registry's own spelling, accepted too */
    const char *openssl; /* what OpenSSL's lists call it in every version; NULL: it has never known it */
    int nid;             /* OpenSSL's NID, the same in every version; 0: none */
    enum tls_group_kind kind;
};

struct tls_ciphersuite {
    uint16_t id;      /* IANA "TLS Cipher Suites" */
    const char *name; /* IANA's name, which is OpenSSL's too */
};

/* By name, case ignored (`name`, `iana` and `openssl` all match), or by number. NULL: in no registry. */
const struct tls_group *tls_group_by_name(const char *name);
const struct tls_group *tls_group_by_id(uint16_t id);
const struct tls_group *tls_group_by_nid(int nid);

/* TLS 1.3 cipher suites with encryption (RFC 8446 B.4); integrity-only suites (RFC 9150) are not among them. */
const struct tls_ciphersuite *tls_ciphersuite_by_name(const char *name);
const struct tls_ciphersuite *tls_ciphersuite_by_id(uint16_t id);

#endif
