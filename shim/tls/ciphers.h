/*
 * Cipher suites of TLS 1.3, and ciphers of older versions where the policy allows those versions. A list with an
 * allowed entry is kept, since the security callback filters out the others. A list without one is replaced by the
 * policy's.
 */
#ifndef PFSWRAP_TLS_CIPHERS_H
#define PFSWRAP_TLS_CIPHERS_H

#include "tls/state.h"

/*
 * Gives a new context the policy's cipher suites, in the policy's order. Returns NULL, or why this is impossible.
 */
const char *tls_ciphers_begin(struct libssl *lib, SSL_CTX *context);

/*
 * Before a handshake. Logs which suites the policy does not allow, and if `enforce` is true, replaces lists without
 * an allowed entry. Returns NULL, or why such a list cannot be replaced.
 */
const char *tls_ciphers_enforce(struct libssl *lib, SSL *ssl, bool dtls, bool enforce);

/* If the program's cipher list, `asked`, has ciphers that the policy does not allow, logs that. */
void tls_ciphers_report(const struct libssl *lib, const STACK_OF(SSL_CIPHER) * ciphers, const char *asked);

/* Whether the policy allows a cipher. */
bool tls_cipher_is_allowed(const struct libssl *lib, const SSL_CIPHER *cipher);

#endif
