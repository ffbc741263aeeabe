/*
 * The two addresses of a connection, as audit events have them.
 */
#ifndef PFSWRAP_AUDIT_ADDRESSES_H
#define PFSWRAP_AUDIT_ADDRESSES_H

#include "audit/address.h"

/* An empty string is an address that is not known. */
struct audit_addresses {
    char local[AUDIT_ADDRESS_TEXT];
    char peer[AUDIT_ADDRESS_TEXT];
};

/* The addresses of a socket as the program sees them; `fd` is -1 where there is no socket. Keeps errno. */
void audit_addresses_read(struct audit_addresses *addresses, int fd);

#endif
