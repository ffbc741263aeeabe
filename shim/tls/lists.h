/*
 * The lists of a connection: groups, TLS 1.3 cipher suites, and the ciphers of older versions where the policy allows
 * those. A list that still has an allowed entry is left alone, since the security callback filters the rest; one that
 * has none is replaced by the policy's.
 */
#ifndef PFSWRAP_TLS_LISTS_H
#define PFSWRAP_TLS_LISTS_H

#include "tls/state.h"

/*
 * Checks the connection's lists and, if `enforce`, replaces those that have nothing the policy allows; logs
 * what the policy takes away. Returns NULL, or why there is nothing left to use.
 */
const char *tls_lists_force(struct libssl *lib, SSL *ssl, bool dtls, bool enforce);

/* Gives a new context the policy's groups and cipher suites, in the policy's order. Returns NULL, or the obstacle. */
const char *tls_lists_begin(struct libssl *lib, SSL_CTX *context);

/* Logs that the program's cipher list, `asked`, has ciphers the policy does not allow, if it has. */
void tls_lists_report(const struct libssl *lib, const STACK_OF(SSL_CIPHER) *ciphers, const char *asked);

/* Whether `group` (an IANA number), or a cipher, may be used under the policy. */
bool tls_group_is_allowed(uint16_t group);
bool tls_cipher_is_allowed(const struct libssl *lib, const SSL_CIPHER *cipher);

/* The IANA number of a group that the library names by its NID, or by the number itself where it has no NID. */
uint16_t tls_group_of_nid(int nid);

#endif
