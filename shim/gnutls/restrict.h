/*
 * Restricts priority strings (gnutls.info, "Priority Strings") to what the policy allows. Parts that the policy
 * does not cover, such as certificate types, flags and profiles, stay as the program chose them. So do groups and
 * ciphers if the program's choice is narrower than the policy.
 */
#ifndef PFSWRAP_GNUTLS_RESTRICT_H
#define PFSWRAP_GNUTLS_RESTRICT_H

#include "gnutls/library.h"

enum { PRIORITY_MAX = 4096 }; /* bytes of a priority string with its terminator */

/* What is passed to the library in place of the program's string. */
struct priority_restricted {
    char string[PRIORITY_MAX];
    unsigned flags; /* of gnutls_priority_init2(3) */
};

/*
 * Restricts `string`, for TLS or for DTLS; NULL is the library's default. `flags` are those of the program's call.
 * Reports the override if the string allows something that the policy does not allow. Returns 0, or the library's
 * error code for the program's string, with *error as the library sets it (unless `error` is NULL);
 * GNUTLS_E_NO_PRIORITIES_WERE_SET if the result is too long, or if the library has no group or no cipher of the
 * policy.
 */
int priority_restrict(const struct gnutls *lib, struct priority_restricted *restricted, const char *string,
                      const char **error, unsigned flags, bool is_datagram);

#endif
