/*
 * Certificate Transparency for clients: [tls] certificate-transparency = log | require. A server shows that its
 * certificate is in a public log by signed certificate timestamps (SCT; RFC 6962): in the certificate, in the
 * extension signed_certificate_timestamp, or in its OCSP response.
 */
#ifndef PFSWRAP_TLS_TRANSPARENCY_H
#define PFSWRAP_TLS_TRANSPARENCY_H

#include "tls/state.h"

/* Reads the list of logs, before the program calls chroot or drops privileges. */
void tls_transparency_begin(const struct libssl *lib);

/*
 * Before a client's handshake: asks for SCTs in the extension and in an OCSP response. A program that checks SCTs
 * itself has asked already, and its callback stays. The caller has saved libssl's errors.
 */
void tls_transparency_ask(const struct libssl *lib, SSL *ssl);

/*
 * After it. Returns NULL, or why the policy refuses the server. The first accepted connection with a certificate
 * writes a finding. The caller has saved libssl's errors.
 */
const char *tls_transparency_verify(const struct libssl *lib, SSL *ssl);

#endif
