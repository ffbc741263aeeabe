/*
 * pfswrap/tunnel.h: a sealed connection through a transport that can read and write, such as a TLS connection of
 * another library. It combines a channel of pfswrap/seal.h with buffers; two callbacks move bytes through the
 * transport. docs/MOBILE.md says what to pass as binding on which platform.
 *
 * A call waits only if a callback waits. If a callback moves no bytes, the call returns PFSWRAP_TUNNEL_STOPPED. The
 * transport knows why; when it can go on, the caller repeats the call. Only one thread at a time may be in a call
 * for a tunnel. After a fork, only one process may use it: both have the same keys, and a key stream that is used
 * twice protects nothing.
 *
 * After an hour or 64 GiB, both sides agree on new keys. The client asks for them in read(), peek() and write().
 * The server answers in read() and peek(): a server that only writes calls pfswrap_tunnel_peek() when its transport
 * is readable. If one side does not take part, the connection ends after another day (E_OVERDUE).
 *
 * A tunnel, buffer or data that is NULL, and a length of 0, is E_ARGUMENT. Functions without an error return 0 or
 * false then, or do nothing. pfswrap_seal_error_text() has a text for STOPPED, too.
 */
#ifndef PFSWRAP_TUNNEL_H
#define PFSWRAP_TUNNEL_H

#include <pfswrap/seal.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

enum {
    PFSWRAP_TUNNEL_END = 0,        /* the peer has closed its direction, with an authenticated end */
    PFSWRAP_TUNNEL_STOPPED = -100, /* a callback moved no bytes */
};

struct pfswrap_tunnel_transport {
    /*
     * Reads up to `size` bytes. Returns how many; 0 at the end of the transport; negative if there are none yet.
     * More than `size` is E_POISONED.
     */
    int (*read)(void *context, void *buffer, size_t size);
    /*
     * Writes up to `length` bytes. Returns how many; 0 or negative if it cannot write now. It is called again with
     * the bytes that are left, at the same address.
     */
    int (*write)(void *context, const void *data, size_t length);
    void *context;
};

struct pfswrap_tunnel;

/*
 * Makes a new connection. `config` must stay valid; for TLS, its transport_max is PFSWRAP_SEAL_TLS_RECORD. For TLS,
 * `binding` is the exporter value of RFC 9266 (label EXPORTER-Channel-Binding, empty context, 32 bytes). Without a
 * binding, or with one that the peer chose, a man in the middle of TLS is not noticed. `candidate` is as for
 * pfswrap_seal_init(). *transport is copied. Returns NULL with *error set to E_ARGUMENT, E_NO_IDENTITY or
 * E_NO_PEER, or to 0 if there is no memory. `error` may be NULL.
 */
struct pfswrap_tunnel *pfswrap_tunnel_new(enum pfswrap_seal_role role, const struct pfswrap_seal_config *config,
                                          const uint8_t *binding, size_t binding_length, unsigned candidate,
                                          const struct pfswrap_tunnel_transport *transport, int *error);

/* Wipes and frees a tunnel without telling the peer; pfswrap_tunnel_close() does that. NULL is allowed. */
void pfswrap_tunnel_free(struct pfswrap_tunnel *tunnel);

/*
 * Continues the handshake. Returns 1 when the peer is authenticated and the transport has every byte of this side;
 * STOPPED; or an error.
 */
int pfswrap_tunnel_handshake(struct pfswrap_tunnel *tunnel);

/*
 * Reads 1 to `size` bytes, at most one frame. Returns how many; END; STOPPED; or an error of pfswrap/seal.h, which
 * is final. If the transport ends before the peer has closed its direction, the error is E_TRUNCATED. peek leaves
 * the bytes for the next call.
 */
int pfswrap_tunnel_read(struct pfswrap_tunnel *tunnel, void *buffer, size_t size);
int pfswrap_tunnel_peek(struct pfswrap_tunnel *tunnel, void *buffer, size_t size);

/* The number of bytes that read() can return without calling the transport. */
size_t pfswrap_tunnel_pending(struct pfswrap_tunnel *tunnel);

/*
 * Writes up to `length` bytes (at least 1) as one frame. Returns how many, when the transport has the whole frame.
 * After STOPPED the frame is sealed and kept: the call must be repeated with the same bytes, and may have more
 * behind them; it then returns the number of bytes in the kept frame. Fewer bytes than in that frame are
 * E_ARGUMENT. Before the handshake is complete, the error is E_NOT_READY.
 *
 * A client that has asked for new keys, and has then called write() four times and read() never, reads the answer
 * in write(). If the transport's read waits, this write() waits until the server has answered. Data that comes
 * before the answer is kept for read(): look at pending() before you wait for the transport.
 */
int pfswrap_tunnel_write(struct pfswrap_tunnel *tunnel, const void *data, size_t length);

/* The number of bytes in the kept frame, for which write() has not returned yet; 0 if there is none. */
size_t pfswrap_tunnel_kept(const struct pfswrap_tunnel *tunnel);

/* Whether the tunnel has sealed bytes that the transport has not taken. */
bool pfswrap_tunnel_unsent(const struct pfswrap_tunnel *tunnel);

/*
 * Closes the direction to the peer; reading is still possible. Returns 1 when the transport has FINAL: then end
 * this direction of the transport, too (SSL_shutdown(3)). Otherwise STOPPED, or an error. Before the handshake is
 * complete, the error is E_NOT_READY, and nothing is closed: pfswrap_tunnel_free() ends such a tunnel.
 */
int pfswrap_tunnel_close(struct pfswrap_tunnel *tunnel);

/* The error that ended the tunnel, or 0. */
int pfswrap_tunnel_error(const struct pfswrap_tunnel *tunnel);

/* Ends the tunnel: every later call fails with E_POISONED. */
void pfswrap_tunnel_poison(struct pfswrap_tunnel *tunnel);

/* See pfswrap_seal_describe(). */
int pfswrap_tunnel_describe(const struct pfswrap_tunnel *tunnel, struct pfswrap_seal_info *info);

/* The bytes of data so far, and the frames that carried them. */
struct pfswrap_tunnel_counts {
    uint64_t sent_bytes, sent_chunks, received_bytes, received_chunks;
};
struct pfswrap_tunnel_counts pfswrap_tunnel_count(const struct pfswrap_tunnel *tunnel);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
