/*
 * The GnuTLS library of this process, and a table of its real functions. It is recognised by the symbols it
 * defines, never by its file name. A process has at most one. In a process without GnuTLS, a look-up reads the list
 * of loaded objects.
 */
#ifndef PFSWRAP_GNUTLS_LIBRARY_H
#define PFSWRAP_GNUTLS_LIBRARY_H

#include <stdbool.h>
#include <stdint.h>

#include "audit/handshake_reporter.h"
#include "gnutls/declarations.h"

/* A library that lacks one of these functions is not supported. */
#define GNUTLS_REQUIRED(X)                                                                                         \
    X(gnutls_init)                                                                                                 \
    X(gnutls_check_version)                                                                                        \
    X(gnutls_deinit)                                                                                               \
    X(gnutls_handshake)                                                                                            \
    X(gnutls_priority_init)                                                                                        \
    X(gnutls_priority_init2)                                                                                       \
    X(gnutls_priority_deinit)                                                                                      \
    X(gnutls_priority_set)                                                                                         \
    X(gnutls_priority_set_direct)                                                                                  \
    X(gnutls_set_default_priority)                                                                                 \
    X(gnutls_set_default_priority_append)                                                                          \
    X(gnutls_priority_protocol_list)                                                                               \
    X(gnutls_priority_group_list)                                                                                  \
    X(gnutls_priority_cipher_list)                                                                                 \
    X(gnutls_priority_kx_list)                                                                                     \
    X(gnutls_priority_sign_list)                                                                                   \
    X(gnutls_group_get_id)                                                                                         \
    X(gnutls_cipher_get_id)                                                                                        \
    X(gnutls_protocol_get_version)                                                                                 \
    X(gnutls_protocol_get_name)                                                                                    \
    X(gnutls_group_get)                                                                                            \
    X(gnutls_group_get_name)                                                                                       \
    X(gnutls_kx_get)                                                                                               \
    X(gnutls_cipher_get)                                                                                           \
    X(gnutls_cipher_get_name)                                                                                      \
    X(gnutls_mac_get)                                                                                              \
    X(gnutls_session_is_resumed)                                                                                   \
    X(gnutls_session_set_data)                                                                                     \
    X(gnutls_session_ticket_enable_server)                                                                         \
    X(gnutls_session_set_keylog_function)                                                                          \
    X(gnutls_server_name_get)                                                                                      \
    X(gnutls_transport_get_ptr)                                                                                    \
    X(gnutls_transport_set_push_function)                                                                          \
    X(gnutls_transport_set_vec_push_function)                                                                      \
    X(gnutls_transport_set_pull_function)                                                                          \
    X(gnutls_error_is_fatal)                                                                                       \
    X(gnutls_strerror)                                                                                             \
    X(gnutls_alert_get)                                                                                            \
    X(gnutls_alert_get_name)                                                                                       \
    X(gnutls_certificate_get_peers)                                                                                \
    X(gnutls_certificate_server_set_request)                                                                       \
    X(gnutls_server_name_set)                                                                                      \
    X(gnutls_fingerprint)                                                                                          \
    X(gnutls_x509_crt_init)                                                                                        \
    X(gnutls_x509_crt_deinit)                                                                                      \
    X(gnutls_x509_crt_import)                                                                                      \
    X(gnutls_x509_trust_list_init)                                                                                 \
    X(gnutls_x509_trust_list_deinit)                                                                               \
    X(gnutls_x509_trust_list_add_trust_file)                                                                       \
    X(gnutls_x509_trust_list_add_system_trust)                                                                     \
    X(gnutls_x509_trust_list_verify_crt2)                                                                          \
    X(gnutls_pubkey_init)                                                                                          \
    X(gnutls_pubkey_deinit)                                                                                        \
    X(gnutls_pubkey_import_x509)                                                                                   \
    X(gnutls_pubkey_export)

/* NULL in versions before 3.6.5. */
#define GNUTLS_OPTIONAL(X) X(gnutls_record_send_early_data)

struct gnutls {
#define X(name) __typeof__(name) *name;
    GNUTLS_REQUIRED(X)
    GNUTLS_OPTIONAL(X)
#undef X
    const char *name;                /* the path that the dynamic loader has */
    const char *missing;             /* the first required function that it lacks; NULL: it is supported */
    uintptr_t first, last;           /* the addresses of its segments, `last` exclusive */
    uintptr_t shim_first, shim_last; /* the same for the shim */
};

/* The library. NULL: none is loaded, or it is not supported. */
const struct gnutls *gnutls_library(void);

/* Whether GnuTLS is loaded, supported or not; and whether it defines `function`. */
bool gnutls_library_is_loaded(void);
bool gnutls_library_defines(const void *function);

/* Ends the process with exit status 125 if the loaded GnuTLS is not supported, since it could not be protected. */
void gnutls_library_require_supported(void);

/*
 * Whether the library calls one of its own functions, which it may do through the dynamic linker. `caller` is then
 * code of the library, or of the shim: if the call is a tail call, its return address is the one in the shim.
 */
static inline bool gnutls_is_inside(const struct gnutls *lib, const void *caller)
{
    uintptr_t at = (uintptr_t)caller;
    return (at >= lib->first && at < lib->last) || (at >= lib->shim_first && at < lib->shim_last);
}

/* In an interposed function: an address in the code that called it. */
#define GNUTLS_CALLER __builtin_return_address(0)

/* The handshakes of GnuTLS, which this module reports. */
extern const struct handshake_reporter gnutls_reporter;

/* What interposed functions return if there is no library. */
enum { GNUTLS_NO_LIBRARY = GNUTLS_E_UNIMPLEMENTED_FEATURE };

#endif
