/* See layer_ends.h. */
#include "layer_ends.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

const char *ends_transport;

void ends_must(int condition, const char *what)
{
    if (condition)
        return;
    printf("failed: %s\n", what);
    ERR_print_errors_fp(stdout);
    exit(1);
}

const char *ends_error_name(SSL *ssl, int result)
{
    static const char *const names[] = {"none", "ssl",     "want read",   "want write",
                                        "x509", "syscall", "zero return", "want connect"};
    int error = SSL_get_error(ssl, result);
    return error >= 0 && error < 8 ? names[error] : "other";
}

void ends_say(const char *call, SSL *ssl, int result)
{
    if (result > 0) {
        printf("%s: %d\n", call, result);
        return;
    }
    const char *name = ends_error_name(ssl, result);
    unsigned long error = ERR_peek_error();
    printf("%s: not positive, %s%s%s\n", call, name, error != 0 ? ", " : "",
           error != 0 ? ERR_reason_error_string(error) : "");
    ERR_clear_error();
}

void ends_set_blocking(int fd, int blocking)
{
    int flags = fcntl(fd, F_GETFL);
    ends_must(fcntl(fd, F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK) == 0, "fcntl");
}

static void sockets_make(struct ends *ends)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    ends_must(bind(listener, (struct sockaddr *)&address, length) == 0 && listen(listener, 1) == 0, "listen");
    ends_must(getsockname(listener, (struct sockaddr *)&address, &length) == 0, "getsockname");
    ends->client_fd = socket(AF_INET, SOCK_STREAM, 0);
    ends_must(connect(ends->client_fd, (struct sockaddr *)&address, length) == 0, "connect");
    ends->server_fd = accept(listener, NULL, NULL);
    ends_must(ends->server_fd >= 0, "accept");
    close(listener);
    int on = 1; /* what is written has arrived when the call returns */
    ends_must(setsockopt(ends->client_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
                  setsockopt(ends->server_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0,
              "TCP_NODELAY");
    ends_set_blocking(ends->client_fd, 0);
    ends_set_blocking(ends->server_fd, 0);
}

void ends_make_transport(struct ends *ends)
{
    if (strcmp(ends_transport, "pair") == 0) {
        BIO *one, *other;
        ends->server_fd = ends->client_fd = -1;
        ends_must(BIO_new_bio_pair(&one, 40000, &other, 40000) == 1, "BIO_new_bio_pair");
        SSL_set_bio(ends->server, one, one);
        SSL_set_bio(ends->client, other, other);
        return;
    }
    sockets_make(ends);
    SSL_set_fd(ends->server, ends->server_fd);
    SSL_set_fd(ends->client, ends->client_fd);
    if (strcmp(ends_transport, "buffered") == 0) { /* nothing leaves before it is flushed */
        for (int i = 0; i < 2; i++) {
            SSL *ssl = i == 0 ? ends->server : ends->client;
            BIO *wbio = SSL_get_wbio(ssl);
            BIO_up_ref(wbio);
            SSL_set0_wbio(ssl, BIO_push(BIO_new(BIO_f_buffer()), wbio));
        }
    }
}

void ends_flush(SSL *ssl)
{
    (void)BIO_flush(SSL_get_wbio(ssl));
}

static void ends_connect(struct ends *ends)
{
    ends->server = SSL_new(ends->server_context);
    ends->client = SSL_new(ends->client_context);
    ends_must(ends->server != NULL && ends->client != NULL, "SSL_new");
    SSL_set_accept_state(ends->server);
    SSL_set_connect_state(ends->client);
    ends_make_transport(ends);
}

void ends_make(struct ends *ends, const char *certificate, const char *key)
{
    ends->server_context = SSL_CTX_new(TLS_server_method());
    ends->client_context = SSL_CTX_new(TLS_client_method());
    ends_must(SSL_CTX_use_certificate_chain_file(ends->server_context, certificate) == 1 &&
                  SSL_CTX_use_PrivateKey_file(ends->server_context, key, SSL_FILETYPE_PEM) == 1,
              "certificate");
    ends_connect(ends);
}

int ends_by_reading(SSL *ssl)
{
    char byte;
    int result = SSL_read(ssl, &byte, 1);
    ends_must(result <= 0, "data before any was sent");
    return SSL_is_init_finished(ssl) ? 1 : result;
}

void ends_shake_hands(struct ends *ends, ends_handshake_call *call)
{
    int server = 0, client = 0, waited = 0;
    for (int i = 0; i < ENDS_STEPS && (server != 1 || client != 1); i++) {
        if (client != 1) {
            ends_must(SSL_in_init(ends->client) && !SSL_is_init_finished(ends->client),
                      "the client's handshake is not over");
            client = call(ends->client);
            ends_flush(ends->client);
        }
        if (server != 1) {
            ends_must(SSL_in_init(ends->server) && !SSL_is_init_finished(ends->server),
                      "the server's handshake is not over");
            ends_must(SSL_pending(ends->server) == 0, "nothing is pending in a handshake");
            ends_must(SSL_get_state(ends->server) != TLS_ST_OK, "its state is not OK");
            server = call(ends->server);
            ends_flush(ends->server);
        }
        for (int side = 0; side < 2; side++) {
            SSL *ssl = side == 0 ? ends->server : ends->client;
            int result = side == 0 ? server : client;
            if (result == 1)
                continue;
            int error = SSL_get_error(ssl, result);
            ends_must(error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE,
                      "a handshake that wants something");
            ends_must(SSL_want(ssl) == (error == SSL_ERROR_WANT_READ ? SSL_READING : SSL_WRITING), "SSL_want");
            waited++;
        }
    }
    ends_must(server == 1 && client == 1 && waited > 1, "both handshakes are over");
    ends_must(SSL_is_init_finished(ends->server) && SSL_is_init_finished(ends->client), "SSL_is_init_finished");
    ends_must(!SSL_in_init(ends->server) && !SSL_in_init(ends->client), "SSL_in_init");
    ends_must(SSL_get_state(ends->server) == TLS_ST_OK && SSL_get_state(ends->client) == TLS_ST_OK,
              "SSL_get_state");
    /* A client of TLS 1.3 has tickets to read. */
    char byte;
    ends_must(SSL_read(ends->client, &byte, 1) <= 0, "no data yet");
    ERR_clear_error();
    printf("handshake over\n");
}
