/*
 * Contexts and their methods. A method for a single version is replaced by a flexible one, but the program still
 * sees the method that it asked for.
 */
#ifndef PFSWRAP_TLS_CONTEXT_H
#define PFSWRAP_TLS_CONTEXT_H

#include "tls/state.h"

/* Whether the program has asked for a method for a single version, on a context or on a connection. */
bool tls_context_has_fixed_method(const struct libssl *lib, const SSL_CTX *context);
bool tls_connection_has_fixed_method(const struct libssl *lib, const SSL *ssl);

/*
 * With such a method, control calls for the version limits have no effect, and the limits read as 0
 * (SSL_CTX_ctrl(3)). Returns whether `command` is such a call, with its return value in *result.
 */
bool tls_fixed_method_ctrl(int command, long value, long *result);

#endif
