// link: -lssl -lcrypto
/*
 * Client and server in one process, each a BIO_f_ssl() over a pair of memory BIOs, as in openvpn: only BIO_write()
 * and BIO_read() are called, also during the handshake. Prints what each first call returns, the version that was
 * negotiated, and what arrived. Usage: memory_bio CERTIFICATE KEY
 */
#include "../lib/peer.h"

#include <openssl/bio.h>
#include <openssl/ssl.h>

enum { ROUNDS_MAX = 20, BUFFER = 256 };

static BIO *side(const char *certificate, const char *key, BIO *transport)
{
    SSL_CTX *context = SSL_CTX_new(certificate != NULL ? TLS_server_method() : TLS_client_method());
    if (context == NULL || SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION) != 1)
        fail("SSL_CTX_new");
    if (certificate != NULL && (SSL_CTX_use_certificate_file(context, certificate, SSL_FILETYPE_PEM) != 1 ||
                                SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1))
        fail("SSL_CTX_use_certificate_file");
    BIO *bio = BIO_new(BIO_f_ssl());
    SSL *ssl = SSL_new(context);
    if (bio == NULL || ssl == NULL)
        fail("BIO_new");
    SSL_set_bio(ssl, transport, transport);
    if (certificate != NULL)
        SSL_set_accept_state(ssl);
    else
        SSL_set_connect_state(ssl);
    BIO_set_ssl(bio, ssl, BIO_CLOSE);
    SSL_CTX_free(context);
    return bio;
}

static void say(const char *what, BIO *bio, int result)
{
    printf("%s: %d%s%s%s\n", what, result, BIO_should_retry(bio) ? " retry" : "",
           BIO_should_read(bio) ? " read" : "", BIO_should_write(bio) ? " write" : "");
}

int main(int argc, char **argv)
{
    static const char word[] = "through memory";
    BIO *near = NULL;
    BIO *far = NULL;
    if (argc != 3 || BIO_new_bio_pair(&near, 0, &far, 0) != 1)
        return 64;
    BIO *client = side(NULL, NULL, near);
    BIO *server = side(argv[1], argv[2], far);

    say("first write", client, BIO_write(client, word, sizeof word));
    char buffer[BUFFER];
    say("first read", server, BIO_read(server, buffer, sizeof buffer));
    say("client's read", client, BIO_read(client, buffer, sizeof buffer));
    int written = -1;
    int received = -1;
    for (int i = 0; i < ROUNDS_MAX && received <= 0; i++) {
        if (written <= 0)
            written = BIO_write(client, word, sizeof word);
        received = BIO_read(server, buffer, sizeof buffer);
    }
    SSL *ssl = NULL;
    BIO_get_ssl(client, &ssl);
    printf("agreed on: %s\n", SSL_get_version(ssl));
    printf("written: %d, received: %d %.*s\n", written, received, received > 0 ? received - 1 : 0, buffer);
    BIO_free(client);
    BIO_free(server);
    return received == (int)sizeof word && memcmp(buffer, word, sizeof word) == 0 ? 0 : 1;
}
