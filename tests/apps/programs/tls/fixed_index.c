// link: -lssl -lcrypto
/*
 * Uses ex_data with index numbers that it never allocated, as freeradius does. Each must be empty at first, also in
 * the middle of a handshake, and keep what was put there. Prints the first that is not, and exits with status 1.
 */
#include "../lib/peer.h"

#include <openssl/ssl.h>

enum { FIRST = 1, LAST = 20 };

static char marks[LAST + 1];

static void expect_empty(const char *what, const void *data, int index)
{
    if (data == NULL)
        return;
    printf("%s: index %d is taken\n", what, index);
    exit(1);
}

int main(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(context);
    BIO *transport = BIO_new(BIO_s_mem());
    if (ssl == NULL || transport == NULL)
        fail("SSL_new");
    SSL_set_bio(ssl, transport, transport);
    for (int i = FIRST; i <= LAST; i++)
        expect_empty("a new context", SSL_CTX_get_ex_data(context, i), i);
    if (SSL_connect(ssl) == 1)
        fail("a handshake without a peer");
    for (int i = FIRST; i <= LAST; i++)
        expect_empty("a connection in its handshake", SSL_get_ex_data(ssl, i), i);
    for (int i = FIRST; i <= LAST; i++)
        if (SSL_set_ex_data(ssl, i, &marks[i]) != 1)
            fail("SSL_set_ex_data");
    (void)SSL_connect(ssl);
    for (int i = FIRST; i <= LAST; i++)
        if (SSL_get_ex_data(ssl, i) != &marks[i])
            fail("SSL_get_ex_data");
    printf("kept\n");
    SSL_free(ssl);
    SSL_CTX_free(context);
    return 0;
}
