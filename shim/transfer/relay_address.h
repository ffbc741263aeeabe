/*
 * The addresses of a relayed connection, for modules below the interposed calls.
 */
#ifndef PFSWRAP_TRANSFER_RELAY_ADDRESS_H
#define PFSWRAP_TRANSFER_RELAY_ADDRESS_H

#include "fd/program_socket.h"

extern const struct address_resolver relay_address_resolver;

#endif
