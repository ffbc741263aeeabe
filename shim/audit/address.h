/*
 * Socket addresses as the audit log writes them. Knows no event.
 */
#ifndef PFSWRAP_AUDIT_ADDRESS_H
#define PFSWRAP_AUDIT_ADDRESS_H

#include <arpa/inet.h>
#include <sys/socket.h>

enum { AUDIT_ADDRESS_TEXT = INET6_ADDRSTRLEN + 10 };

/* "192.0.2.1:443", "[2001:db8::1]:443" or "unix" (RFC 5952); empty: another family, or none. */
void audit_address_format(char text[AUDIT_ADDRESS_TEXT], const struct sockaddr *address);

#endif
