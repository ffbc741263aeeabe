/*
 * Sealed connections in text and JSON.
 */
#ifndef PFSWRAP_TOOLS_CONNECTION_TEXT_H
#define PFSWRAP_TOOLS_CONNECTION_TEXT_H

#include <netinet/in.h>

#include "snapshot.h"

enum { CONNECTION_ADDRESS_MAX = INET6_ADDRSTRLEN + 10 };

/* "192.0.2.1:443" or "[2001:db8::1]:443"; "-" if the address is not known. */
void connection_format_address(char text[CONNECTION_ADDRESS_MAX], const struct snapshot_connection *connection,
                               bool is_local);

/* status_json.c: writes the members of an object, without the braces. */
void connection_write_json(const struct snapshot *snapshot, const struct snapshot_connection *connection);

#endif
