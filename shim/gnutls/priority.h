/*
 * Priorities: the strings by which GnuTLS is told versions, groups, ciphers and the rest. What the program asks for
 * is kept where the policy has nothing to say (certificate types, flags, profiles) or where it is narrower.
 */
#ifndef PFSWRAP_GNUTLS_PRIORITY_H
#define PFSWRAP_GNUTLS_PRIORITY_H

#include "gnutls/library.h"

enum { PRIORITY_MAX = 4096 }; /* bytes of a priority string with what is appended to it */

/*
 * Appends to `string` (PRIORITY_MAX bytes, it may be empty) what makes its priorities the policy's. `asked` is what
 * the string comes to by itself: groups and ciphers that both have are kept, in the program's order. TLS or DTLS.
 * Returns false if it does not fit, or if this library has none of the policy's groups or ciphers.
 */
bool priority_restrict(const struct gnutls *lib, char *string, gnutls_priority_t asked, bool is_datagram);

/* Whether priorities allow anything that the policy does not. */
bool priority_is_weaker(const struct gnutls *lib, gnutls_priority_t asked);

/* The policy's priorities for sessions whose program sets none: the library's default, restricted. NULL:
 * impossible.
 */
gnutls_priority_t priority_default(const struct gnutls *lib, bool is_datagram);

/* Whether a session is DTLS, which the library does not tell (session.c). */
bool session_is_datagram(gnutls_session_t session);

/* The name the program asked its server for, kept where the policy verifies servers; NULL: none. */
const char *session_server_name(gnutls_session_t session);

/*
 * verify.c: verification of the peer that does not depend on the program. Before a handshake, what it needs; after
 * it, NULL or why the peer is refused.
 */
void verify_begin(const struct gnutls *lib, gnutls_session_t session, bool is_server);
const char *verify_end(const struct gnutls *lib, gnutls_session_t session, bool is_server);
bool verify_is_wanted(bool is_server);

/* What the policy calls a group or a TLS 1.3 suite of the library's; 0: it does not name it. */
uint16_t priority_group_id(const struct gnutls *lib, gnutls_group_t group);
uint16_t priority_suite_id(const struct gnutls *lib, gnutls_cipher_algorithm_t cipher);

bool priority_group_is_allowed(const struct gnutls *lib, gnutls_group_t group);
bool priority_cipher_is_allowed(const struct gnutls *lib, gnutls_cipher_algorithm_t cipher);

#endif
