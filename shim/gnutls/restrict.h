/*
 * Restricts priority strings (gnutls.info, "Priority Strings") to what the policy allows. Parts that the policy
 * does not cover, such as certificate types, flags and profiles, stay as the program chose them. So do groups and
 * ciphers if the program's choice is narrower than the policy.
 */
#ifndef PFSWRAP_GNUTLS_RESTRICT_H
#define PFSWRAP_GNUTLS_RESTRICT_H

#include "gnutls/library.h"

enum { PRIORITY_MAX = 4096 }; /* bytes of a priority string, including what is appended */

/*
 * Appends to `string` (PRIORITY_MAX bytes, may be empty) what restricts it to the policy, for TLS or for DTLS.
 * `asked` is the result of `string` alone: groups and ciphers that both it and the policy have are kept, in its
 * order. Returns false if the string becomes too long, or if the library has no group or no cipher of the policy.
 */
bool priority_restrict(const struct gnutls *lib, char *string, gnutls_priority_t asked, bool is_datagram);

/* Whether priorities allow a version, a group or a cipher that the policy does not allow. */
bool priority_is_weaker(const struct gnutls *lib, gnutls_priority_t asked);

#endif
