/*
 * Cipher suites: those of TLS 1.3, and the ciphers of older versions where the policy allows those. A list that
 * still has an allowed entry is left alone, since the security callback filters the rest; one that has none is
 * replaced by the policy's.
 */
#ifndef PFSWRAP_TLS_CIPHERS_H
#define PFSWRAP_TLS_CIPHERS_H

#include "tls/state.h"

/* Gives a new context the policy's cipher suites, in the policy's order. Returns NULL, or the reason. */
const char *tls_ciphers_begin(struct libssl *lib, SSL_CTX *context);

/*
 * Before a handshake: logs what the policy takes away and, if `enforce`, replaces lists that have nothing left.
 * Returns NULL, or why there is nothing left to use.
 */
const char *tls_ciphers_force(struct libssl *lib, SSL *ssl, bool dtls, bool enforce);

/* Logs that the program's cipher list, `asked`, has ciphers the policy does not allow, if it has. */
void tls_ciphers_report(const struct libssl *lib, const STACK_OF(SSL_CIPHER) * ciphers, const char *asked);

/* Whether a cipher may be used under the policy. */
bool tls_cipher_is_allowed(const struct libssl *lib, const SSL_CIPHER *cipher);

#endif
