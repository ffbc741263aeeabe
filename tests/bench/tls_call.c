// link: -lssl -lcrypto
/*
 * What a call of SSL_write and SSL_read costs: a client and a server in one process over a pair of memory BIOs, TLS
 * 1.3, one byte a call. Usage: tls_call CERTIFICATE KEY CALLS. Prints nanoseconds per call, the two together
 * divided by two. Run bare and with the library preloaded, the difference is what the wrappers add.
 */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "tls_call: %s\n", what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static SSL_CTX *context_new(const SSL_METHOD *method)
{
    SSL_CTX *context = SSL_CTX_new(method);
    if (context == NULL || SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1)
        die("no context for TLS 1.3");
    return context;
}

static void handshake(SSL *client, SSL *server)
{
    enum { FLIGHTS_MAX = 20 };
    for (int i = 0; i < FLIGHTS_MAX; i++) {
        int connected = SSL_connect(client);
        int accepted = SSL_accept(server);
        if (connected == 1 && accepted == 1)
            return;
        if ((connected != 1 && SSL_get_error(client, connected) != SSL_ERROR_WANT_READ) ||
            (accepted != 1 && SSL_get_error(server, accepted) != SSL_ERROR_WANT_READ))
            break;
    }
    die("the handshake failed");
}

static double nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void pass_bytes(SSL *client, SSL *server, long calls)
{
    for (long i = 0; i < calls; i++) {
        unsigned char sent = (unsigned char)i;
        unsigned char received;
        if (SSL_write(client, &sent, 1) != 1 || SSL_read(server, &received, 1) != 1 || sent != received)
            die("a byte was lost");
    }
}

int main(int argc, char **argv)
{
    if (argc != 4)
        die("usage: tls_call CERTIFICATE KEY CALLS");
    SSL_CTX *server_context = context_new(TLS_server_method());
    SSL_CTX *client_context = context_new(TLS_client_method());
    if (SSL_CTX_use_certificate_file(server_context, argv[1], SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_use_PrivateKey_file(server_context, argv[2], SSL_FILETYPE_PEM) != 1)
        die("no certificate");
    SSL *server = SSL_new(server_context);
    SSL *client = SSL_new(client_context);
    BIO *server_end;
    BIO *client_end;
    if (server == NULL || client == NULL || BIO_new_bio_pair(&server_end, 0, &client_end, 0) != 1)
        die("no connection");
    SSL_set_bio(server, server_end, server_end);
    SSL_set_bio(client, client_end, client_end);
    handshake(client, server);
    long calls = strtol(argv[3], NULL, 10);
    pass_bytes(client, server, calls / 10 + 1);
    double begun = nanoseconds();
    pass_bytes(client, server, calls);
    printf("%.1f\n", (nanoseconds() - begun) / (double)calls / 2);
    SSL_free(client);
    SSL_free(server);
    SSL_CTX_free(client_context);
    SSL_CTX_free(server_context);
    return 0;
}
