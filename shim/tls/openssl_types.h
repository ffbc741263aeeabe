/*
 * Types of OpenSSL's interface, 1.1.1 to 3.x: structures that only OpenSSL looks into, and the types of callbacks.
 * The tags are those of OpenSSL's headers, so a file may include both. Source: openssl/types.h and the manual pages
 * that are named; tests/apps/project/test_headers.py compares them with OpenSSL's headers.
 */
#ifndef PFSWRAP_TLS_OPENSSL_TYPES_H
#define PFSWRAP_TLS_OPENSSL_TYPES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* libssl */
typedef struct ssl_st SSL;
typedef struct ssl_ctx_st SSL_CTX;
typedef struct ssl_cipher_st SSL_CIPHER;
typedef struct ssl_conf_ctx_st SSL_CONF_CTX;
typedef struct ssl_method_st SSL_METHOD;
typedef struct ssl_session_st SSL_SESSION;

/* libcrypto */
typedef struct asn1_string_st ASN1_TIME;
typedef struct bio_st BIO;
typedef struct bio_method_st BIO_METHOD;
typedef union bio_addr_st BIO_ADDR;
typedef struct crypto_ex_data_st CRYPTO_EX_DATA;
typedef struct dh_st DH;
typedef struct ec_group_st EC_GROUP;
typedef struct ec_key_st EC_KEY;
typedef struct engine_st ENGINE;
typedef struct evp_md_st EVP_MD;
typedef struct evp_pkey_st EVP_PKEY;
typedef struct ossl_init_settings_st OPENSSL_INIT_SETTINGS;
typedef struct X509_pubkey_st X509_PUBKEY;
typedef struct X509_name_st X509_NAME;
typedef struct X509_VERIFY_PARAM_st X509_VERIFY_PARAM;
typedef struct x509_st X509;
typedef struct x509_store_st X509_STORE;
typedef struct x509_store_ctx_st X509_STORE_CTX;
typedef struct ctlog_store_st CTLOG_STORE;
typedef struct ct_policy_eval_ctx_st CT_POLICY_EVAL_CTX;
typedef struct sct_st SCT;
struct ossl_lib_ctx_st; /* OSSL_LIB_CTX, since 3.0 */

/* Stacks (DEFINE_STACK_OF(3)): each kind has a tag of its own, and all are an OPENSSL_STACK. */
typedef struct stack_st OPENSSL_STACK;
struct stack_st_SCT;
struct stack_st_SSL_CIPHER;
struct stack_st_X509;
#ifndef STACK_OF
#define STACK_OF(type) struct stack_st_##type
#endif

/* CRYPTO_get_ex_new_index(3). The third parameter of the last one is a pointer to a pointer since 3.0. */
typedef void CRYPTO_EX_new(void *parent, void *value, CRYPTO_EX_DATA *data, int index, long number, void *argument);
typedef void CRYPTO_EX_free(void *parent, void *value, CRYPTO_EX_DATA *data, int index, long number,
                            void *argument);
typedef int CRYPTO_EX_dup(CRYPTO_EX_DATA *to, const CRYPTO_EX_DATA *from, void **value, int index, long number,
                          void *argument);

/* CRYPTO_get_mem_functions(3): with the file and line of the call. */
typedef void *(*CRYPTO_malloc_fn)(size_t size, const char *file, int line);
typedef void *(*CRYPTO_realloc_fn)(void *memory, size_t size, const char *file, int line);
typedef void (*CRYPTO_free_fn)(void *memory, const char *file, int line);

/* BIO_callback_ctrl(3) */
typedef int BIO_info_cb(BIO *bio, int state, int result);

/* SSL_CTX_set_verify(3), SSL_CTX_set_keylog_callback(3), SSL_CTX_set_alpn_select_cb(3) */
typedef int (*SSL_verify_cb)(int is_valid, X509_STORE_CTX *verification);
typedef void (*SSL_CTX_keylog_cb_func)(const SSL *ssl, const char *line);
typedef int (*SSL_CTX_alpn_select_cb_func)(SSL *ssl, const unsigned char **selected, unsigned char *selected_length,
                                           const unsigned char *offered, unsigned int offered_length,
                                           void *argument);

/* SSL_set_ct_validation_callback(3) */
typedef int (*ssl_ct_validation_cb)(const CT_POLICY_EVAL_CTX *context, const STACK_OF(SCT) * scts, void *argument);

/* SSL_CTX_set_session_ticket_cb(3) */
typedef int SSL_TICKET_STATUS;
typedef int SSL_TICKET_RETURN;
typedef int (*SSL_CTX_generate_session_ticket_fn)(SSL *ssl, void *argument);
typedef SSL_TICKET_RETURN (*SSL_CTX_decrypt_session_ticket_fn)(SSL *ssl, SSL_SESSION *session,
                                                               const unsigned char *name, size_t name_length,
                                                               SSL_TICKET_STATUS status, void *argument);

#endif
