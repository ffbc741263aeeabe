/*
 * What a client says before TLS in protocols that begin in clear. Each dialogue ends when the server has agreed, so
 * that its next byte is TLS.
 */
#ifndef PFSWRAP_TOOLS_SCAN_STARTTLS_H
#define PFSWRAP_TOOLS_SCAN_STARTTLS_H

#include "scan.h"

#define STARTTLS_NAMES "smtp, imap, pop3, ftp, ldap, postgres or mysql"

/* A protocol by its name; NULL: there is none. */
const struct starttls *starttls_find(const char *name);

/* Its name, which openssl(1) and testssl(1) have, too. */
const char *starttls_name(const struct starttls *starttls);

/*
 * Speaks until the server has agreed. Returns false if it has not, or did not answer until the deadline
 * (contact_now()); the detail says which.
 */
bool starttls_speak(const struct starttls *starttls, int fd, long deadline, char detail[SCAN_DETAIL]);

#endif
