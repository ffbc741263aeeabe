/*
 * From a new connection to an open one: the policy is enforced, the handshake runs, and the negotiated parameters
 * are verified. Every call that may run a handshake uses these functions.
 */
#ifndef PFSWRAP_TLS_HANDSHAKE_H
#define PFSWRAP_TLS_HANDSHAKE_H

#include "tls/settings.h"

/*
 * Brings the connection to TLS_STAGE_OPEN by SSL_do_handshake(), for calls that move data. Returns 1 when data may
 * pass, else what libssl returned, 0 or less: SSL_get_error() then returns the reason. For a refused connection
 * returns -1, with an error of pfswrap in libssl's queue.
 */
int tls_handshake_complete(struct libssl *lib, SSL *ssl);

/*
 * The connection without an inner layer that this thread last found open. Valid while `generation` is the current
 * one (tls_connection_generation()), so a new connection at the same address is examined again.
 */
struct tls_last_open {
    const SSL *ssl;
    struct libssl *lib; /* the connection's library */
    unsigned generation;
};
extern __thread struct tls_last_open tls_last_open __attribute__((tls_model("initial-exec")));

/* The library of `ssl` if that is this connection, else NULL. Saves the look-ups for repeated calls. */
static inline struct libssl *tls_handshake_last_open(const SSL *ssl)
{
    bool same = tls_last_open.ssl == ssl && tls_last_open.generation == tls_connection_generation();
    return same ? tls_last_open.lib : NULL;
}

/*
 * Enforces the policy before a call that may run part of the handshake. Returns 1, or -1 if the connection is
 * refused.
 */
int tls_handshake_enforce(struct libssl *lib, SSL *ssl, enum tls_role role);

/*
 * After such a call: if the handshake is complete, verifies the negotiated parameters. Returns 1, or -1 if the
 * connection is refused.
 */
int tls_handshake_verify(struct libssl *lib, SSL *ssl);

/* After such a call has returned `result`, 0 or less: logs the handshake if it has failed. */
void tls_handshake_failed(struct libssl *lib, SSL *ssl, int result);

/* The connection will be used again (SSL_clear(), a new state): libssl gets the program's settings back. */
void tls_handshake_reset(struct libssl *lib, SSL *ssl);

#endif
