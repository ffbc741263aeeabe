/*
 * The table of endpoint.h from the inside: for endpoint.c, which says whose a number is.
 */
#ifndef PFSWRAP_CONNECTION_ENDPOINT_TABLE_H
#define PFSWRAP_CONNECTION_ENDPOINT_TABLE_H

#include "connection/endpoint.h"

/* What the table says of `fd` from now on: 0, or as endpoint.h has it. */
void endpoint_table_put(int fd, uint32_t value);

#endif
