/*
 * An error of ours in the library's own queue, so that a program that prints libssl's errors prints ours.
 */
#ifndef PFSWRAP_TLS_ERROR_H
#define PFSWRAP_TLS_ERROR_H

#include "tls/libssl.h"

/* Adds "pfswrap: DETAIL" with an SSL_R_ reason, for which SSL_get_error() answers SSL_ERROR_SSL. */
void tls_error_push(const struct libssl *lib, int reason, const char *detail);

#endif
