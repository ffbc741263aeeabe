/*
 * [tls] max-certificate-age, max-key-age, warn-before and expired: the age of a server's own certificate, and of
 * its public key, and the events `expiring` and `expired`. docs/KEYS.md, "Certificates of servers".
 */
#ifndef PFSWRAP_TLS_CERTIFICATE_AGE_H
#define PFSWRAP_TLS_CERTIFICATE_AGE_H

#include "tls/state.h"

/* Opens the state file, before the program calls chroot or drops privileges. */
void certificate_age_begin(void);

/*
 * After a server's handshake, by the policy of this call (policy_pin.h). Returns NULL, or why the policy refuses
 * the connection. Each certificate has each of the events once in a process. The caller has saved libssl's errors.
 */
const char *certificate_age_check(const struct libssl *lib, SSL *ssl);

#endif
