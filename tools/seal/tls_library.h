/*
 * The functions of OpenSSL that `pfswrap seal --tls` calls. The library is loaded when TLS is first used, so the
 * command works on systems without OpenSSL, and with the versions 1.1.1 to 3. Prototypes and numbers are those of
 * OpenSSL's manual pages and of openssl/ssl.h.
 */
#ifndef PFSWRAP_TOOLS_SEAL_TLS_LIBRARY_H
#define PFSWRAP_TOOLS_SEAL_TLS_LIBRARY_H

#include <stddef.h>

typedef int tls_alpn_select(void *ssl, const unsigned char **out, unsigned char *out_length,
                            const unsigned char *in, unsigned in_length, void *argument);

#define TLS_FUNCTIONS(X)                                                                                           \
    X(const void *, TLS_client_method, (void))                                                                     \
    X(const void *, TLS_server_method, (void))                                                                     \
    X(void *, SSL_CTX_new, (const void *method))                                                                   \
    X(void, SSL_CTX_free, (void *context))                                                                         \
    X(long, SSL_CTX_ctrl, (void *context, int command, long value, void *pointer))                                 \
    X(int, SSL_CTX_set_default_verify_paths, (void *context))                                                      \
    X(int, SSL_CTX_load_verify_locations, (void *context, const char *file, const char *folder))                   \
    X(void, SSL_CTX_set_verify, (void *context, int mode, void *callback))                                         \
    X(int, SSL_CTX_use_certificate_chain_file, (void *context, const char *file))                                  \
    X(int, SSL_CTX_use_PrivateKey_file, (void *context, const char *file, int type))                               \
    X(int, SSL_CTX_set_alpn_protos, (void *context, const unsigned char *protocols, unsigned length))              \
    X(void, SSL_CTX_set_alpn_select_cb, (void *context, tls_alpn_select *callback, void *argument))                \
    X(void *, SSL_new, (void *context))                                                                            \
    X(void, SSL_free, (void *ssl))                                                                                 \
    X(int, SSL_set_fd, (void *ssl, int fd))                                                                        \
    X(long, SSL_ctrl, (void *ssl, int command, long value, void *pointer))                                         \
    X(int, SSL_set1_host, (void *ssl, const char *name))                                                           \
    X(void *, SSL_get0_param, (void *ssl))                                                                         \
    X(int, X509_VERIFY_PARAM_set1_ip_asc, (void *parameters, const char *address))                                 \
    X(int, SSL_connect, (void *ssl))                                                                               \
    X(int, SSL_accept, (void *ssl))                                                                                \
    X(int, SSL_read, (void *ssl, void *buffer, int size))                                                          \
    X(int, SSL_write, (void *ssl, const void *data, int size))                                                     \
    X(int, SSL_shutdown, (void *ssl))                                                                              \
    X(int, SSL_get_error, (const void *ssl, int result))                                                           \
    X(int, SSL_version, (const void *ssl))                                                                         \
    X(const char *, SSL_get_version, (const void *ssl))                                                            \
    X(const void *, SSL_get_current_cipher, (const void *ssl))                                                     \
    X(const char *, SSL_CIPHER_get_name, (const void *cipher))                                                     \
    X(long, SSL_get_verify_result, (const void *ssl))                                                              \
    X(int, SSL_export_keying_material,                                                                             \
      (void *ssl, unsigned char *out, size_t size, const char *label, size_t label_length,                         \
       const unsigned char *context, size_t context_length, int use_context))                                      \
    X(const char *, X509_verify_cert_error_string, (long error))                                                   \
    X(void *, X509_get_subject_name, (const void *certificate))                                                    \
    X(char *, X509_NAME_oneline, (const void *name, char *buffer, int size))                                       \
    X(void, X509_free, (void *certificate))                                                                        \
    X(unsigned long, ERR_get_error, (void))                                                                        \
    X(void, ERR_clear_error, (void))                                                                               \
    X(const char *, ERR_reason_error_string, (unsigned long error))

struct tls_library {
#define X(type, name, arguments) type(*name) arguments;
    TLS_FUNCTIONS(X)
#undef X
    void *(*get_peer_certificate)(const void *ssl); /* SSL_get1_peer_certificate, before 3.0 another name */
};

/* Loads the library once. Returns it, or NULL with what is missing in problem[0..size). */
const struct tls_library *tls_library(char *problem, size_t size);

#endif
