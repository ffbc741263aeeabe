/*
 * The operations of sealed descriptors (fd/operations.h), for shim/order.c.
 */
#ifndef PFSWRAP_SOCKET_SEALED_OPERATIONS_H
#define PFSWRAP_SOCKET_SEALED_OPERATIONS_H

#include "fd/operations.h"

extern const struct fd_operations sealed_operations;

#endif
