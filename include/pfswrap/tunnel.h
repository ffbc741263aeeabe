/*
 * pfswrap/tunnel.h: a sealed connection through any transport that can read and write: another library's TLS
 * connection, first of all. The channel of pfswrap/seal.h does the work; this adds the buffers and the order of
 * things, and leaves the transport to two callbacks. docs/MOBILE.md says what to pass as binding on which platform.
 *
 * A call never waits by itself: it waits where the transport's own calls wait. A transport that gives nothing or
 * takes nothing at the moment makes the call return PFSWRAP_TUNNEL_STOPPED; why it stopped is the transport's to
 * say, and the call is made again when it goes on. One thread at a time may be in a call for a tunnel. After a fork
 * all but one process must leave it alone: the keys are the same on both sides, and used twice they protect
 * nothing.
 */
#ifndef PFSWRAP_TUNNEL_H
#define PFSWRAP_TUNNEL_H

#include <pfswrap/seal.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

enum {
    PFSWRAP_TUNNEL_END = 0,        /* the peer has closed its direction, and said so */
    PFSWRAP_TUNNEL_STOPPED = -100, /* the transport's read or write came back without a byte */
};

struct pfswrap_tunnel_transport {
    /* Reads up to `size` bytes. Returns how many; 0: the transport has ended; negative: none at the moment. */
    int (*read)(void *context, void *buffer, size_t size);
    /* Writes up to `length` bytes. Returns how many; 0 or negative: none at the moment. It is then called again
     * with the same bytes at the same address. */
    int (*write)(void *context, const void *data, size_t length);
    void *context;
};

struct pfswrap_tunnel;

/*
 * A new connection. `config`, which must outlive it, wants transport_max = PFSWRAP_SEAL_TLS_RECORD inside TLS;
 * `binding` is TLS's exporter value (RFC 9266: label EXPORTER-Channel-Binding, empty context, 32 bytes), and
 * without it, or with one that the peer chose, a man in the middle of TLS is not noticed. `candidate` as in
 * pfswrap_seal_init(). *transport is copied. Returns NULL with *error: E_ARGUMENT, E_NO_IDENTITY, E_NO_PEER, or 0:
 * out of memory.
 */
struct pfswrap_tunnel *pfswrap_tunnel_new(enum pfswrap_seal_role role, const struct pfswrap_seal_config *config,
                                          const uint8_t *binding, size_t binding_length, unsigned candidate,
                                          const struct pfswrap_tunnel_transport *transport, int *error);

/* Wipes and frees; says nothing to the peer (pfswrap_tunnel_close does). NULL is allowed. */
void pfswrap_tunnel_free(struct pfswrap_tunnel *tunnel);

/* Takes the handshake on. Returns 1 when the peer is authenticated and all of ours is out; STOPPED; an error. */
int pfswrap_tunnel_handshake(struct pfswrap_tunnel *tunnel);

/*
 * Reads 1 to `size` bytes, of one frame at the most. Returns how many; END; STOPPED; an error of pfswrap/seal.h,
 * which is final. A transport that ends before the peer has closed is E_TRUNCATED. peek: the same, and they stay.
 */
int pfswrap_tunnel_read(struct pfswrap_tunnel *tunnel, void *buffer, size_t size);
int pfswrap_tunnel_peek(struct pfswrap_tunnel *tunnel, void *buffer, size_t size);

/* Bytes that read() would give without asking the transport. */
size_t pfswrap_tunnel_pending(struct pfswrap_tunnel *tunnel);

/*
 * Writes up to `length` bytes (at least 1) as one frame. Returns how many, once the whole frame is with the
 * transport. STOPPED: the frame is sealed and kept; the call is to be made again with the same bytes, or more
 * behind them, and answers for the frame that was kept. Fewer than those are E_ARGUMENT.
 */
int pfswrap_tunnel_write(struct pfswrap_tunnel *tunnel, const void *data, size_t length);

/* Bytes of data that write() has sealed and has yet to answer for; 0: the next write seals what it is given. */
size_t pfswrap_tunnel_kept(const struct pfswrap_tunnel *tunnel);

/* Whether sealed bytes of ours wait for the transport. */
bool pfswrap_tunnel_unsent(const struct pfswrap_tunnel *tunnel);

/* Says to the peer that no more will be written; reading goes on. Returns 1; STOPPED; an error. */
int pfswrap_tunnel_close(struct pfswrap_tunnel *tunnel);

/* 0, or the error that ended it. */
int pfswrap_tunnel_error(const struct pfswrap_tunnel *tunnel);

/* Ends it: every later call fails with E_POISONED. */
void pfswrap_tunnel_poison(struct pfswrap_tunnel *tunnel);

/* As pfswrap_seal_describe(). */
int pfswrap_tunnel_describe(const struct pfswrap_tunnel *tunnel, struct pfswrap_seal_info *info);

/* What has passed so far: the program's data, and the frames it travelled in. */
struct pfswrap_tunnel_counts {
    uint64_t sent_bytes, sent_chunks, received_bytes, received_chunks;
};
struct pfswrap_tunnel_counts pfswrap_tunnel_count(const struct pfswrap_tunnel *tunnel);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
