/*
 * OpenSSL's headers, of 1.1.1 or any 3.x, and what some of them lack. Names and values are those of OpenSSL's own
 * headers: the shim works with every version, whichever one it was built with. Declarations only.
 */
#ifndef PFSWRAP_TLS_OPENSSL_H
#define PFSWRAP_TLS_OPENSSL_H

#define OPENSSL_SUPPRESS_DEPRECATED 1

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdint.h>

/*
 * Functions that only some versions have. The headers of 1.1.1, 3.0 and later ones do not declare them all, or
 * rename them.
 */
#undef SSL_get_peer_certificate
#undef EVP_PKEY_id
#undef ERR_put_error
#undef EVP_PKEY_get_id
struct ossl_lib_ctx_st;
X509 *SSL_get_peer_certificate(const SSL *ssl);
int EVP_PKEY_id(const EVP_PKEY *key);
void ERR_put_error(int library, int function, int reason, const char *file, int line);
int SSL_write_ex2(SSL *ssl, const void *buffer, size_t length, uint64_t flags, size_t *written);
int SSL_is_quic(const SSL *ssl);
const char *SSL_get0_group_name(SSL *ssl);
SSL_CTX *SSL_CTX_new_ex(struct ossl_lib_ctx_st *library, const char *properties, const SSL_METHOD *method);
int SSL_CTX_set0_tmp_dh_pkey(SSL_CTX *context, EVP_PKEY *key);
int SSL_set0_tmp_dh_pkey(SSL *ssl, EVP_PKEY *key);
X509 *SSL_get1_peer_certificate(const SSL *ssl);
ossl_ssize_t SSL_sendfile(SSL *ssl, int fd, off_t offset, size_t size, int flags);
int EVP_PKEY_get_id(const EVP_PKEY *key);
void ERR_new(void);
void ERR_set_debug(const char *file, int line, const char *function);
void ERR_set_error(int library, int reason, const char *format, ...);
const SSL_METHOD *SSLv3_method(void);
const SSL_METHOD *SSLv3_client_method(void);
const SSL_METHOD *SSLv3_server_method(void);

/* Options, whose bits are the same in all versions, and what 1.1.1 has no names for. */
#ifndef SSL_OP_BIT
#define SSL_OP_BIT(n) ((uint64_t)1 << (uint64_t)(n))
#endif
#ifndef SSL_OP_ENABLE_KTLS
#define SSL_OP_ENABLE_KTLS SSL_OP_BIT(3)
#endif
#ifndef SSL_CTRL_GET_NEGOTIATED_GROUP
#define SSL_CTRL_GET_NEGOTIATED_GROUP 134
#endif
#ifndef SSL_R_UNEXPECTED_EOF_WHILE_READING
#define SSL_R_UNEXPECTED_EOF_WHILE_READING 294
#endif
#ifndef SSL_R_NO_SUITABLE_GROUPS
#define SSL_R_NO_SUITABLE_GROUPS 295
#endif
#ifndef SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL
#define SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL 1120
#endif

#endif
