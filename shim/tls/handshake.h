/*
 * The way from a new connection to an open one: gate, handshake, attestation. Every call that may run a handshake
 * goes through here.
 */
#ifndef PFSWRAP_TLS_HANDSHAKE_H
#define PFSWRAP_TLS_HANDSHAKE_H

#include "tls/settings.h"

/* What a call of the program does to the handshake: SSL_do_handshake, SSL_connect, SSL_accept. */
typedef int tls_handshake_call(SSL *ssl);

/*
 * Brings the connection to TLS_STAGE_OPEN by `call`. Returns 1 when data may pass; else what libssl returned, 0 or
 * less, for which SSL_get_error() gives the program the reason; -1 with an error of ours in the queue if the
 * connection is refused.
 */
int tls_handshake_run(struct libssl *lib, SSL *ssl, tls_handshake_call *call, enum tls_role role);

/* The same with SSL_do_handshake, for calls that move data. */
int tls_handshake_complete(struct libssl *lib, SSL *ssl);

/*
 * The connection without an inner layer that this thread last found open. Good as long as no connection of the
 * process has been freed or begun anew since, so an address that is used again is looked at again.
 */
struct tls_last_open {
    const SSL *ssl;
    struct libssl *lib; /* which made it */
    unsigned generation;
};
extern __thread struct tls_last_open tls_last_open __attribute__((tls_model("initial-exec")));

/* If that is `ssl`, its library: two comparisons spare a thread that stays with one connection the look-ups. */
static inline struct libssl *tls_handshake_last_open(const SSL *ssl)
{
    bool same = tls_last_open.ssl == ssl && tls_last_open.generation == tls_connection_generation();
    return same ? tls_last_open.lib : NULL;
}

/* The gate alone, before a call that takes the handshake part of the way. Returns 1, or -1 if refused. */
int tls_handshake_enforce(struct libssl *lib, SSL *ssl, enum tls_role role);

/* After such a call: attests if the handshake has ended. Returns 1, or -1 if the connection is refused. */
int tls_handshake_verify(struct libssl *lib, SSL *ssl);

/* After such a call has returned `result`, 0 or less: logs the end of the handshake, if that is what it is. */
void tls_handshake_failed(struct libssl *lib, SSL *ssl, int result);

/* The connection is about to be used anew (SSL_clear, a new state): the program's settings come back. */
void tls_handshake_forget(struct libssl *lib, SSL *ssl);

#endif
