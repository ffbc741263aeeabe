/*
 * Signature algorithms. libssl has no getter for them, so the program's list is changed when it is set. A list that
 * was written for TLS 1.2 is completed, so that the certificates it was written for can sign in TLS 1.3 (RFC 8446,
 * 4.2.3).
 */
#ifndef PFSWRAP_TLS_SIGNATURE_H
#define PFSWRAP_TLS_SIGNATURE_H

#include "tls/target.h"

/* Whether an SSL_ctrl() or SSL_CTX_ctrl() command sets signature algorithms. */
bool tls_signature_concerns(int command);

/* Makes such a call with the completed list. Returns what libssl returned for the program's list. */
long tls_signature_set(const struct tls_target *target, int command, long value, void *pointer);

/*
 * Copies a colon-separated list to `completed` (`size` bytes) and appends what it lacks. Returns false if nothing
 * is missing or the result does not fit; `completed` is undefined then.
 */
bool tls_signature_complete(const char *list, char *completed, size_t size);

#endif
