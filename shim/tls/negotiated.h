/*
 * Verifies the negotiated parameters after a handshake: whether the connection is what the policy requires. Reads
 * only sources that are correct after a resumption, too, and changes nothing.
 */
#ifndef PFSWRAP_TLS_NEGOTIATED_H
#define PFSWRAP_TLS_NEGOTIATED_H

#include "tls/state.h"

struct tls_negotiated {
    const char *reason;   /* NULL: the policy allows the connection; else why it does not */
    int code;             /* if there is a reason: its SSL_R_ code, for libssl's error queue */
    const char *group;    /* the name of the key exchange group in policy files; NULL: not known */
    const char *verified; /* who verified the peer: "none", "application" or "policy" */
};

struct tls_negotiated tls_verify_negotiated(struct libssl *lib, SSL *ssl);

/*
 * Reads the certificates that the policy's verification trusts, before the program calls chroot or drops
 * privileges.
 */
void tls_verify_begin(const struct libssl *lib);

/*
 * The policy's verification of the peer's certificate, whatever the program's callbacks decided (verify.c): chain,
 * host name and pins of a server's, chain of a client's. Returns NULL, or the reason for a refusal.
 */
const char *tls_verify_server(struct libssl *lib, SSL *ssl);
const char *tls_verify_client(struct libssl *lib, SSL *ssl);

#endif
