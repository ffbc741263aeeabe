/*
 * A connection's settings: read, forced to the policy for a handshake, and given back. The gate runs before each
 * handshake, so it does not matter which way a setting was made: by a call, by a configuration command or by
 * openssl.cnf.
 */
#ifndef PFSWRAP_TLS_SETTINGS_H
#define PFSWRAP_TLS_SETTINGS_H

#include "tls/state.h"

enum tls_role { TLS_ROLE_UNKNOWN, TLS_ROLE_CLIENT, TLS_ROLE_SERVER };

/*
 * The gate: makes the connection's settings the policy's, remembers what the program asked for and logs each
 * difference. Goes from TLS_STAGE_NEW to TLS_STAGE_HANDSHAKE. `role` is what the call itself says; unknown: the
 * connection knows. Returns NULL, or why the connection cannot be protected.
 */
const char *tls_settings_enforce(struct libssl *lib, SSL *ssl, struct tls_connection *connection,
                                 enum tls_role role);

/*
 * For a call that sets something after the gate: tls_settings_release() gives the program's own settings back to
 * the library, the call is made, tls_settings_retake() forces the policy again. Nothing happens outside a
 * handshake.
 */
void tls_settings_release(struct libssl *lib, SSL *ssl, const struct tls_connection *connection);
void tls_settings_retake(struct libssl *lib, SSL *ssl, struct tls_connection *connection);

#endif
