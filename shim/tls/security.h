/*
 * The security callback (SSL_CTX_set_security_callback(3)). libssl calls it at every security level for each
 * version, group and cipher. The shim's callback refuses what the policy does not allow, also on paths that pass no
 * interposed function. Then the program's callback, or else libssl's default, may refuse as well.
 */
#ifndef PFSWRAP_TLS_SECURITY_H
#define PFSWRAP_TLS_SECURITY_H

#include "tls/state.h"

/* Sets the shim's callback on a context. Returns false if there is no memory for the context's record. */
bool tls_security_begin(struct libssl *lib, SSL_CTX *context);

/* The same on a connection, unless it has inherited the callback from its context. */
void tls_security_install(struct libssl *lib, SSL *ssl, struct tls_connection *connection);

#endif
