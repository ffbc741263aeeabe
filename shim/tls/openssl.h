/*
 * The interface of OpenSSL, 1.1.1 and 3.x, in declarations of the shim's own: OpenSSL's headers are not needed to
 * build it. The shim works with every version that a program brings, so what it relies on is what all of them have
 * in common, whatever is installed where it was built. Declarations only.
 */
#ifndef PFSWRAP_TLS_OPENSSL_H
#define PFSWRAP_TLS_OPENSSL_H

#include "tls/openssl_constants.h"
#include "tls/openssl_types.h"
/* These use the types. */
#include "tls/openssl_crypto.h"
#include "tls/openssl_ssl.h"

#endif
