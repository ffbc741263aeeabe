// link: -lssl -lcrypto
/*
 * A plug-in that is linked with libssl: a client that allows TLS 1.2 at most.
 */
#include "../programs/lib/peer.h"

#include <openssl/ssl.h>

__attribute__((visibility("default"))) int plugin_connect(const char *port);

int plugin_connect(const char *port)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    (void)SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
    SSL *ssl = SSL_new(ctx);
    int fd = peer_connect(port);
    (void)SSL_set_fd(ssl, fd);
    int done = SSL_connect(ssl);
    (void)printf("connect %d version %s\n", done, SSL_get_version(ssl));
    (void)fflush(stdout);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    return close(fd) == 0 && done == 1 ? 0 : 2;
}
