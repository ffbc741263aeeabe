/*
 * Constants of GnuTLS's interface, 3.6 and later, that the shim and its unit tests use. Their names and values are
 * facts of its ABI. In GnuTLS's headers many are values of enums. Source: the manual pages that are named, and
 * gnutls/gnutls.h, with which tests/apps/project/test_headers.py compares each value.
 */
#ifndef PFSWRAP_GNUTLS_CONSTANTS_H
#define PFSWRAP_GNUTLS_CONSTANTS_H

/* Results: 0, or one of these. */
#define GNUTLS_E_SUCCESS 0
#define GNUTLS_E_UNSUPPORTED_VERSION_PACKET (-8)
#define GNUTLS_E_FATAL_ALERT_RECEIVED (-12)
#define GNUTLS_E_UNKNOWN_CIPHER_SUITE (-21)
#define GNUTLS_E_UNWANTED_ALGORITHM (-22)
#define GNUTLS_E_MEMORY_ERROR (-25)
#define GNUTLS_E_INSUFFICIENT_CREDENTIALS (-32)
#define GNUTLS_E_INVALID_REQUEST (-50)
#define GNUTLS_E_INTERNAL_ERROR (-59)
#define GNUTLS_E_NO_CIPHER_SUITES (-87)
#define GNUTLS_E_UNSUPPORTED_SIGNATURE_ALGORITHM (-106)
#define GNUTLS_E_INSUFFICIENT_SECURITY (-217)
#define GNUTLS_E_NO_PRIORITIES_WERE_SET (-326)
#define GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR (-348)
#define GNUTLS_E_NO_COMMON_KEY_SHARE (-423)
#define GNUTLS_E_UNIMPLEMENTED_FEATURE (-1250)

/* gnutls_init(3): flags. */
#define GNUTLS_DATAGRAM (1 << 2)
#define GNUTLS_NO_TICKETS (1 << 10)
#define GNUTLS_ENABLE_EARLY_DATA (1 << 20)

/* gnutls_priority_init2(3). */
#define GNUTLS_PRIORITY_INIT_DEF_APPEND 1

/* gnutls_protocol_t. */
#define GNUTLS_SSL3 1
#define GNUTLS_TLS1_0 2
#define GNUTLS_TLS1_1 3
#define GNUTLS_TLS1_2 4
#define GNUTLS_TLS1_3 5
#define GNUTLS_DTLS1_0 201
#define GNUTLS_DTLS1_2 202

/* gnutls_kx_algorithm_t. */
#define GNUTLS_KX_PSK 9
#define GNUTLS_KX_DHE_PSK 10
#define GNUTLS_KX_ECDHE_RSA 12
#define GNUTLS_KX_ECDHE_ECDSA 13
#define GNUTLS_KX_ECDHE_PSK 14
#define GNUTLS_KX_RSA_PSK 15

/* Ciphers, groups, MACs and hashes. */
#define GNUTLS_CIPHER_UNKNOWN 0
#define GNUTLS_GROUP_INVALID 0
#define GNUTLS_CIPHER_AES_128_CBC 4
#define GNUTLS_CIPHER_AES_128_CCM_8 21
#define GNUTLS_CIPHER_AES_128_GCM 10
#define GNUTLS_CIPHER_AES_256_GCM 11
#define GNUTLS_GROUP_FFDHE2048 256
#define GNUTLS_GROUP_SECP256R1 2
#define GNUTLS_GROUP_SECP384R1 3
#define GNUTLS_GROUP_X25519 6
#define GNUTLS_DIG_SHA256 6
#define GNUTLS_MAC_AEAD 200

/* gnutls_sign_algorithm_t. */
#define GNUTLS_SIGN_RSA_SHA256 6
#define GNUTLS_SIGN_EDDSA_ED25519 35
#define GNUTLS_SIGN_ECDSA_SECP256R1_SHA256 37
#define GNUTLS_SIGN_ECDSA_SECP384R1_SHA384 38
#define GNUTLS_SIGN_RSA_PSS_RSAE_SHA256 40
#define GNUTLS_SIGN_RSA_PSS_RSAE_SHA384 41

/* Alerts (RFC 8446, appendix B.2). */
#define GNUTLS_A_HANDSHAKE_FAILURE 40
#define GNUTLS_A_PROTOCOL_VERSION 70
#define GNUTLS_A_INSUFFICIENT_SECURITY 71

/* Certificates: formats, requests, what is verified, and the result (gnutls_x509_trust_list_verify_crt2(3)). */
#define GNUTLS_X509_FMT_DER 0
#define GNUTLS_DT_DNS_HOSTNAME 1
#define GNUTLS_X509_FMT_PEM 1
#define GNUTLS_NAME_DNS 1
#define GNUTLS_CERT_REQUIRE 2
#define GNUTLS_DT_KEY_PURPOSE_OID 2
#define GNUTLS_CERT_SIGNER_NOT_FOUND 0x40
#define GNUTLS_CERT_NOT_ACTIVATED 0x200
#define GNUTLS_CERT_EXPIRED 0x400
#define GNUTLS_CERT_UNEXPECTED_OWNER 0x4000

/* Purposes of keys: object identifiers (RFC 5280, section 4.2.1.12). */
#define GNUTLS_KP_TLS_WWW_SERVER "1.3.6.1.5.5.7.3.1"
#define GNUTLS_KP_TLS_WWW_CLIENT "1.3.6.1.5.5.7.3.2"

/*
 * The types of these values: enums without negative values, so unsigned int (gcc's and clang's ABI). They are here,
 * so that a file that includes GnuTLS's own headers can leave them out.
 */
typedef unsigned int gnutls_alert_description_t;
typedef unsigned int gnutls_certificate_request_t;
typedef unsigned int gnutls_cipher_algorithm_t;
typedef unsigned int gnutls_digest_algorithm_t;
typedef unsigned int gnutls_group_t;
typedef unsigned int gnutls_kx_algorithm_t;
typedef unsigned int gnutls_mac_algorithm_t;
typedef unsigned int gnutls_protocol_t;
typedef unsigned int gnutls_server_name_type_t;
typedef unsigned int gnutls_sign_algorithm_t;
typedef unsigned int gnutls_vdata_types_t;
typedef unsigned int gnutls_x509_crt_fmt_t;

/* Bytes, and what gnutls_x509_trust_list_verify_crt2(3) verifies. */
typedef struct {
    unsigned char *data;
    unsigned int size; /* bytes */
} gnutls_datum_t;

typedef struct {
    gnutls_vdata_types_t type;
    unsigned char *data;
    unsigned int size; /* bytes; 0: `data` is a string */
} gnutls_typed_vdata_st;

#endif
