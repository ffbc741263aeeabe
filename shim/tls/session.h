/*
 * Resumption: TLS 1.2 and DTLS sessions are never resumed (no fresh key exchange), TLS 1.3 ones as the policy says.
 */
#ifndef PFSWRAP_TLS_SESSION_H
#define PFSWRAP_TLS_SESSION_H

#include "tls/state.h"

/* Prepares a new context. */
void tls_session_begin(struct libssl *lib, SSL_CTX *context);

/* SSL_CTX_ctrl() for the session cache mode: returns true if it has answered into *result. */
bool tls_session_ctrl(struct libssl *lib, SSL_CTX *context, int command, long value, long *result);

#endif
