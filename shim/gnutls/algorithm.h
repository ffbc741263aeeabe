/*
 * Groups and ciphers of GnuTLS, and whether the policy allows them.
 */
#ifndef PFSWRAP_GNUTLS_ALGORITHM_H
#define PFSWRAP_GNUTLS_ALGORITHM_H

#include "gnutls/library.h"

/* The IANA number of a group, or of the TLS 1.3 cipher suite with a cipher. 0: not known. */
uint16_t algorithm_group_id(const struct gnutls *lib, gnutls_group_t group);
uint16_t algorithm_suite_id(const struct gnutls *lib, gnutls_cipher_algorithm_t cipher);

/* The name of a group, or of a suite's cipher, in priority strings. NULL: not known, or the library lacks it. */
const char *algorithm_group_name(const struct gnutls *lib, uint16_t id);
const char *algorithm_cipher_name(const struct gnutls *lib, uint16_t id);

/* Whether the policy allows a group, or the TLS 1.3 cipher suite with a cipher. */
bool algorithm_group_is_allowed(const struct gnutls *lib, gnutls_group_t group);
bool algorithm_cipher_is_allowed(const struct gnutls *lib, gnutls_cipher_algorithm_t cipher);

#endif
