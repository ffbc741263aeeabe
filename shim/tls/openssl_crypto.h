/*
 * Functions of libcrypto, 1.1.1 to 3.x, that the shim calls. The declarations are those of the
 * manual pages with the same names; where versions differ in a `const`, they are those of 3.0.
 * tests/apps/project/test_headers.py compares them with OpenSSL's headers.
 */
#ifndef PFSWRAP_TLS_OPENSSL_CRYPTO_H
#define PFSWRAP_TLS_OPENSSL_CRYPTO_H

#include "tls/openssl_types.h"

/* BIOs. */
void BIO_clear_flags(BIO *, int);
long BIO_ctrl(BIO *, int, long, void *);
const BIO_METHOD *BIO_f_buffer(void);
int BIO_free(BIO *);
long (*BIO_meth_get_callback_ctrl(const BIO_METHOD *))(BIO *, int, BIO_info_cb *);
int (*BIO_meth_get_create(const BIO_METHOD *))(BIO *);
long (*BIO_meth_get_ctrl(const BIO_METHOD *))(BIO *, int, long, void *);
int (*BIO_meth_get_destroy(const BIO_METHOD *))(BIO *);
int (*BIO_meth_get_puts(const BIO_METHOD *))(BIO *, const char *);
int (*BIO_meth_get_read_ex(const BIO_METHOD *))(BIO *, char *, size_t, size_t *);
int (*BIO_meth_get_write_ex(const BIO_METHOD *))(BIO *, const char *, size_t, size_t *);
BIO_METHOD *BIO_meth_new(int, const char *);
int BIO_meth_set_callback_ctrl(BIO_METHOD *, long (*)(BIO *, int, BIO_info_cb *));
int BIO_meth_set_create(BIO_METHOD *, int (*)(BIO *));
int BIO_meth_set_ctrl(BIO_METHOD *, long (*)(BIO *, int, long, void *));
int BIO_meth_set_destroy(BIO_METHOD *, int (*)(BIO *));
int BIO_meth_set_puts(BIO_METHOD *, int (*)(BIO *, const char *));
int BIO_meth_set_read_ex(BIO_METHOD *, int (*)(BIO *, char *, size_t, size_t *));
int BIO_meth_set_write_ex(BIO_METHOD *, int (*)(BIO *, const char *, size_t, size_t *));
BIO *BIO_new(const BIO_METHOD *);
BIO *BIO_push(BIO *, BIO *);
const BIO_METHOD *BIO_s_connect(void);
void BIO_set_flags(BIO *, int);
void BIO_set_retry_reason(BIO *, int);

/* Memory, extra data and stacks. */
void CRYPTO_free(void *, const char *, int);
int CRYPTO_get_ex_new_index(int, long, void *, CRYPTO_EX_new *, CRYPTO_EX_dup *, CRYPTO_EX_free *);
void CRYPTO_get_mem_functions(CRYPTO_malloc_fn *, CRYPTO_realloc_fn *, CRYPTO_free_fn *);
void *CRYPTO_zalloc(size_t, const char *, int);
void OPENSSL_cleanse(void *, size_t);
int OPENSSL_sk_num(const OPENSSL_STACK *);
void *OPENSSL_sk_value(const OPENSSL_STACK *, int);

/* The error queue. ERR_put_error exists up to 1.1.1, and as a function for old programs since; the others of 3.0
 * follow. */
void ERR_add_error_data(int, ...);
void ERR_new(void);
unsigned long ERR_peek_last_error(void);
int ERR_pop_to_mark(void);
const char *ERR_reason_error_string(unsigned long);
void ERR_set_debug(const char *, int, const char *);
void ERR_set_error(int, int, const char *, ...);
int ERR_set_mark(void);
void ERR_put_error(int, int, int, const char *, int);

/* Keys and hashes. */
int EC_GROUP_get_curve_name(const EC_GROUP *);
const EC_GROUP *EC_KEY_get0_group(const EC_KEY *);
int EVP_Digest(const void *, size_t, unsigned char *, unsigned int *, const EVP_MD *, ENGINE *);
void EVP_PKEY_free(EVP_PKEY *);
const EC_KEY *EVP_PKEY_get0_EC_KEY(const EVP_PKEY *);
int EVP_PKEY_get_id(const EVP_PKEY *);
const EVP_MD *EVP_sha256(void);
int EVP_PKEY_id(const EVP_PKEY *);
int EVP_PKEY_bits(const EVP_PKEY *);
int EVP_PKEY_get_bits(const EVP_PKEY *);
const char *OBJ_nid2sn(int);

/* Certificates. */
int ASN1_TIME_diff(int *, int *, const ASN1_TIME *, const ASN1_TIME *);
char *X509_NAME_oneline(const X509_NAME *, char *, int);
int X509_digest(const X509 *, const EVP_MD *, unsigned char *, unsigned int *);
const ASN1_TIME *X509_get0_notAfter(const X509 *);
const ASN1_TIME *X509_get0_notBefore(const X509 *);
int X509_get_ext_by_NID(const X509 *, int, int);
uint32_t X509_get_extension_flags(X509 *);
int X509_get_signature_info(X509 *, int *, int *, int *, uint32_t *);
int X509_get_signature_nid(const X509 *);
X509_NAME *X509_get_subject_name(const X509 *);
void X509_STORE_CTX_free(X509_STORE_CTX *);
X509_VERIFY_PARAM *X509_STORE_CTX_get0_param(const X509_STORE_CTX *);
int X509_STORE_CTX_get_error(const X509_STORE_CTX *);
int X509_STORE_CTX_init(X509_STORE_CTX *, X509_STORE *, X509 *, STACK_OF(X509) *);
X509_STORE_CTX *X509_STORE_CTX_new(void);
int X509_STORE_CTX_set_default(X509_STORE_CTX *, const char *);
void X509_STORE_free(X509_STORE *);
int X509_STORE_up_ref(X509_STORE *);
int X509_STORE_load_locations(X509_STORE *, const char *, const char *);
X509_STORE *X509_STORE_new(void);
int X509_STORE_set_default_paths(X509_STORE *);
int X509_VERIFY_PARAM_set1_host(X509_VERIFY_PARAM *, const char *, size_t);
void X509_VERIFY_PARAM_set_auth_level(X509_VERIFY_PARAM *, int);
void X509_free(X509 *);
EVP_PKEY *X509_get0_pubkey(const X509 *);
X509_PUBKEY *X509_get_X509_PUBKEY(const X509 *);
int X509_verify_cert(X509_STORE_CTX *);
const char *X509_verify_cert_error_string(long);
int i2d_X509_PUBKEY(const X509_PUBKEY *, unsigned char **);

/* Certificate Transparency. A build with no-ct has none of these. */
void CT_POLICY_EVAL_CTX_free(CT_POLICY_EVAL_CTX *);
CT_POLICY_EVAL_CTX *CT_POLICY_EVAL_CTX_new(void);
int CT_POLICY_EVAL_CTX_set1_cert(CT_POLICY_EVAL_CTX *, X509 *);
int CT_POLICY_EVAL_CTX_set1_issuer(CT_POLICY_EVAL_CTX *, X509 *);
void CT_POLICY_EVAL_CTX_set_shared_CTLOG_STORE(CT_POLICY_EVAL_CTX *, CTLOG_STORE *);
void CTLOG_STORE_free(CTLOG_STORE *);
int CTLOG_STORE_load_file(CTLOG_STORE *, const char *);
CTLOG_STORE *CTLOG_STORE_new(void);
void SCT_free(SCT *);
sct_source_t SCT_get_source(const SCT *);
sct_validation_status_t SCT_get_validation_status(const SCT *);
int SCT_set_source(SCT *, sct_source_t);
int SCT_validate(SCT *, const CT_POLICY_EVAL_CTX *);
int i2o_SCT(const SCT *, unsigned char **);
SCT *o2i_SCT(SCT **, const unsigned char **, size_t);

#endif
