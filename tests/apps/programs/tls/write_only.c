// link: -lssl -lcrypto
/*
 * A client that only writes: 480 KiB in blocks of 16 KiB, SSL_shutdown, close, exit. It never reads, so anything
 * that the server sends on its own (session tickets) is still unread in the socket when it closes.
 */
#include "../lib/peer.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

enum { BLOCK = 16384, BLOCKS = 30 };

int main(int argc, char **argv)
{
    if (argc != 3) {
        (void)fprintf(stderr, "usage: write_only 1.2|1.3 PORT\n");
        return 64;
    }
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_max_proto_version(ctx, strcmp(argv[1], "1.2") == 0 ? TLS1_2_VERSION : TLS1_3_VERSION);
    SSL *ssl = SSL_new(ctx);
    int fd = peer_connect(argv[2]);
    (void)SSL_set_fd(ssl, fd);
    if (SSL_connect(ssl) != 1) {
        ERR_print_errors_fp(stderr);
        return 2;
    }
    static unsigned char block[BLOCK];
    for (int i = 0; i < BLOCKS; i++) {
        memset(block, 'a' + i % 26, sizeof block);
        if (SSL_write(ssl, block, sizeof block) != sizeof block) {
            ERR_print_errors_fp(stderr);
            return 3;
        }
    }
    int closed = SSL_shutdown(ssl);
    (void)printf("version %s shutdown %d\n", SSL_get_version(ssl), closed);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    return close(fd);
}
