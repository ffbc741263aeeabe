// link: -lssl -lcrypto
/*
 * What few programs do, and libssl allows: one connection object for two servers, a shutdown after a failed
 * handshake, early data requested by a server, both ends in one process. Each mode prints the result of each step,
 * so that a test can compare.
 */
#include "../lib/peer.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

static void said(const char *step, int result)
{
    (void)printf("%s %d\n", step, result);
    (void)fflush(stdout);
}

/* Whether a call that returned `result` ended with an error of the library, as it must when it refuses. */
static void said_failure(const char *step, SSL *ssl, int result)
{
    (void)printf("%s %d error %d\n", step, result, result > 0 ? 0 : SSL_get_error(ssl, result));
    (void)fflush(stdout);
    ERR_clear_error();
}

/* shutdown PORT: connects, and shuts down whether or not that worked. SIGPIPE keeps its disposition. */
static int shut_down(char **argv)
{
    SSL *ssl = SSL_new(SSL_CTX_new(TLS_client_method()));
    int fd = peer_connect(argv[2]);
    (void)SSL_set_fd(ssl, fd);
    said_failure("connect", ssl, SSL_connect(ssl));
    (void)SSL_shutdown(ssl);
    SSL_free(ssl);
    said("alive", 1);
    return close(fd);
}

/* bio PORT: the same with a BIO of libssl's, which shuts down when it is freed. */
static int shut_down_bio(char **argv)
{
    BIO *bio = BIO_new_ssl_connect(SSL_CTX_new(TLS_client_method()));
    char host[64];
    (void)snprintf(host, sizeof host, "127.0.0.1:%s", argv[2]);
    (void)BIO_set_conn_hostname(bio, host);
    said("connect", BIO_do_handshake(bio) > 0);
    said("write", BIO_write(bio, "a", 1) > 0);
    BIO_free_all(bio);
    said("alive", 1);
    return 0;
}

/* method PORT: drives libssl's BIO through its method's own functions, as a filter built on it would. */
static int drive_method(char **argv)
{
    const BIO_METHOD *method = BIO_f_ssl();
    BIO *bio = BIO_new(method);
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    (void)SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
    SSL *ssl = SSL_new(ctx);
    size_t length = 0;
    char byte;
    SSL_set_connect_state(ssl);
    (void)SSL_set_fd(ssl, peer_connect(argv[2]));
    said("set", (int)BIO_meth_get_ctrl(method)(bio, BIO_C_SET_SSL, BIO_CLOSE, ssl));
    BIO_set_init(bio, 1);
    said("write", BIO_meth_get_write_ex(method)(bio, "a", 1, &length));
    said("read", BIO_meth_get_read_ex(method)(bio, &byte, 1, &length));
    (void)printf("version %s\n", SSL_get_version(ssl));
    BIO_free_all(bio);
    return 0;
}

/* ciphers: what a connection capped at TLS 1.2 would offer, asked before it is used; the cap can be read back. */
static int list_ciphers(char **argv)
{
    (void)argv;
    SSL *ssl = SSL_new(SSL_CTX_new(TLS_client_method()));
    (void)SSL_set_max_proto_version(ssl, TLS1_2_VERSION);
    STACK_OF(SSL_CIPHER) *supported = SSL_get1_supported_ciphers(ssl);
    said("some", supported != NULL && sk_SSL_CIPHER_num(supported) > 0);
    for (int i = 0; i < sk_SSL_CIPHER_num(supported); i++)
        (void)printf("cipher %s\n", SSL_CIPHER_get_name(sk_SSL_CIPHER_value(supported, i)));
    said("max", (int)SSL_get_max_proto_version(ssl) == TLS1_2_VERSION);
    sk_SSL_CIPHER_free(supported);
    SSL_free(ssl);
    return 0;
}

/* again PORT PORT: a connection to the first server; then the same object, reset by its state, to the second. */
static int connect_again(char **argv)
{
    char byte;
    SSL *ssl = SSL_new(SSL_CTX_new(TLS_client_method()));
    (void)SSL_set_fd(ssl, peer_connect(argv[2]));
    said_failure("first", ssl, SSL_connect(ssl));
    (void)SSL_write(ssl, "hello\n", 6);
    (void)SSL_read(ssl, &byte, 1);
    SSL_set_connect_state(ssl);
    (void)SSL_set_session(ssl, NULL);
    (void)SSL_set_fd(ssl, peer_connect(argv[3]));
    said_failure("second", ssl, SSL_write(ssl, "secret\n", 7));
    return 0;
}

/* stall PORT: writes, then shuts down, capped at TLS 1.2; the server may send half a record and nothing more. */
static int stall(char **argv)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    (void)SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
    SSL *ssl = SSL_new(ctx);
    int fd = peer_connect(argv[2]);
    char byte;
    (void)SSL_set_fd(ssl, fd);
    said_failure("connect", ssl, SSL_connect(ssl));
    (void)SSL_write(ssl, "hello\n", 6);
    (void)recv(fd, &byte, 1, MSG_PEEK); /* until something arrives */
    said("shutdown", SSL_shutdown(ssl));
    return close(fd);
}

/* early PORT CERT KEY: a server that requests early data, as nginx does; serves one connection. */
static int early(char **argv)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    (void)SSL_CTX_use_certificate_chain_file(ctx, argv[3]);
    (void)SSL_CTX_use_PrivateKey_file(ctx, argv[4], SSL_FILETYPE_PEM);
    (void)SSL_CTX_set_max_early_data(ctx, 16384);
    int listener = peer_listen(argv[2]);
    SSL *ssl = SSL_new(ctx);
    (void)SSL_set_fd(ssl, accept(listener, NULL, NULL));
    char data[64];
    size_t length = 0;
    said("early", SSL_read_early_data(ssl, data, sizeof data, &length));
    return 0;
}

static unsigned int psk_client(SSL *ssl, const char *hint, char *identity, unsigned int identity_size,
                               unsigned char *key, unsigned int key_size)
{
    (void)ssl, (void)hint;
    (void)snprintf(identity, identity_size, "me");
    memset(key, 7, key_size < 32 ? key_size : 32);
    return 32;
}

static unsigned int psk_server(SSL *ssl, const char *identity, unsigned char *key, unsigned int key_size)
{
    (void)ssl, (void)identity;
    memset(key, 7, key_size < 32 ? key_size : 32);
    return 32;
}

/*
 * Does a handshake over memory until both ends have finished or failed; then data goes each way. Returns whether it
 * did.
 */
static int join(SSL *client, SSL *server)
{
    BIO *a = NULL;
    BIO *b = NULL;
    (void)BIO_new_bio_pair(&a, 0, &b, 0);
    SSL_set_bio(client, a, a);
    SSL_set_bio(server, b, b);
    int connected = 0;
    int accepted = 0;
    for (int turn = 0; turn < 10 && (connected != 1 || accepted != 1); turn++) {
        connected = connected == 1 ? 1 : SSL_connect(client);
        accepted = accepted == 1 ? 1 : SSL_accept(server);
    }
    char byte = 0;
    int passed = connected == 1 && accepted == 1 && SSL_write(server, "s", 1) == 1 &&
                 SSL_read(client, &byte, 1) == 1 && SSL_write(client, "c", 1) == 1 &&
                 SSL_read(server, &byte, 1) == 1;
    if (!passed)
        ERR_print_errors_fp(stderr);
    return passed;
}

/* psk: both ends have a preshared key and no certificate. */
static int psk(char **argv)
{
    (void)argv;
    SSL_CTX *client = SSL_CTX_new(TLS_client_method());
    SSL_CTX *server = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_psk_client_callback(client, psk_client);
    SSL_CTX_set_psk_server_callback(server, psk_server);
    said("passed", join(SSL_new(client), SSL_new(server)));
    return 0;
}

/* resume CERT KEY CLIENT-CERT CLIENT-KEY CA: twice, the second time with the session of the first. */
static int resume(char **argv)
{
    SSL_CTX *client = SSL_CTX_new(TLS_client_method());
    SSL_CTX *server = SSL_CTX_new(TLS_server_method());
    (void)SSL_CTX_use_certificate_chain_file(server, argv[2]);
    (void)SSL_CTX_use_PrivateKey_file(server, argv[3], SSL_FILETYPE_PEM);
    (void)SSL_CTX_use_certificate_chain_file(client, argv[4]);
    (void)SSL_CTX_use_PrivateKey_file(client, argv[5], SSL_FILETYPE_PEM);
    (void)SSL_CTX_load_verify_locations(server, argv[6], NULL);
    SSL *first = SSL_new(client);
    said("first", join(first, SSL_new(server)));
    SSL *second = SSL_new(client);
    (void)SSL_set_session(second, SSL_get1_session(first));
    said("second", join(second, SSL_new(server)));
    said("resumed", SSL_session_reused(second));
    return 0;
}

/*
 * queue: an error of the program's own, marked and not, is in the queue while it makes contexts and connections;
 * errno must not change either.
 */
static int queue(char **argv)
{
    (void)argv;
    for (int marked = 0; marked < 2; marked++) {
        ERR_clear_error();
        ERR_put_error(ERR_LIB_USER, 0, 1, "program", 1);
        ERR_put_error(ERR_LIB_USER, 0, 2, "program", 2);
        if (marked)
            said("mark", ERR_set_mark());
        errno = EXDEV;
        SSL *ssl = SSL_new(SSL_CTX_new(TLS_method()));
        said("set", SSL_set1_groups_list(ssl, "P-256:ffdhe2048") >= 0);
        SSL_free(ssl);
        said("errno", errno == EXDEV);
        if (marked)
            said("pop", ERR_pop_to_mark());
        int left = 0;
        for (unsigned long error = ERR_get_error(); error != 0; error = ERR_get_error())
            left = left * 10 + (ERR_GET_LIB(error) == ERR_LIB_USER ? ERR_GET_REASON(error) : 9);
        said("left", left);
    }
    return 0;
}

static const struct mode {
    const char *name;
    int (*run)(char **argv);
    int arguments;
} modes[] = {
    {"shutdown", shut_down, 1},
    {"bio", shut_down_bio, 1},
    {"method", drive_method, 1},
    {"again", connect_again, 2},
    {"stall", stall, 1},
    {"early", early, 3},
    {"psk", psk, 0},
    {"resume", resume, 5},
    {"queue", queue, 0},
    {"ciphers", list_ciphers, 0},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc >= 2 && i < sizeof modes / sizeof modes[0]; i++)
        if (strcmp(argv[1], modes[i].name) == 0 && argc == 2 + modes[i].arguments)
            return modes[i].run(argv);
    (void)fprintf(stderr, "usage: unusual MODE ARGUMENT..., see the source\n");
    return 64;
}
