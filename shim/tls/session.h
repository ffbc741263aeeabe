/*
 * Resumption. Sessions of TLS 1.2 and DTLS are never resumed, since that has no fresh key exchange. For TLS 1.3 the
 * policy decides.
 */
#ifndef PFSWRAP_TLS_SESSION_H
#define PFSWRAP_TLS_SESSION_H

#include "tls/state.h"

/* Prepares a new context. */
void tls_session_begin(struct libssl *lib, SSL_CTX *context);

/*
 * SSL_CTX_ctrl() for the session cache mode. Returns true if the call is answered, with its return value in
 * *result.
 */
bool tls_session_ctrl(struct libssl *lib, SSL_CTX *context, int command, long value, long *result);

#endif
