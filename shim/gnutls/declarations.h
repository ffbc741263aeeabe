/*
 * The interface of GnuTLS, 3.6 and later, in declarations of the shim's own: GnuTLS's headers are not needed to
 * build it. Types are opaque, and functions are declared as in the manual pages with the same names.
 * tests/apps/project/test_headers.py compares them with GnuTLS's headers.
 */
#ifndef PFSWRAP_GNUTLS_DECLARATIONS_H
#define PFSWRAP_GNUTLS_DECLARATIONS_H

#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifndef PFSWRAP_HEADERS_OF_GNUTLS /* test_headers.py has them from GnuTLS's own */
#include "gnutls/constants.h"
#endif

typedef struct gnutls_priority_st *gnutls_priority_t;
typedef struct gnutls_pubkey_st *gnutls_pubkey_t;
typedef struct gnutls_session_int *gnutls_session_t;
typedef struct gnutls_x509_crt_int *gnutls_x509_crt_t;
typedef struct gnutls_x509_trust_list_st *gnutls_x509_trust_list_t;

/* What a transport function gets (gnutls_transport_set_ptr(3)). */
typedef void *gnutls_transport_ptr_t;
typedef struct iovec giovec_t;
typedef ssize_t (*gnutls_pull_func)(gnutls_transport_ptr_t transport, void *buffer, size_t size);
typedef ssize_t (*gnutls_push_func)(gnutls_transport_ptr_t transport, const void *data, size_t size);
typedef ssize_t (*gnutls_vec_push_func)(gnutls_transport_ptr_t transport, const giovec_t *parts, int count);

/* gnutls_session_set_keylog_function(3) */
typedef int (*gnutls_keylog_func)(gnutls_session_t session, const char *label, const gnutls_datum_t *secret);

/* gnutls_x509_trust_list_verify_crt2(3): a callback for each step, which the shim does not use */
struct gnutls_x509_crl_int;
typedef int gnutls_verify_output_function(gnutls_x509_crt_t certificate, gnutls_x509_crt_t issuer,
                                          struct gnutls_x509_crl_int *list, unsigned int output);

/* The library, sessions and errors. */
int gnutls_init(gnutls_session_t *, unsigned int);
void gnutls_deinit(gnutls_session_t);
int gnutls_error_is_fatal(int);
const char *gnutls_strerror(int);
int gnutls_session_ticket_enable_server(gnutls_session_t, const gnutls_datum_t *);
int gnutls_session_set_data(gnutls_session_t, const void *, size_t);
int gnutls_session_is_resumed(gnutls_session_t);
const char *gnutls_check_version(const char *);
void gnutls_session_set_keylog_function(gnutls_session_t, gnutls_keylog_func);

/* Priorities. */
int gnutls_priority_init(gnutls_priority_t *, const char *, const char **);
int gnutls_priority_init2(gnutls_priority_t *, const char *, const char **, unsigned int);
void gnutls_priority_deinit(gnutls_priority_t);
int gnutls_priority_set(gnutls_session_t, gnutls_priority_t);
int gnutls_priority_set_direct(gnutls_session_t, const char *, const char **);
int gnutls_priority_sign_list(gnutls_priority_t, const unsigned int **);
int gnutls_priority_protocol_list(gnutls_priority_t, const unsigned int **);
int gnutls_priority_group_list(gnutls_priority_t, const unsigned int **);
int gnutls_priority_kx_list(gnutls_priority_t, const unsigned int **);
int gnutls_priority_cipher_list(gnutls_priority_t, const unsigned int **);
int gnutls_set_default_priority(gnutls_session_t);
int gnutls_set_default_priority_append(gnutls_session_t, const char *, const char **, unsigned int);

/* Handshakes, alerts, and what was negotiated. */
int gnutls_handshake(gnutls_session_t);
gnutls_alert_description_t gnutls_alert_get(gnutls_session_t);
const char *gnutls_alert_get_name(gnutls_alert_description_t);
const char *gnutls_group_get_name(gnutls_group_t);
gnutls_group_t gnutls_group_get(gnutls_session_t);
gnutls_cipher_algorithm_t gnutls_cipher_get(gnutls_session_t);
gnutls_kx_algorithm_t gnutls_kx_get(gnutls_session_t);
gnutls_mac_algorithm_t gnutls_mac_get(gnutls_session_t);
const char *gnutls_cipher_get_name(gnutls_cipher_algorithm_t);
gnutls_cipher_algorithm_t gnutls_cipher_get_id(const char *);
gnutls_group_t gnutls_group_get_id(const char *);
ssize_t gnutls_record_send_early_data(gnutls_session_t, const void *, size_t);
int gnutls_server_name_set(gnutls_session_t, gnutls_server_name_type_t, const void *, size_t);
int gnutls_server_name_get(gnutls_session_t, void *, size_t *, unsigned int *, unsigned int);
gnutls_protocol_t gnutls_protocol_get_version(gnutls_session_t);
const char *gnutls_protocol_get_name(gnutls_protocol_t);

/* Transport. */
gnutls_transport_ptr_t gnutls_transport_get_ptr(gnutls_session_t);
void gnutls_transport_set_vec_push_function(gnutls_session_t, gnutls_vec_push_func);
void gnutls_transport_set_push_function(gnutls_session_t, gnutls_push_func);
void gnutls_transport_set_pull_function(gnutls_session_t, gnutls_pull_func);

/* Certificates and keys. */
int gnutls_fingerprint(gnutls_digest_algorithm_t, const gnutls_datum_t *, void *, size_t *);
void gnutls_certificate_server_set_request(gnutls_session_t, gnutls_certificate_request_t);
const gnutls_datum_t *gnutls_certificate_get_peers(gnutls_session_t, unsigned int *);
int gnutls_x509_crt_init(gnutls_x509_crt_t *);
void gnutls_x509_crt_deinit(gnutls_x509_crt_t);
int gnutls_x509_crt_import(gnutls_x509_crt_t, const gnutls_datum_t *, gnutls_x509_crt_fmt_t);
int gnutls_x509_trust_list_init(gnutls_x509_trust_list_t *, unsigned int);
void gnutls_x509_trust_list_deinit(gnutls_x509_trust_list_t, unsigned int);
int gnutls_x509_trust_list_verify_crt2(gnutls_x509_trust_list_t, gnutls_x509_crt_t *, unsigned int,
                                       gnutls_typed_vdata_st *, unsigned int, unsigned int, unsigned int *,
                                       gnutls_verify_output_function *);
int gnutls_x509_trust_list_add_trust_file(gnutls_x509_trust_list_t, const char *, const char *,
                                          gnutls_x509_crt_fmt_t, unsigned int, unsigned int);
int gnutls_x509_trust_list_add_system_trust(gnutls_x509_trust_list_t, unsigned int, unsigned int);
int gnutls_pubkey_init(gnutls_pubkey_t *);
void gnutls_pubkey_deinit(gnutls_pubkey_t);
int gnutls_pubkey_import_x509(gnutls_pubkey_t, gnutls_x509_crt_t, unsigned int);
int gnutls_pubkey_export(gnutls_pubkey_t, gnutls_x509_crt_fmt_t, void *, size_t *);

#endif
