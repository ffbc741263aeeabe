/*
 * libssl's security callback: it is asked inside the library, at every security level, about each version, group
 * and cipher, so it refuses what the policy does not allow even where no wrapper of ours is passed. What we do not
 * refuse, the program's own callback or the library's decides (SSL_CTX_set_security_callback(3)).
 */
#ifndef PFSWRAP_TLS_SECURITY_H
#define PFSWRAP_TLS_SECURITY_H

#include "tls/state.h"

/* Puts our callback in front of the context's own. Returns false if the record cannot be made. */
bool tls_security_begin(struct libssl *lib, SSL_CTX *context);

/* The same on a connection, if its context was made without us. */
void tls_security_install(struct libssl *lib, SSL *ssl, struct tls_connection *connection);

#endif
