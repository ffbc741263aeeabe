/*
 * Signature algorithms. The one setting that the gate cannot read back: lists that fit TLS 1.2 only are completed
 * when they are set, so that a certificate they were meant for can sign in TLS 1.3 (RFC 8446, 4.2.3).
 */
#ifndef PFSWRAP_TLS_SIGNATURE_H
#define PFSWRAP_TLS_SIGNATURE_H

#include "tls/target.h"

/* Whether an SSL_ctrl() or SSL_CTX_ctrl() command sets signature algorithms. */
bool tls_signature_concerns(int command);

/* Makes such a call with the list completed. Returns what the library returned for the program's own list. */
long tls_signature_set(const struct tls_target *target, int command, long value, void *pointer);

/*
 * Completes a colon-separated list into `completed` (`size` bytes). Returns whether anything was added; a list
 * that does not fit is left alone (false).
 */
bool tls_signature_complete(const char *list, char *completed, size_t size);

#endif
