/*
 * The libssl libraries in this process: OpenSSL 1.1.1 and 3.x, as many as are loaded. Each has a table of its real
 * functions and those of its libcrypto. Libraries are found by the symbols that mapped objects define, so it does
 * not matter how they were loaded.
 */
#ifndef PFSWRAP_TLS_LIBSSL_H
#define PFSWRAP_TLS_LIBSSL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/handshake_reporter.h"
#include "tls/openssl.h"

/* A library that lacks one of these functions is not supported. */
#define LIBSSL_REQUIRED(X)                                                                                         \
    X(BIO_f_ssl)                                                                                                   \
    X(DTLS_client_method)                                                                                          \
    X(DTLS_method)                                                                                                 \
    X(DTLS_server_method)                                                                                          \
    X(DTLSv1_listen)                                                                                               \
    X(OPENSSL_init_ssl)                                                                                            \
    X(SSL_accept)                                                                                                  \
    X(SSL_CIPHER_get_id)                                                                                           \
    X(SSL_CIPHER_get_kx_nid)                                                                                       \
    X(SSL_CIPHER_get_name)                                                                                         \
    X(SSL_CIPHER_is_aead)                                                                                          \
    X(SSL_clear)                                                                                                   \
    X(SSL_clear_options)                                                                                           \
    X(SSL_CONF_cmd)                                                                                                \
    X(SSL_CONF_cmd_argv)                                                                                           \
    X(SSL_config)                                                                                                  \
    X(SSL_CTX_config)                                                                                              \
    X(SSL_connect)                                                                                                 \
    X(SSL_ctrl)                                                                                                    \
    X(SSL_CTX_ctrl)                                                                                                \
    X(SSL_CTX_free)                                                                                                \
    X(SSL_CTX_get_cert_store)                                                                                      \
    X(SSL_CTX_get_ciphers)                                                                                         \
    X(SSL_CTX_get_ex_data)                                                                                         \
    X(SSL_CTX_get_keylog_callback)                                                                                 \
    X(SSL_CTX_get_options)                                                                                         \
    X(SSL_CTX_get_security_callback)                                                                               \
    X(SSL_CTX_get_security_level)                                                                                  \
    X(SSL_CTX_set_security_level)                                                                                  \
    X(SSL_CTX_get_ssl_method)                                                                                      \
    X(SSL_CTX_new)                                                                                                 \
    X(SSL_CTX_sess_get_get_cb)                                                                                     \
    X(SSL_CTX_sess_set_get_cb)                                                                                     \
    X(SSL_CTX_set_alpn_protos)                                                                                     \
    X(SSL_CTX_set_alpn_select_cb)                                                                                  \
    X(SSL_CTX_set_cipher_list)                                                                                     \
    X(SSL_CTX_set_ciphersuites)                                                                                    \
    X(SSL_CTX_set_ex_data)                                                                                         \
    X(SSL_CTX_set_keylog_callback)                                                                                 \
    X(SSL_CTX_set_security_callback)                                                                               \
    X(SSL_CTX_set_session_id_context)                                                                              \
    X(SSL_CTX_set_session_ticket_cb)                                                                               \
    X(SSL_CTX_set_ssl_version)                                                                                     \
    X(SSL_CTX_set_tmp_dh_callback)                                                                                 \
    X(SSL_do_handshake)                                                                                            \
    X(SSL_export_keying_material)                                                                                  \
    X(SSL_get1_supported_ciphers)                                                                                  \
    X(SSL_get_certificate)                                                                                         \
    X(SSL_get_ciphers)                                                                                             \
    X(SSL_get_current_cipher)                                                                                      \
    X(SSL_get_error)                                                                                               \
    X(SSL_get_ex_data)                                                                                             \
    X(SSL_get_max_early_data)                                                                                      \
    X(SSL_get_num_tickets)                                                                                         \
    X(SSL_get_options)                                                                                             \
    X(SSL_get_peer_cert_chain)                                                                                     \
    X(SSL_get_quiet_shutdown)                                                                                      \
    X(SSL_get_rbio)                                                                                                \
    X(SSL_get_rfd)                                                                                                 \
    X(SSL_get_security_callback)                                                                                   \
    X(SSL_get_security_level)                                                                                      \
    X(SSL_set_security_level)                                                                                      \
    X(SSL_get_servername)                                                                                          \
    X(SSL_get_session)                                                                                             \
    X(SSL_get_shutdown)                                                                                            \
    X(SSL_get_SSL_CTX)                                                                                             \
    X(SSL_get_ssl_method)                                                                                          \
    X(SSL_get_state)                                                                                               \
    X(SSL_get_verify_mode)                                                                                         \
    X(SSL_get_verify_result)                                                                                       \
    X(SSL_get_version)                                                                                             \
    X(SSL_get_wbio)                                                                                                \
    X(SSL_get_wfd)                                                                                                 \
    X(SSL_has_pending)                                                                                             \
    X(SSL_in_init)                                                                                                 \
    X(SSL_is_dtls)                                                                                                 \
    X(SSL_is_init_finished)                                                                                        \
    X(SSL_is_server)                                                                                               \
    X(SSL_new)                                                                                                     \
    X(SSL_peek)                                                                                                    \
    X(SSL_peek_ex)                                                                                                 \
    X(SSL_pending)                                                                                                 \
    X(SSL_read)                                                                                                    \
    X(SSL_read_early_data)                                                                                         \
    X(SSL_read_ex)                                                                                                 \
    X(SSL_SESSION_free)                                                                                            \
    X(SSL_SESSION_get_protocol_version)                                                                            \
    X(SSL_SESSION_has_ticket)                                                                                      \
    X(SSL_session_reused)                                                                                          \
    X(SSL_set_accept_state)                                                                                        \
    X(SSL_set_alpn_protos)                                                                                         \
    X(SSL_set_cipher_list)                                                                                         \
    X(SSL_set_ciphersuites)                                                                                        \
    X(SSL_set_connect_state)                                                                                       \
    X(SSL_set_ex_data)                                                                                             \
    X(SSL_set_max_early_data)                                                                                      \
    X(SSL_set_num_tickets)                                                                                         \
    X(SSL_set_options)                                                                                             \
    X(SSL_set_security_callback)                                                                                   \
    X(SSL_set_session)                                                                                             \
    X(SSL_set_shutdown)                                                                                            \
    X(SSL_set_SSL_CTX)                                                                                             \
    X(SSL_set_ssl_method)                                                                                          \
    X(SSL_set_tmp_dh_callback)                                                                                     \
    X(SSL_set_verify)                                                                                              \
    X(SSL_shutdown)                                                                                                \
    X(SSL_stateless)                                                                                               \
    X(SSL_version)                                                                                                 \
    X(SSL_want)                                                                                                    \
    X(SSL_write)                                                                                                   \
    X(SSL_write_early_data)                                                                                        \
    X(SSL_write_ex)                                                                                                \
    X(TLS_client_method)                                                                                           \
    X(TLS_method)                                                                                                  \
    X(TLS_server_method)

/* Methods for a single version. A build may lack some of them. */
#define LIBSSL_FIXED_METHODS(X)                                                                                    \
    X(SSLv3, 0x0300, TLS)                                                                                          \
    X(TLSv1, 0x0301, TLS)                                                                                          \
    X(TLSv1_1, 0x0302, TLS)                                                                                        \
    X(TLSv1_2, 0x0303, TLS)                                                                                        \
    X(DTLSv1, 0xfeff, DTLS)                                                                                        \
    X(DTLSv1_2, 0xfefd, DTLS)

/* Functions that only some versions have; else NULL. */
#define LIBSSL_OPTIONAL(X)                                                                                         \
    X(SSL_CTX_new_ex)                                                                                              \
    X(SSL_CTX_set0_tmp_dh_pkey)                                                                                    \
    X(SSL_set0_tmp_dh_pkey)                                                                                        \
    X(SSL_ct_is_enabled)                                                                                           \
    X(SSL_get0_group_name)                                                                                         \
    X(SSL_get0_peer_scts)                                                                                          \
    X(SSL_get0_verified_chain)                                                                                     \
    X(SSL_get1_peer_certificate)                                                                                   \
    X(SSL_get_peer_certificate)                                                                                    \
    X(SSL_is_quic)                                                                                                 \
    X(SSL_SESSION_get0_peer)                                                                                       \
    X(SSL_sendfile)                                                                                                \
    X(SSL_set_ct_validation_callback)                                                                              \
    X(SSL_write_ex2)

#define LIBCRYPTO_REQUIRED(X)                                                                                      \
    X(BIO_clear_flags)                                                                                             \
    X(BIO_ctrl)                                                                                                    \
    X(BIO_f_buffer)                                                                                                \
    X(BIO_free)                                                                                                    \
    X(BIO_meth_get_callback_ctrl)                                                                                  \
    X(BIO_meth_get_create)                                                                                         \
    X(BIO_meth_get_ctrl)                                                                                           \
    X(BIO_meth_get_destroy)                                                                                        \
    X(BIO_meth_get_puts)                                                                                           \
    X(BIO_meth_get_read_ex)                                                                                        \
    X(BIO_meth_get_write_ex)                                                                                       \
    X(BIO_meth_new)                                                                                                \
    X(BIO_meth_set_callback_ctrl)                                                                                  \
    X(BIO_meth_set_create)                                                                                         \
    X(BIO_meth_set_ctrl)                                                                                           \
    X(BIO_meth_set_destroy)                                                                                        \
    X(BIO_meth_set_puts)                                                                                           \
    X(BIO_meth_set_read_ex)                                                                                        \
    X(BIO_meth_set_write_ex)                                                                                       \
    X(BIO_new)                                                                                                     \
    X(BIO_push)                                                                                                    \
    X(BIO_s_connect)                                                                                               \
    X(BIO_set_flags)                                                                                               \
    X(BIO_set_retry_reason)                                                                                        \
    X(CRYPTO_free)                                                                                                 \
    X(CRYPTO_get_ex_new_index)                                                                                     \
    X(CRYPTO_get_mem_functions)                                                                                    \
    X(CRYPTO_zalloc)                                                                                               \
    X(EC_GROUP_get_curve_name)                                                                                     \
    X(EC_KEY_get0_group)                                                                                           \
    X(ERR_add_error_data)                                                                                          \
    X(ERR_peek_last_error)                                                                                         \
    X(ERR_pop_to_mark)                                                                                             \
    X(ERR_reason_error_string)                                                                                     \
    X(ERR_set_mark)                                                                                                \
    X(EVP_Digest)                                                                                                  \
    X(EVP_PKEY_free)                                                                                               \
    X(EVP_PKEY_get0_EC_KEY)                                                                                        \
    X(EVP_sha256)                                                                                                  \
    X(i2d_X509_PUBKEY)                                                                                             \
    X(OPENSSL_sk_num)                                                                                              \
    X(OPENSSL_sk_value)                                                                                            \
    X(X509_free)                                                                                                   \
    X(X509_get0_pubkey)                                                                                            \
    X(X509_get_X509_PUBKEY)                                                                                        \
    X(X509_STORE_CTX_free)                                                                                         \
    X(X509_STORE_CTX_get0_param)                                                                                   \
    X(X509_STORE_CTX_get_error)                                                                                    \
    X(X509_STORE_CTX_init)                                                                                         \
    X(X509_STORE_CTX_new)                                                                                          \
    X(X509_STORE_CTX_set_default)                                                                                  \
    X(X509_STORE_free)                                                                                             \
    X(X509_STORE_up_ref)                                                                                           \
    X(X509_STORE_load_locations)                                                                                   \
    X(X509_STORE_new)                                                                                              \
    X(X509_STORE_set_default_paths)                                                                                \
    X(X509_verify_cert)                                                                                            \
    X(X509_verify_cert_error_string)                                                                               \
    X(X509_VERIFY_PARAM_set_auth_level)                                                                            \
    X(X509_VERIFY_PARAM_set1_host)

#define LIBCRYPTO_OPTIONAL(X)                                                                                      \
    X(CT_POLICY_EVAL_CTX_free)                                                                                     \
    X(CT_POLICY_EVAL_CTX_new)                                                                                      \
    X(CT_POLICY_EVAL_CTX_set1_cert)                                                                                \
    X(CT_POLICY_EVAL_CTX_set1_issuer)                                                                              \
    X(CT_POLICY_EVAL_CTX_set_shared_CTLOG_STORE)                                                                   \
    X(CTLOG_STORE_free)                                                                                            \
    X(CTLOG_STORE_load_file)                                                                                       \
    X(CTLOG_STORE_new)                                                                                             \
    X(i2o_SCT)                                                                                                     \
    X(o2i_SCT)                                                                                                     \
    X(SCT_free)                                                                                                    \
    X(SCT_get_source)                                                                                              \
    X(SCT_get_validation_status)                                                                                   \
    X(SCT_set_source)                                                                                              \
    X(SCT_validate)                                                                                                \
    X(ERR_new)                                                                                                     \
    X(ERR_put_error)                                                                                               \
    X(ERR_set_debug)                                                                                               \
    X(ERR_set_error)                                                                                               \
    X(EVP_PKEY_get_id)                                                                                             \
    X(EVP_PKEY_id)                                                                                                 \
    X(ASN1_TIME_diff)                                                                                              \
    X(EVP_PKEY_bits)                                                                                               \
    X(EVP_PKEY_get_bits)                                                                                           \
    X(OBJ_nid2sn)                                                                                                  \
    X(X509_digest)                                                                                                 \
    X(X509_get0_notAfter)                                                                                          \
    X(X509_get0_notBefore)                                                                                         \
    X(X509_get_ext_by_NID)                                                                                         \
    X(X509_get_extension_flags)                                                                                    \
    X(X509_get_signature_info)                                                                                     \
    X(X509_get_signature_nid)                                                                                      \
    X(X509_get_subject_name)                                                                                       \
    X(X509_NAME_oneline)

/* A method for a single version, and its replacement. */
struct libssl_method {
    const SSL_METHOD *fixed;    /* NULL: the build lacks it */
    const SSL_METHOD *flexible; /* of the same role, and TLS or DTLS like it */
    int version;                /* 0x0300 to 0x0303, 0xfeff, 0xfefd */
};

enum { LIBSSL_METHODS = 18, LIBSSL_MAX = 8, LIBSSL_LIST_MAX = 512 };

struct libssl {
#define X(name) __typeof__(name) *name;
    LIBSSL_REQUIRED(X)
    LIBSSL_OPTIONAL(X)
    LIBCRYPTO_REQUIRED(X)
    LIBCRYPTO_OPTIONAL(X)
#undef X
    struct libssl_method methods[LIBSSL_METHODS];
    const char *name;                    /* the path that the dynamic loader has, or "the program itself" */
    const char *soname;                  /* NULL for an executable */
    const char *missing;                 /* the first required function that it lacks; NULL: it is supported */
    uintptr_t first, last;               /* the addresses of its segments, `last` exclusive */
    uintptr_t crypto_first, crypto_last; /* the same for its libcrypto */
    bool is_library;                     /* false: an executable that contains libssl */
    int index;                           /* 0 to LIBSSL_MAX - 1 */
    int context_index, connection_index; /* the ex_data indexes of the shim's records; -1: none yet */
    const BIO_METHOD *bio_method;        /* the shim's copy of BIO_f_ssl(); NULL until needed (bio.c) */
    char groups[LIBSSL_LIST_MAX];        /* the policy's groups that the library knows (groups.c) */
    bool groups_known;                   /* `groups` is valid */
};

/*
 * The library that contains `method`, that created the context or connection, or that the code at `caller` is
 * linked with. NULL: no libssl is loaded. While a process has one libssl, a look-up costs a load and a comparison.
 */
struct libssl *libssl_of_method(const SSL_METHOD *method, const void *caller);
struct libssl *libssl_of_context(const SSL_CTX *context, const void *caller);
struct libssl *libssl_of_connection(const SSL *connection, const void *caller);
struct libssl *libssl_of_caller(const void *caller);

/* The library whose segments, or whose libcrypto's, contain `address`; or NULL. */
struct libssl *libssl_containing(const void *address);

/*
 * Whether `caller` is code of the library. Debian's libssl calls some of its own functions through the dynamic
 * linker, which binds those calls to the interposed functions.
 */
static inline bool libssl_is_inside(const struct libssl *lib, const void *caller)
{
    return (uintptr_t)caller >= lib->first && (uintptr_t)caller < lib->last && lib->is_library;
}

/* Whether a libssl is loaded, supported or not; and whether a libssl defines `function`. */
bool libssl_is_loaded(void);
bool libssl_defines(const void *function);

/*
 * Whether the executable contains libssl. Its own calls do not pass the dynamic linker, so they are not interposed.
 */
bool libssl_is_in_executable(void);

/* Registers the loaded libraries. Ends the process with exit status 125 if one of them is not supported. */
void libssl_require_supported(void);

/* The handshakes of libssl libraries, which this module reports (report.h). */
extern const struct handshake_reporter libssl_reporter;

/* In an interposed function: an address in the code that called it. */
#define CALLER __builtin_return_address(0)

#endif
