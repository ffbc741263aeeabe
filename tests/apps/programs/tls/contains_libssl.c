// link: -rdynamic -l:libssl.a -l:libcrypto.a -ldl -pthread
/*
 * Contains libssl and exports it, as node does. Prints the version that its context is limited to, which no preload
 * can change.
 */
#include <openssl/ssl.h>
#include <stdio.h>

int main(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_method());
    if (context == NULL || SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION) != 1)
        return 1;
    printf("%lx\n", (unsigned long)SSL_CTX_get_max_proto_version(context));
    SSL_CTX_free(context);
    return 0;
}
