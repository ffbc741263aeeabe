/*
 * What the shim asks a tunnel, and users of the library do not need: they read until pfswrap_tunnel_read() says
 * that the stream has ended.
 */
#ifndef PFSWRAP_SEAL_TUNNEL_INTERNAL_H
#define PFSWRAP_SEAL_TUNNEL_INTERNAL_H

#include <pfswrap/tunnel.h>

/* Whether the next read finds the end of the stream in the tunnel, without reading from the transport. */
bool tunnel_ends_next(const struct pfswrap_tunnel *tunnel);

#endif
