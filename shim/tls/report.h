/*
 * The tls plane's audit events: what was overridden, what was agreed on, what was refused and why. Reads
 * connections; changes nothing.
 */
#ifndef PFSWRAP_TLS_REPORT_H
#define PFSWRAP_TLS_REPORT_H

#include "audit/address.h"
#include "tls/state.h"

/* Both ends of a connection; empty: libssl has no socket. */
struct report_addresses {
    char local[AUDIT_ADDRESS_TEXT];
    char peer[AUDIT_ADDRESS_TEXT];
};
void report_addresses_read(struct report_addresses *addresses, const struct libssl *lib, const SSL *ssl);

/* The same for finite-field Diffie-Hellman parameters, which may be set and are never used. */
void report_dh_parameters(void);

/* A handshake that ended as the policy says. `group` is NULL where it cannot be known. */
void report_handshake(const struct libssl *lib, SSL *ssl, const char *group, const char *verified);

/* A connection that pfswrap refuses ("refused"; "would-refuse" with mode = audit). ssl may be NULL. */
void report_refused(const struct libssl *lib, SSL *ssl, const char *reason);

/* A handshake that libssl itself gave up; the reason is at the top of its error queue. */
void report_failed(const struct libssl *lib, SSL *ssl, struct tls_connection *connection, int result);

/* "TLSv1.2" for 0x0303, and so on; "any" for 0. */
const char *report_version_name(int version);

#endif
