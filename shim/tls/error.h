/*
 * Errors of pfswrap in libssl's error queue, so that programs that print libssl's errors print them.
 */
#ifndef PFSWRAP_TLS_ERROR_H
#define PFSWRAP_TLS_ERROR_H

#include "tls/libssl.h"

/* Adds "pfswrap: REASON" with an SSL_R_ code. SSL_get_error() then returns SSL_ERROR_SSL. */
void tls_error_push(const struct libssl *lib, int code, const char *reason);

#endif
