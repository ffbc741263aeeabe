/*
 * Audit events about connections that use libssl: what was negotiated, and what was refused and why. Reads
 * connections, and does not change them.
 */
#ifndef PFSWRAP_TLS_REPORT_H
#define PFSWRAP_TLS_REPORT_H

#include "tls/state.h"

/* An override of finite-field Diffie-Hellman parameters: a program may set them, and they are never used. */
void report_dh_parameters(void);

/* A handshake that agrees with the policy. `group` is NULL if it is not known. */
void report_handshake(const struct libssl *lib, SSL *ssl, const char *group, const char *verified);

/* A connection that pfswrap refuses: "refused", or "would-refuse" with mode = audit. `ssl` may be NULL. */
void report_refused(const struct libssl *lib, SSL *ssl, const char *reason);

/*
 * A handshake call has returned `result`, 0 or less. If libssl gave up, this is logged, once for each handshake;
 * the cause is the last error in libssl's queue.
 */
void report_failed(const struct libssl *lib, SSL *ssl, struct tls_connection *connection, int result);

/* "TLSv1.2" for 0x0303, and so on; "any" for 0, and "unknown" for what is no version. */
const char *report_version_name(int version);

#endif
