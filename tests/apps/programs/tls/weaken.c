// link: -lssl -lcrypto
/*
 * Weakens a context or a connection in one way (see weakenings.h), prints what its getters return, and then
 * connects or accepts and prints the result. The lines `answer` and `reads` of a wrapped run must be those of a
 * bare run. A client sends one line and prints what it gets back; a server echoes each connection's first line,
 * until it is ended. main() has the usage line.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "../lib/weakenings.h"
#include "../lib/peer.h"

#include <openssl/err.h>

static void read_ciphers(const char *what, const STACK_OF(SSL_CIPHER) * list)
{
    (void)printf("reads %s", what);
    for (int i = 0; i < sk_SSL_CIPHER_num(list); i++)
        (void)printf(" %s", SSL_CIPHER_get_name(sk_SSL_CIPHER_value(list, i)));
    (void)printf("\n");
}

/* What a program can read back from a context. */
static void read_context(SSL_CTX *c)
{
    (void)printf("reads ctx min %ld max %ld\n", (long)SSL_CTX_get_min_proto_version(c),
                 (long)SSL_CTX_get_max_proto_version(c));
    (void)printf("reads ctx options %#llx\n", (unsigned long long)SSL_CTX_get_options(c));
    (void)printf("reads ctx level %d\n", SSL_CTX_get_security_level(c));
    (void)printf("reads ctx security-callback-is-mine %d\n",
                 SSL_CTX_get_security_callback(c) == weakening_allow_all);
    (void)printf("reads ctx early %lu %lu\n", (unsigned long)SSL_CTX_get_max_early_data(c),
                 (unsigned long)SSL_CTX_get_recv_max_early_data(c));
    (void)printf("reads ctx tickets %zu\n", SSL_CTX_get_num_tickets(c));
    (void)printf("reads ctx keylog-is-mine %d\n", SSL_CTX_get_keylog_callback(c) == weakening_keylog);
    (void)printf("reads ctx method-is-1.2 %d\n", SSL_CTX_get_ssl_method(c) == TLSv1_2_method());
    read_ciphers("ctx ciphers", SSL_CTX_get_ciphers(c));
}

/* What a program can read back from a connection. */
static void read_connection(SSL *s)
{
    (void)printf("reads ssl min %ld max %ld\n", (long)SSL_get_min_proto_version(s),
                 (long)SSL_get_max_proto_version(s));
    (void)printf("reads ssl options %#llx\n", (unsigned long long)SSL_get_options(s));
    (void)printf("reads ssl level %d\n", SSL_get_security_level(s));
    (void)printf("reads ssl security-callback-is-mine %d\n", SSL_get_security_callback(s) == weakening_allow_all);
    (void)printf("reads ssl early %lu %lu\n", (unsigned long)SSL_get_max_early_data(s),
                 (unsigned long)SSL_get_recv_max_early_data(s));
    (void)printf("reads ssl tickets %zu\n", SSL_get_num_tickets(s));
    (void)printf("reads ssl method-is-1.2 %d\n", SSL_get_ssl_method(s) == TLSv1_2_method());
    read_ciphers("ssl ciphers", SSL_get_ciphers(s));
    int groups[64];
    long count = SSL_get1_groups(s, NULL);
    (void)printf("reads ssl groups");
    if (count > 0 && count <= 64) {
        (void)SSL_get1_groups(s, groups);
        for (long i = 0; i < count; i++)
            (void)printf(" %d", groups[i]);
    }
    (void)printf("\n");
}

/* What was negotiated, from the connection itself. */
static void report(SSL *s)
{
    EVP_PKEY *key = NULL;
    char group[64] = "none";
    if (SSL_get_peer_tmp_key(s, &key) == 1) {
        if (EVP_PKEY_get_group_name(key, group, sizeof group, NULL) != 1)
            (void)snprintf(group, sizeof group, "%s", OBJ_nid2sn(EVP_PKEY_get_id(key)));
        EVP_PKEY_free(key);
    }
    (void)printf("negotiated %s %s %s\n", SSL_get_version(s), SSL_get_cipher_name(s), group);
}

static void report_failure(SSL *s, const char *call, int result)
{
    unsigned long error = ERR_peek_error();
    (void)printf("failed %s %d %s\n", call, SSL_get_error(s, result), ERR_error_string(error, NULL));
    ERR_clear_error();
}

static void run_client(SSL *s, const char *port)
{
    static const char line[] = "a line of the client\n";
    char back[256];
    int fd = peer_connect(port);
    (void)SSL_set_fd(s, fd);
    (void)SSL_set_tlsext_host_name(s, "localhost");
    int result = SSL_connect(s);
    if (result != 1) {
        report_failure(s, "connect", result);
        exit(2);
    }
    report(s);
    result = SSL_write(s, line, sizeof line - 1);
    if (result != sizeof line - 1) {
        report_failure(s, "write", result);
        exit(3);
    }
    int got = SSL_read(s, back, sizeof back - 1);
    if (got <= 0) {
        report_failure(s, "read", got);
        exit(4);
    }
    back[got] = '\0';
    (void)printf("received %s", back);
    (void)SSL_shutdown(s);
    (void)close(fd);
}

static void serve_one(SSL *s, int fd)
{
    char line[4096];
    (void)SSL_set_fd(s, fd);
    int result = SSL_accept(s);
    if (result != 1) {
        report_failure(s, "accept", result);
        return;
    }
    report(s);
    int got = SSL_read(s, line, sizeof line);
    if (got > 0)
        (void)SSL_write(s, line, got);
    (void)SSL_shutdown(s);
}

static SSL *make_connection(SSL_CTX *c, const struct weakening *weakening, int on_ssl)
{
    SSL *s = SSL_new(c);
    if (s == NULL) {
        errno = 0;
        fail("SSL_new");
    }
    if (on_ssl)
        weakening->ssl(s);
    read_connection(s);
    return s;
}

static int list(void)
{
    for (size_t i = 0; i < weakening_count; i++)
        (void)printf("%s%s%s\n", weakenings[i].name, weakenings[i].ctx ? " ctx" : "",
                     weakenings[i].ssl ? " ssl" : "");
    return 0;
}

static const struct weakening *find(const char *name)
{
    for (size_t i = 0; i < weakening_count; i++)
        if (strcmp(weakenings[i].name, name) == 0)
            return &weakenings[i];
    (void)fprintf(stderr, "no weakening is called %s\n", name);
    exit(64);
}

static SSL_CTX *make_context(int server, char **files)
{
    SSL_CTX *c = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    if (c == NULL || (server && (SSL_CTX_use_certificate_chain_file(c, files[0]) != 1 ||
                                 SSL_CTX_use_PrivateKey_file(c, files[1], SSL_FILETYPE_PEM) != 1))) {
        ERR_print_errors_fp(stderr);
        exit(1);
    }
    return c;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "list") == 0)
        return list();
    int server = argc == 7 && strcmp(argv[3], "server") == 0;
    if (!server && (argc != 5 || strcmp(argv[3], "client") != 0)) {
        (void)fprintf(stderr,
                      "usage: weaken list | NAME ctx|ssl client PORT | NAME ctx|ssl server PORT CERT KEY\n");
        return 64;
    }
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    const struct weakening *weakening = find(argv[1]);
    int on_ssl = strcmp(argv[2], "ssl") == 0;
    if (server && strcmp(weakening->name, "server_name_callback") == 0) {
        weakening_other_context = make_context(1, argv + 5);
        (void)SSL_CTX_set_max_proto_version(weakening_other_context, TLS1_2_VERSION);
        (void)SSL_CTX_set_cipher_list(weakening_other_context, "ALL:@SECLEVEL=0");
    }
    SSL_CTX *c = make_context(server, argv + 5);
    if (!on_ssl)
        weakening->ctx(c);
    read_context(c);

    if (!server) {
        run_client(make_connection(c, weakening, on_ssl), argv[4]);
    } else {
        int listener = peer_listen(argv[4]);
        for (;;) {
            int fd = accept(listener, NULL, NULL);
            if (fd < 0)
                fail("accept");
            SSL *s = make_connection(c, weakening, on_ssl);
            serve_one(s, fd);
            SSL_free(s);
            (void)close(fd);
        }
    }
    (void)printf("keylog lines %ld\n", weakening_keylog_lines);
    SSL_CTX_free(c);
    return 0;
}
