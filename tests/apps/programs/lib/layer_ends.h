/*
 * Both ends of a TLS connection in one process, for layer_calls.
 */
#ifndef PFSWRAP_TESTS_LAYER_ENDS_H
#define PFSWRAP_TESTS_LAYER_ENDS_H

#include <openssl/ssl.h>

enum { ENDS_STEPS = 100000 }; /* more than any handshake or transfer needs */

struct ends {
    SSL_CTX *server_context, *client_context;
    SSL *server, *client;
    int server_fd, client_fd; /* -1: no sockets */
};

/* tcp, pair (two BIOs in memory) or buffered (nothing leaves before ends_flush()). */
extern const char *ends_transport;

/* Ends the program with a message and OpenSSL's errors, unless `condition` holds. */
void ends_must(int condition, const char *what);

/* SSL_get_error() in words. */
const char *ends_error_name(SSL *ssl, int result);

/* Prints what a call returned: "SSL_read: 5", "SSL_read: -1 want read"; for an error also the reason. */
void ends_say(const char *call, SSL *ssl, int result);

/* Changes O_NONBLOCK. */
void ends_set_blocking(int fd, int blocking);

/* Sends what the connection's BIO holds back. */
void ends_flush(SSL *ssl);

/* A new transport for both connections, in the place of what they had. */
void ends_make_transport(struct ends *ends);

/* The contexts, with the server's certificate, and connections. */
void ends_make(struct ends *ends, const char *certificate, const char *key);

/* A handshake by SSL_read(): 1 when it is over. */
int ends_by_reading(SSL *ssl);

/* The handshake by the calls given. The program may make them in any order. */
typedef int ends_handshake_call(SSL *ssl);

/* The handshake of both ends, by this call. Every answer in between must be one that libssl gives. */
void ends_shake_hands(struct ends *ends, ends_handshake_call *call);

#endif
