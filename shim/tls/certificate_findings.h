/*
 * [findings] certificates = log: what is in a server's own certificate and in the chain that the peer has sent,
 * once for each certificate. Nothing is refused.
 */
#ifndef PFSWRAP_TLS_CERTIFICATE_FINDINGS_H
#define PFSWRAP_TLS_CERTIFICATE_FINDINGS_H

#include "tls/state.h"

/* The handshake is verified. The caller has saved libssl's errors. */
void certificate_findings_add(const struct libssl *lib, SSL *ssl, const struct policy *policy);

#endif
