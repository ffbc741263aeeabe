/*
 * The settings of a connection: read, replaced by the policy's for a handshake, and restored. The policy is
 * enforced before each handshake, so it does not matter how a setting was made: by a call, by a configuration
 * command or by openssl.cnf.
 */
#ifndef PFSWRAP_TLS_SETTINGS_H
#define PFSWRAP_TLS_SETTINGS_H

#include "tls/state.h"

enum tls_role { TLS_ROLE_UNKNOWN, TLS_ROLE_CLIENT, TLS_ROLE_SERVER };

/* The settings that are closest to what the program asked for, among those that the policy allows. */
struct tls_settings tls_settings_allowed(const struct policy_tls *policy, const struct tls_settings *asked,
                                         bool dtls, bool server);

/*
 * Replaces the connection's settings that the policy does not allow. Remembers what the program asked for, and logs
 * each difference. Moves the connection from TLS_STAGE_NEW to TLS_STAGE_HANDSHAKE. `role` is the role that the
 * program's call implies; TLS_ROLE_UNKNOWN: the connection is asked. Returns NULL, or the reason why the connection
 * cannot be protected.
 */
const char *tls_settings_enforce(struct libssl *lib, SSL *ssl, struct tls_connection *connection,
                                 enum tls_role role);

/*
 * For a call that changes a setting after the policy was enforced. tls_settings_release() gives libssl the
 * program's settings, the caller makes the call, and tls_settings_retake() enforces the policy again. Both do
 * nothing in TLS_STAGE_NEW, for a NULL connection, and with mode = audit.
 */
void tls_settings_release(struct libssl *lib, SSL *ssl, const struct tls_connection *connection);
void tls_settings_retake(struct libssl *lib, SSL *ssl, struct tls_connection *connection);

#endif
