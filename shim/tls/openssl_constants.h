/*
 * Constants of OpenSSL's interface, 1.1.1 to 3.x, that the shim and its unit tests use. Their names and values are
 * facts of its ABI: programs were compiled with them, so they cannot change. Source: the manual pages that are
 * named, and OpenSSL's installed headers, with which tests/apps/project/test_headers.py compares each value.
 */
#ifndef PFSWRAP_TLS_OPENSSL_CONSTANTS_H
#define PFSWRAP_TLS_OPENSSL_CONSTANTS_H

#include <stdint.h>

/* Versions of TLS and DTLS, as the protocols number them (RFC 8446, section 4.2.1; RFC 9147, section 5.3). */
#define SSL3_VERSION 0x0300
#define TLS1_VERSION 0x0301
#define TLS1_1_VERSION 0x0302
#define TLS1_2_VERSION 0x0303
#define TLS1_3_VERSION 0x0304
#define DTLS1_2_VERSION 0xfefd
#define DTLS1_VERSION 0xfeff

/* Options (SSL_CTX_set_options(3)): one bit each, the same in all versions. */
#define SSL_OP_BIT(n) ((uint64_t)1 << (uint64_t)(n))
#define SSL_OP_LEGACY_SERVER_CONNECT SSL_OP_BIT(2)
#define SSL_OP_ENABLE_KTLS SSL_OP_BIT(3)
#define SSL_OP_ALLOW_CLIENT_RENEGOTIATION SSL_OP_BIT(8)
#define SSL_OP_ALLOW_NO_DHE_KEX SSL_OP_BIT(10)
#define SSL_OP_CISCO_ANYCONNECT SSL_OP_BIT(15)
#define SSL_OP_NO_COMPRESSION SSL_OP_BIT(17)
#define SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION SSL_OP_BIT(18)
#define SSL_OP_CIPHER_SERVER_PREFERENCE SSL_OP_BIT(22)
#define SSL_OP_NO_DTLSv1_2 SSL_OP_BIT(27)
#define SSL_OP_NO_TLSv1_3 SSL_OP_BIT(29)
#define SSL_OP_NO_RENEGOTIATION SSL_OP_BIT(30)

/* Modes (SSL_CTX_set_mode(3)). */
#define SSL_MODE_ENABLE_PARTIAL_WRITE 1
#define SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER 2
#define SSL_MODE_AUTO_RETRY 4

/* Commands of SSL_ctrl(3) and SSL_CTX_ctrl(3). */
#define SSL_CTRL_SET_TMP_DH 3
#define SSL_CTRL_SET_TMP_ECDH 4
#define SSL_CTRL_MODE 33
#define SSL_CTRL_SET_SESS_CACHE_MODE 44
#define SSL_CTRL_GET_SESS_CACHE_MODE 45
#define SSL_CTRL_CLEAR_MODE 78
#define SSL_CTRL_SET_GROUPS 91
#define SSL_CTRL_SET_GROUPS_LIST 92
#define SSL_CTRL_GET_SHARED_GROUP 93
#define SSL_CTRL_SET_SIGALGS 97
#define SSL_CTRL_SET_SIGALGS_LIST 98
#define SSL_CTRL_SET_CLIENT_SIGALGS 101
#define SSL_CTRL_SET_CLIENT_SIGALGS_LIST 102
#define SSL_CTRL_GET_PEER_TMP_KEY 109
#define SSL_CTRL_SET_DH_AUTO 118
#define SSL_CTRL_SET_MIN_PROTO_VERSION 123
#define SSL_CTRL_SET_MAX_PROTO_VERSION 124
#define SSL_CTRL_GET_MIN_PROTO_VERSION 130
#define SSL_CTRL_GET_MAX_PROTO_VERSION 131
#define SSL_CTRL_GET_NEGOTIATED_GROUP 134

#define SSL_CTRL_SET_TLSEXT_STATUS_REQ_TYPE 65
#define SSL_CTRL_GET_TLSEXT_STATUS_REQ_TYPE 127
#define SSL_CTRL_GET_TLSEXT_STATUS_REQ_CB 128

/* Results of SSL_get_error(3), and of SSL_want(3). */
#define SSL_ERROR_SSL 1
#define SSL_NOTHING 1
#define SSL_ERROR_WANT_READ 2
#define SSL_WRITING 2
#define SSL_ERROR_WANT_WRITE 3
#define SSL_READING 3
#define SSL_ERROR_SYSCALL 5
#define SSL_ERROR_ZERO_RETURN 6

/* SSL_read_early_data(3), SSL_get_shutdown(3), SSL_CTX_set_session_cache_mode(3), SSL_CTX_set_session_ticket_cb(3).
 */
#define SSL_READ_EARLY_DATA_ERROR 0
#define SSL_SESS_CACHE_OFF 0
#define SSL_SENT_SHUTDOWN 1
#define SSL_TICKET_RETURN_IGNORE 1
#define SSL_RECEIVED_SHUTDOWN 2

/* SSL_CTX_set_verify(3), SSL_get_servername(3), SSL_CTX_set_alpn_select_cb(3). */
#define TLSEXT_NAMETYPE_host_name 0
#define SSL_VERIFY_NONE 0
#define SSL_VERIFY_PEER 1
#define SSL_TLSEXT_ERR_ALERT_FATAL 2
#define SSL_VERIFY_FAIL_IF_NO_PEER_CERT 2
#define SSL_TLSEXT_ERR_NOACK 3

/* What a security callback is asked about (SSL_CTX_set_security_callback(3)). */
#define SSL_SECOP_VERSION 0x00009
#define SSL_SECOP_TICKET 0x0000a
#define SSL_SECOP_COMPRESSION 0x0000f
#define SSL_SECOP_CIPHER_SUPPORTED 0x10001
#define SSL_SECOP_CIPHER_SHARED 0x10002
#define SSL_SECOP_CIPHER_CHECK 0x10003
#define SSL_SECOP_CURVE_SUPPORTED 0x20004
#define SSL_SECOP_CURVE_SHARED 0x20005
#define SSL_SECOP_CURVE_CHECK 0x20006

/*
 * States of a handshake: values of an enum in OpenSSL (SSL_get_state(3)). 3.2 inserted states for compressed
 * certificates, so later ones have other values since.
 */
#define TLS_ST_BEFORE 0
#define TLS_ST_CR_FINISHED 11
#define TLS_ST_SR_FINISHED 32
#define TLS_ST_CR_FINISHED_SINCE_3_2 12
#define TLS_ST_SR_FINISHED_SINCE_3_2 36

/*
 * Libraries and reasons in the error queue (ERR_GET_LIB(3)). A reason above 1000 is 1000 plus an alert of the peer
 * (RFC 8446, appendix B.2). Those that all libraries share, ERR_R_, are the ones since 3.0 (error.c knows those
 * of 1.1.1).
 */
#define ERR_LIB_SSL 20
#define ERR_R_MALLOC_FAILURE 0xc0100
#define ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED 0xc0101
#define ERR_R_INTERNAL_ERROR 0xc0103
#define SSL_R_NO_SUITABLE_KEY_SHARE 101
#define SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM 118
#define SSL_R_BAD_WRITE_RETRY 127
#define SSL_R_CERTIFICATE_VERIFY_FAILED 134
#define SSL_R_NO_CIPHERS_AVAILABLE 181
#define SSL_R_NO_PROTOCOLS_AVAILABLE 191
#define SSL_R_NO_SHARED_CIPHER 193
#define SSL_R_PROTOCOL_IS_SHUTDOWN 207
#define SSL_R_UNSUPPORTED_PROTOCOL 258
#define SSL_R_UNSUPPORTED_SSL_VERSION 259
#define SSL_R_WRONG_SSL_VERSION 266
#define SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC 281
#define SSL_R_APPLICATION_DATA_AFTER_CLOSE_NOTIFY 291
#define SSL_R_UNEXPECTED_EOF_WHILE_READING 294
#define SSL_R_NO_SUITABLE_GROUPS 295
#define SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS 376
#define SSL_R_WRONG_CURVE 378
#define SSL_R_VERSION_TOO_LOW 396
#define SSL_R_EE_KEY_TOO_SMALL 399
#define SSL_R_SHUTDOWN_WHILE_IN_INIT 407
#define SSL_R_NO_SHARED_GROUPS 410
#define SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE 1040
#define SSL_R_TLSV1_ALERT_PROTOCOL_VERSION 1070
#define SSL_R_TLSV1_ALERT_INSUFFICIENT_SECURITY 1071
#define SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL 1120

/* BIOs (BIO_ctrl(3), BIO_f_ssl(3), BIO_set_flags(3)). */
#define BIO_CLOSE 1
#define BIO_CTRL_RESET 1
#define BIO_FLAGS_READ 1
#define BIO_FLAGS_WRITE 2
#define BIO_FLAGS_RWS 7
#define BIO_FLAGS_SHOULD_RETRY 8
#define BIO_CTRL_PENDING 10
#define BIO_CTRL_FLUSH 11
#define BIO_C_DO_STATE_MACHINE 101
#define BIO_C_SET_SSL 109
#define BIO_C_GET_SSL 110
#define BIO_C_SSL_MODE 119
#define BIO_TYPE_SSL 519

/* Classes of extra data (CRYPTO_get_ex_new_index(3)). */
#define CRYPTO_EX_INDEX_SSL 0
#define CRYPTO_EX_INDEX_SSL_CTX 1

/* Numbers of objects (OBJ_nid2obj(3)): groups, hashes and kinds of keys. */
#define EXFLAG_SI 0x20 /* X509_get_extension_flags(3): subject and issuer are the same */
#define NID_undef 0
#define NID_md5 4
#define NID_sha1 64
#define NID_subject_alt_name 85
#define NID_X9_62_prime256v1 415
#define NID_kx_any 1063
#define NID_sha256 672
#define NID_sha384 673
#define NID_sha512 674
#define NID_secp224r1 713
#define NID_secp384r1 715
#define NID_secp521r1 716
#define NID_X25519 1034
#define NID_X448 1035
#define NID_kx_rsa 1037
#define NID_kx_ecdhe 1038
#define NID_kx_dhe 1039
#define NID_kx_ecdhe_psk 1040
#define NID_ffdhe2048 1126
#define EVP_PKEY_RSA 6
#define EVP_PKEY_DSA 116
#define EVP_PKEY_EC 408
#define EVP_PKEY_RSA_PSS 912
#define EVP_PKEY_X25519 1034
#define EVP_PKEY_X448 1035

/* EVP_DigestInit(3) and X509_STORE_CTX_get_error(3). */
#define X509_V_OK 0
#define X509_V_ERR_CERT_HAS_EXPIRED 10
#define EVP_MAX_MD_SIZE 64

/* SCT_get_source(3), SCT_get_validation_status(3). */
#define SCT_VALIDATION_STATUS_UNKNOWN_LOG 1
#define SCT_VALIDATION_STATUS_VALID 2
#define SCT_VALIDATION_STATUS_INVALID 3
#define SCT_VALIDATION_STATUS_UNVERIFIED 4

/* The state of a handshake: an enum without negative values, so of this type (gcc's and clang's ABI). */
typedef unsigned int OSSL_HANDSHAKE_STATE;

/* The same of SCTs (SCT_get_source(3), SCT_validate(3)). */
typedef unsigned int sct_source_t;
typedef unsigned int sct_validation_status_t;

#endif
