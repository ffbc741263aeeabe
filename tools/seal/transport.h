/*
 * What carries the sealed bytes: a TCP connection, or TLS over it. Nothing here waits, but for
 * transport_handshake().
 */
#ifndef PFSWRAP_TOOLS_SEAL_TRANSPORT_H
#define PFSWRAP_TOOLS_SEAL_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { TRANSPORT_BINDING_BYTES = 32, TRANSPORT_PROBLEM_MAX = 400 };

struct tls;

struct transport {
    int fd;
    struct tls *tls; /* NULL for TCP alone */
    short wants;     /* the poll(2) event that the last read or write waits for, beside POLLIN; 0: none */
};

/* What the connection of TLS should be. */
struct tls_settings {
    bool server, verify, offer_seal; /* offer_seal: the client offers the ALPN name pfsw1 */
    const char *authorities;         /* client: a file, or NULL for the system's */
    const char *name;                /* client: the server's name or address, for SNI and the certificate */
    const char *certificate, *key;   /* server: PEM files */
};

/* What was negotiated. The names are constant strings of the TLS library, or of the connection. */
struct tls_info {
    const char *version, *cipher;
    char subject[200]; /* of the peer's certificate; empty without one */
    bool is_13;
    bool offered_seal; /* server: the client offered pfsw1 */
};

/*
 * The TLS handshake over transport->fd, until `deadline_ms` (network_now()). The TLS library is libssl.so.3 or
 * libssl.so.1.1 of this system, which is loaded here. Returns 0, or -1 with what is wrong in problem.
 */
int transport_handshake(struct transport *transport, const struct tls_settings *settings, long deadline_ms,
                        char problem[static TRANSPORT_PROBLEM_MAX]);

/* What the handshake has negotiated; only with TLS. */
void transport_tls_info(const struct transport *transport, struct tls_info *info);

/* The channel binding of RFC 9266; only with TLS. Returns 0, or -1. */
int transport_binding(const struct transport *transport, uint8_t binding[static TRANSPORT_BINDING_BYTES]);

/*
 * Up to `size` bytes. Returns how many; 0 at the end (TCP's, or TLS's closing alert); or a negative errno value:
 * -EAGAIN if there are none yet. A TLS connection that ends without an alert is -ECONNRESET, and another error of
 * TLS is -EPROTO.
 */
ssize_t transport_read(struct transport *transport, void *buffer, size_t size);

/* The same for writing. After -EAGAIN, the same bytes must be written again. */
ssize_t transport_write(struct transport *transport, const void *data, size_t size);

/* Ends the direction to the peer: with TLS's closing alert, and with FIN if there is no TLS. */
void transport_shutdown(struct transport *transport);

/* Closes the connection and frees everything. */
void transport_close(struct transport *transport);

#endif
