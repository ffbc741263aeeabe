/*
 * What the other files may ask of contexts and their methods (context.c). Methods for one version are there only as
 * far as the program can tell.
 */
#ifndef PFSWRAP_TLS_CONTEXT_H
#define PFSWRAP_TLS_CONTEXT_H

#include "tls/state.h"

/* Whether the context is for DTLS. */
bool tls_context_is_dtls(const struct libssl *lib, const SSL_CTX *context);

/* Whether the program believes that its context, or its connection, has a method for one version. */
bool tls_context_has_fixed_method(const struct libssl *lib, const SSL_CTX *context);
bool tls_connection_has_fixed_method(const struct libssl *lib, const SSL *ssl);

/*
 * What a control call about the bounds of the version does there: nothing, and the bounds read as 0
 * (SSL_CTX_ctrl(3)). Returns whether `command` is such a call, with its answer in *result.
 */
bool tls_fixed_method_ctrl(int command, long value, long *result);

#endif
