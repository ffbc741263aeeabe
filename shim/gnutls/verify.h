/*
 * The policy's verification of the peer's certificate, independent of the program's.
 */
#ifndef PFSWRAP_GNUTLS_VERIFY_H
#define PFSWRAP_GNUTLS_VERIFY_H

#include "gnutls/library.h"

/* Whether the policy verifies the peer of a server, or of a client. */
bool verify_is_required(bool is_server);

/* Before a handshake: reads the trusted certificates, and makes a server ask for the client's certificate. */
void verify_begin(const struct gnutls *lib, gnutls_session_t session, bool is_server);

/* After a handshake: returns NULL, or the reason for a refusal. */
const char *verify_end(const struct gnutls *lib, gnutls_session_t session, bool is_server);

#endif
