/*
 * What the shim remembers of a session, since GnuTLS has no call to read it.
 */
#ifndef PFSWRAP_GNUTLS_SESSION_H
#define PFSWRAP_GNUTLS_SESSION_H

#include "gnutls/library.h"

/* Whether a session is DTLS. */
bool session_is_datagram(gnutls_session_t session);

/* The name of the server that a client asked for, if the policy verifies servers; else NULL. */
const char *session_server_name(gnutls_session_t session);

#endif
