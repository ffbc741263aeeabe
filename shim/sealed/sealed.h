/*
 * The seal on sockets, as a plane (fd/plane.h): which connections are sealed, and what the calls do on sealed
 * descriptors. connection/ does the work. Its files are named after the calls.
 */
#ifndef PFSWRAP_SEALED_SEALED_H
#define PFSWRAP_SEALED_SEALED_H

#include "fd/plane.h"

/* For shim/order.c. It is the first plane of the list: it takes numbers over. */
extern const struct plane sealed_plane;

#endif
