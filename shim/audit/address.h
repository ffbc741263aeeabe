/*
 * Socket addresses as text, for the audit log.
 */
#ifndef PFSWRAP_AUDIT_ADDRESS_H
#define PFSWRAP_AUDIT_ADDRESS_H

#include <arpa/inet.h>
#include <sys/socket.h>

enum { AUDIT_ADDRESS_TEXT = INET6_ADDRSTRLEN + 10 }; /* bytes of such a text, with the terminator */

/* Writes "192.0.2.1:443", "[2001:db8::1]:443" (RFC 5952) or "unix"; an empty text for another family. */
void audit_address_format(char text[AUDIT_ADDRESS_TEXT], const struct sockaddr *address);

#endif
