/*
 * Attestation: after a handshake, is the connection what the policy says? Asked of sources that do not lie after a
 * resumption. Changes nothing.
 */
#ifndef PFSWRAP_TLS_NEGOTIATED_H
#define PFSWRAP_TLS_NEGOTIATED_H

#include "tls/state.h"

struct tls_negotiated {
    const char *reason;   /* NULL: as the policy says; else why not, in words */
    int code;             /* with an reason: an SSL_R_ number for the error queue */
    const char *group;    /* the group's name as the policy spells it; NULL: it cannot be known */
    const char *verified; /* who verified the peer: "none", "application", "policy" */
};

struct tls_negotiated tls_verify_negotiated(struct libssl *lib, SSL *ssl);

/* Reads what our own verification will trust while that can be read: a program may chroot or drop its privileges.
 */
void tls_verify_begin(const struct libssl *lib);

/*
 * Our own verification of the peer's certificate, whatever the program's callbacks said (verify.c): chain, host
 * name and pins for a server's, chain for a client's. Returns NULL, or the reason.
 */
const char *tls_verify_server(struct libssl *lib, SSL *ssl);
const char *tls_verify_client(struct libssl *lib, SSL *ssl);

#endif
