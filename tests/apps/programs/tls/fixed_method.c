// link: -lssl -lcrypto
/*
 * A program from before TLS_method(): contexts of one fixed version, TLS 1.2 (or 1.1, 1.0), as client and as
 * server. It prints the version that its connection reports and moves one line each way.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "../lib/peer.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

static const SSL_METHOD *method_by_name(const char *name)
{
    static const struct {
        const char *name;
        const SSL_METHOD *(*method)(void);
    } methods[] = {
        {"TLSv1_2_method", TLSv1_2_method},
        {"TLSv1_2_client_method", TLSv1_2_client_method},
        {"TLSv1_2_server_method", TLSv1_2_server_method},
        {"TLSv1_1_method", TLSv1_1_method},
        {"TLSv1_method", TLSv1_method},
    };
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (strcmp(methods[i].name, name) == 0)
            return methods[i].method();
    errno = EINVAL;
    fail(name);
}

__attribute__((noreturn)) static void fail_tls(const char *call)
{
    (void)fprintf(stderr, "%s failed: ", call);
    ERR_print_errors_fp(stderr);
    (void)fputc('\n', stderr);
    exit(2);
}

static void talk(SSL *ssl, int server)
{
    char line[512];
    static const char words[] = "fixed method client\n";
    if (!server && SSL_write(ssl, words, sizeof words - 1) <= 0)
        fail_tls("SSL_write");
    int got = SSL_read(ssl, line, sizeof line);
    if (got <= 0)
        fail_tls("SSL_read");
    if (server && SSL_write(ssl, line, got) <= 0)
        fail_tls("SSL_write");
    (void)printf("version %s cipher %s\n", SSL_get_version(ssl), SSL_get_cipher_name(ssl));
    if (!server)
        (void)printf("received %.*s", got, line);
    (void)fflush(stdout);
}

static int serve(SSL_CTX *ctx, char **argv)
{
    if (SSL_CTX_use_certificate_chain_file(ctx, argv[4]) != 1 ||
        SSL_CTX_use_PrivateKey_file(ctx, argv[5], SSL_FILETYPE_PEM) != 1)
        fail_tls("certificate");
    int listener = peer_listen(argv[3]);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        SSL *ssl = SSL_new(ctx);
        (void)SSL_set_fd(ssl, fd);
        if (SSL_accept(ssl) == 1)
            talk(ssl, 1);
        else
            ERR_clear_error();
        (void)SSL_shutdown(ssl);
        SSL_free(ssl);
        (void)close(fd);
    }
}

int main(int argc, char **argv)
{
    if (argc != 4 && argc != 6) {
        (void)fprintf(stderr, "usage: fixed_method METHOD client PORT | METHOD server PORT CERT KEY\n");
        return 64;
    }
    SSL_CTX *ctx = SSL_CTX_new(method_by_name(argv[1]));
    if (ctx == NULL)
        fail_tls("SSL_CTX_new");
    (void)SSL_CTX_set_cipher_list(ctx, "ALL:@SECLEVEL=0");
    if (strcmp(argv[2], "server") == 0)
        return serve(ctx, argv);
    SSL *ssl = SSL_new(ctx);
    (void)SSL_set_fd(ssl, peer_connect(argv[3]));
    if (SSL_connect(ssl) != 1)
        fail_tls("SSL_connect");
    talk(ssl, 0);
    (void)SSL_shutdown(ssl);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    return 0;
}
