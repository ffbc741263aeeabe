/*
 * Functions of libssl, 1.1.1 to 3.x, that the shim calls or interposes. The declarations are those of the
 * manual pages with the same names; where versions differ in a `const`, they are those of 3.0.
 * tests/apps/project/test_headers.py compares them with OpenSSL's headers.
 */
#ifndef PFSWRAP_TLS_OPENSSL_SSL_H
#define PFSWRAP_TLS_OPENSSL_SSL_H

#include "tls/openssl_types.h"

#ifndef PFSWRAP_HEADERS_OF_OPENSSL /* test_headers.py has the constants from OpenSSL's own */
#include "tls/openssl_constants.h"
#endif

/* Methods. SSLv3_ and the other ones for a single version may be missing from a build. */
const SSL_METHOD *DTLS_client_method(void);
const SSL_METHOD *DTLS_method(void);
const SSL_METHOD *DTLS_server_method(void);
const SSL_METHOD *DTLSv1_2_client_method(void);
const SSL_METHOD *DTLSv1_2_method(void);
const SSL_METHOD *DTLSv1_2_server_method(void);
const SSL_METHOD *DTLSv1_client_method(void);
const SSL_METHOD *DTLSv1_method(void);
const SSL_METHOD *DTLSv1_server_method(void);
const SSL_METHOD *SSL_CTX_get_ssl_method(const SSL_CTX *);
const SSL_METHOD *SSL_get_ssl_method(const SSL *);
int SSL_set_ssl_method(SSL *, const SSL_METHOD *);
const SSL_METHOD *TLS_client_method(void);
const SSL_METHOD *TLS_method(void);
const SSL_METHOD *TLS_server_method(void);
const SSL_METHOD *TLSv1_1_client_method(void);
const SSL_METHOD *TLSv1_1_method(void);
const SSL_METHOD *TLSv1_1_server_method(void);
const SSL_METHOD *TLSv1_2_client_method(void);
const SSL_METHOD *TLSv1_2_method(void);
const SSL_METHOD *TLSv1_2_server_method(void);
const SSL_METHOD *TLSv1_client_method(void);
const SSL_METHOD *TLSv1_method(void);
const SSL_METHOD *TLSv1_server_method(void);
const SSL_METHOD *SSLv3_method(void);
const SSL_METHOD *SSLv3_client_method(void);
const SSL_METHOD *SSLv3_server_method(void);

/* Contexts. */
int SSL_CTX_config(SSL_CTX *, const char *);
long SSL_CTX_ctrl(SSL_CTX *, int, long, void *);
void SSL_CTX_free(SSL_CTX *);
X509_STORE *SSL_CTX_get_cert_store(const SSL_CTX *);
STACK_OF(SSL_CIPHER) * SSL_CTX_get_ciphers(const SSL_CTX *);
void *SSL_CTX_get_ex_data(const SSL_CTX *, int);
SSL_CTX_keylog_cb_func SSL_CTX_get_keylog_callback(const SSL_CTX *);
uint64_t SSL_CTX_get_options(const SSL_CTX *);
int (*SSL_CTX_get_security_callback(const SSL_CTX *))(const SSL *, const SSL_CTX *, int, int, int, void *, void *);
int SSL_CTX_get_security_level(const SSL_CTX *);
SSL_CTX *SSL_CTX_new(const SSL_METHOD *);
SSL_CTX *SSL_CTX_new_ex(struct ossl_lib_ctx_st *, const char *, const SSL_METHOD *);
SSL_SESSION *(*SSL_CTX_sess_get_get_cb(SSL_CTX *))(SSL *, const unsigned char *, int, int *);
void SSL_CTX_sess_set_get_cb(SSL_CTX *, SSL_SESSION *(*)(SSL *, const unsigned char *, int, int *));
int SSL_CTX_set0_tmp_dh_pkey(SSL_CTX *, EVP_PKEY *);
int SSL_CTX_set_alpn_protos(SSL_CTX *, const unsigned char *, unsigned int);
void SSL_CTX_set_alpn_select_cb(SSL_CTX *, SSL_CTX_alpn_select_cb_func, void *);
int SSL_CTX_set_cipher_list(SSL_CTX *, const char *);
int SSL_CTX_set_ciphersuites(SSL_CTX *, const char *);
int SSL_CTX_set_ex_data(SSL_CTX *, int, void *);
void SSL_CTX_set_keylog_callback(SSL_CTX *, SSL_CTX_keylog_cb_func);
void SSL_CTX_set_security_callback(SSL_CTX *, int (*)(const SSL *, const SSL_CTX *, int, int, int, void *, void *));
void SSL_CTX_set_security_level(SSL_CTX *, int);
int SSL_CTX_set_session_id_context(SSL_CTX *, const unsigned char *, unsigned int);
int SSL_CTX_set_session_ticket_cb(SSL_CTX *, SSL_CTX_generate_session_ticket_fn, SSL_CTX_decrypt_session_ticket_fn,
                                  void *);
int SSL_CTX_set_ssl_version(SSL_CTX *, const SSL_METHOD *);
void SSL_CTX_set_tmp_dh_callback(SSL_CTX *, DH *(*)(SSL *, int, int));

/* Commands of configuration files, and the library itself. */
int OPENSSL_init_ssl(uint64_t, const OPENSSL_INIT_SETTINGS *);
int SSL_CONF_cmd(SSL_CONF_CTX *, const char *, const char *);
int SSL_CONF_cmd_argv(SSL_CONF_CTX *, int *, char ***);
int SSL_config(SSL *, const char *);

/* Cipher suites and sessions. */
uint32_t SSL_CIPHER_get_id(const SSL_CIPHER *);
int SSL_CIPHER_get_kx_nid(const SSL_CIPHER *);
const char *SSL_CIPHER_get_name(const SSL_CIPHER *);
int SSL_CIPHER_is_aead(const SSL_CIPHER *);
void SSL_SESSION_free(SSL_SESSION *);
X509 *SSL_SESSION_get0_peer(SSL_SESSION *);
int SSL_SESSION_get_protocol_version(const SSL_SESSION *);
int SSL_SESSION_has_ticket(const SSL_SESSION *);

/* Handshakes and data. */
int DTLSv1_listen(SSL *, BIO_ADDR *);
int SSL_accept(SSL *);
int SSL_clear(SSL *);
int SSL_connect(SSL *);
int SSL_do_handshake(SSL *);
int SSL_get_error(const SSL *, int);
OSSL_HANDSHAKE_STATE SSL_get_state(const SSL *);
int SSL_has_pending(const SSL *);
int SSL_in_init(const SSL *);
int SSL_is_init_finished(const SSL *);
SSL *SSL_new(SSL_CTX *);
int SSL_peek(SSL *, void *, int);
int SSL_peek_ex(SSL *, void *, size_t, size_t *);
int SSL_pending(const SSL *);
int SSL_read(SSL *, void *, int);
int SSL_read_early_data(SSL *, void *, size_t, size_t *);
int SSL_read_ex(SSL *, void *, size_t, size_t *);
ssize_t SSL_sendfile(SSL *, int, off_t, size_t, int);
int SSL_shutdown(SSL *);
int SSL_stateless(SSL *);
int SSL_want(const SSL *);
int SSL_write(SSL *, const void *, int);
int SSL_write_early_data(SSL *, const void *, size_t, size_t *);
int SSL_write_ex(SSL *, const void *, size_t, size_t *);
int SSL_write_ex2(SSL *, const void *, size_t, uint64_t, size_t *);

/* What a connection is, and what was negotiated. */
int SSL_export_keying_material(SSL *, unsigned char *, size_t, const char *, size_t, const unsigned char *, size_t,
                               int);
X509 *SSL_get1_peer_certificate(const SSL *);
STACK_OF(SSL_CIPHER) * SSL_get1_supported_ciphers(SSL *);
SSL_CTX *SSL_get_SSL_CTX(const SSL *);
X509 *SSL_get_certificate(const SSL *);
STACK_OF(SSL_CIPHER) * SSL_get_ciphers(const SSL *);
const SSL_CIPHER *SSL_get_current_cipher(const SSL *);
void *SSL_get_ex_data(const SSL *, int);
uint32_t SSL_get_max_early_data(const SSL *);
size_t SSL_get_num_tickets(const SSL *);
uint64_t SSL_get_options(const SSL *);
STACK_OF(X509) * SSL_get_peer_cert_chain(const SSL *);
int SSL_get_quiet_shutdown(const SSL *);
BIO *SSL_get_rbio(const SSL *);
int SSL_get_rfd(const SSL *);
int (*SSL_get_security_callback(const SSL *))(const SSL *, const SSL_CTX *, int, int, int, void *, void *);
int SSL_get_security_level(const SSL *);
const char *SSL_get_servername(const SSL *, int);
SSL_SESSION *SSL_get_session(const SSL *);
int SSL_get_shutdown(const SSL *);
int SSL_get_verify_mode(const SSL *);
long SSL_get_verify_result(const SSL *);
const char *SSL_get_version(const SSL *);
BIO *SSL_get_wbio(const SSL *);
int SSL_get_wfd(const SSL *);
int SSL_is_dtls(const SSL *);
int SSL_is_server(const SSL *);
int SSL_session_reused(const SSL *);
int SSL_version(const SSL *);
X509 *SSL_get_peer_certificate(const SSL *);
const STACK_OF(SCT) * SSL_get0_peer_scts(SSL *);
STACK_OF(X509) * SSL_get0_verified_chain(const SSL *);
int SSL_is_quic(const SSL *);
const char *SSL_get0_group_name(SSL *);

/* Settings of a connection. */
uint64_t SSL_clear_options(SSL *, uint64_t);
long SSL_ctrl(SSL *, int, long, void *);
int SSL_set0_tmp_dh_pkey(SSL *, EVP_PKEY *);
SSL_CTX *SSL_set_SSL_CTX(SSL *, SSL_CTX *);
void SSL_set_accept_state(SSL *);
int SSL_set_alpn_protos(SSL *, const unsigned char *, unsigned int);
int SSL_set_cipher_list(SSL *, const char *);
int SSL_set_ciphersuites(SSL *, const char *);
void SSL_set_connect_state(SSL *);
int SSL_ct_is_enabled(const SSL *);
int SSL_set_ct_validation_callback(SSL *, ssl_ct_validation_cb, void *);
int SSL_set_ex_data(SSL *, int, void *);
int SSL_set_max_early_data(SSL *, uint32_t);
int SSL_set_num_tickets(SSL *, size_t);
uint64_t SSL_set_options(SSL *, uint64_t);
void SSL_set_security_callback(SSL *, int (*)(const SSL *, const SSL_CTX *, int, int, int, void *, void *));
void SSL_set_security_level(SSL *, int);
int SSL_set_session(SSL *, SSL_SESSION *);
void SSL_set_shutdown(SSL *, int);
void SSL_set_tmp_dh_callback(SSL *, DH *(*)(SSL *, int, int));
void SSL_set_verify(SSL *, int, SSL_verify_cb);

/* BIOs that have a connection inside. */
const BIO_METHOD *BIO_f_ssl(void);
BIO *BIO_new_buffer_ssl_connect(SSL_CTX *);
BIO *BIO_new_ssl(SSL_CTX *, int);
BIO *BIO_new_ssl_connect(SSL_CTX *);

#endif
