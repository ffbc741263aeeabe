/*
 * What the shim asks a tunnel, and users of the library do not need: they read until pfswrap_tunnel_read() says
 * that the stream has ended.
 */
#ifndef PFSWRAP_SEAL_TUNNEL_INTERNAL_H
#define PFSWRAP_SEAL_TUNNEL_INTERNAL_H

#include <pfswrap/tunnel.h>

/* Whether the next read finds the end of the stream in the tunnel, without reading from the transport. */
bool tunnel_ends_next(const struct pfswrap_tunnel *tunnel);

/* When the keys in use were agreed on, in Unix time, and how many re-handshakes there were. */
uint64_t tunnel_keyed_at(const struct pfswrap_tunnel *tunnel);
uint32_t tunnel_rehandshakes(const struct pfswrap_tunnel *tunnel);

/*
 * Whether this configuration admits the peer. Returns 0, or the error: PFSWRAP_SEAL_E_PEER_UNKNOWN, _EXPIRED or
 * _REFUSED; or another one, which says nothing about the peer. The keys in use stay.
 */
int tunnel_check_peer(struct pfswrap_tunnel *tunnel, const struct pfswrap_seal_config *config);

/*
 * After the end of the stream, the transport has one more byte: FINAL's trailing byte may come by itself. Returns 0
 * if it is that, else the error.
 */
int tunnel_skip_trailer(struct pfswrap_tunnel *tunnel, uint8_t byte);

#endif
