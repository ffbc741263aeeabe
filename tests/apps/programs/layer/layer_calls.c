// link: -lssl -lcrypto -pthread
/*
 * Both ends of a TLS connection in one process, and every call that moves data or asks about it, in the situations
 * in which the results matter. Prints what each call returned: with the inner layer it must be the same as bare.
 * Usage: layer_calls CERTIFICATE KEY tcp|pair|buffered SCENARIO
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BIG = 4 << 20, STEPS = 100000 };

struct ends {
    SSL_CTX *server_context, *client_context;
    SSL *server, *client;
    int server_fd, client_fd; /* -1: no sockets */
};

static const char *transport;
static unsigned char big[BIG], got[BIG];

static void must(int condition, const char *what)
{
    if (condition)
        return;
    printf("failed: %s\n", what);
    ERR_print_errors_fp(stdout);
    exit(1);
}

static const char *error_name(SSL *ssl, int result)
{
    static const char *const names[] = {"none", "ssl",     "want read",   "want write",
                                        "x509", "syscall", "zero return", "want connect"};
    int error = SSL_get_error(ssl, result);
    return error >= 0 && error < 8 ? names[error] : "other";
}

/* "SSL_read: 5", "SSL_read: -1 want read"; for an error also the reason. */
static void say(const char *call, SSL *ssl, int result)
{
    if (result > 0) {
        printf("%s: %d\n", call, result);
        return;
    }
    const char *name = error_name(ssl, result);
    unsigned long error = ERR_peek_error();
    printf("%s: not positive, %s%s%s\n", call, name, error != 0 ? ", " : "",
           error != 0 ? ERR_reason_error_string(error) : "");
    ERR_clear_error();
}

static void set_blocking(int fd, int blocking)
{
    int flags = fcntl(fd, F_GETFL);
    must(fcntl(fd, F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK) == 0, "fcntl");
}

static void sockets_make(struct ends *ends)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    must(bind(listener, (struct sockaddr *)&address, length) == 0 && listen(listener, 1) == 0, "listen");
    must(getsockname(listener, (struct sockaddr *)&address, &length) == 0, "getsockname");
    ends->client_fd = socket(AF_INET, SOCK_STREAM, 0);
    must(connect(ends->client_fd, (struct sockaddr *)&address, length) == 0, "connect");
    ends->server_fd = accept(listener, NULL, NULL);
    must(ends->server_fd >= 0, "accept");
    close(listener);
    int on = 1; /* what is written has arrived when the call returns */
    must(setsockopt(ends->client_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
             setsockopt(ends->server_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0,
         "TCP_NODELAY");
    set_blocking(ends->client_fd, 0);
    set_blocking(ends->server_fd, 0);
}

static void transport_make(struct ends *ends)
{
    if (strcmp(transport, "pair") == 0) {
        BIO *one, *other;
        ends->server_fd = ends->client_fd = -1;
        must(BIO_new_bio_pair(&one, 40000, &other, 40000) == 1, "BIO_new_bio_pair");
        SSL_set_bio(ends->server, one, one);
        SSL_set_bio(ends->client, other, other);
        return;
    }
    sockets_make(ends);
    SSL_set_fd(ends->server, ends->server_fd);
    SSL_set_fd(ends->client, ends->client_fd);
    if (strcmp(transport, "buffered") == 0) { /* nothing leaves before it is flushed */
        for (int i = 0; i < 2; i++) {
            SSL *ssl = i == 0 ? ends->server : ends->client;
            BIO *wbio = SSL_get_wbio(ssl);
            BIO_up_ref(wbio);
            SSL_set0_wbio(ssl, BIO_push(BIO_new(BIO_f_buffer()), wbio));
        }
    }
}

static void flush(SSL *ssl)
{
    (void)BIO_flush(SSL_get_wbio(ssl));
}

static void connections_make(struct ends *ends)
{
    ends->server = SSL_new(ends->server_context);
    ends->client = SSL_new(ends->client_context);
    must(ends->server != NULL && ends->client != NULL, "SSL_new");
    SSL_set_accept_state(ends->server);
    SSL_set_connect_state(ends->client);
    transport_make(ends);
}

static void ends_make(struct ends *ends, const char *certificate, const char *key)
{
    ends->server_context = SSL_CTX_new(TLS_server_method());
    ends->client_context = SSL_CTX_new(TLS_client_method());
    must(SSL_CTX_use_certificate_chain_file(ends->server_context, certificate) == 1 &&
             SSL_CTX_use_PrivateKey_file(ends->server_context, key, SSL_FILETYPE_PEM) == 1,
         "certificate");
    connections_make(ends);
}

/* The handshake by the calls given. The program may make them in any order. */
typedef int handshake_call(SSL *ssl);

static int by_reading(SSL *ssl)
{
    char byte;
    int result = SSL_read(ssl, &byte, 1);
    must(result <= 0, "data before any was sent");
    return SSL_is_init_finished(ssl) ? 1 : result;
}

static void shake_hands(struct ends *ends, handshake_call *call)
{
    int server = 0, client = 0, waited = 0;
    for (int i = 0; i < STEPS && (server != 1 || client != 1); i++) {
        if (client != 1) {
            must(SSL_in_init(ends->client) && !SSL_is_init_finished(ends->client),
                 "the client's handshake is not over");
            client = call(ends->client);
            flush(ends->client);
        }
        if (server != 1) {
            must(SSL_in_init(ends->server) && !SSL_is_init_finished(ends->server),
                 "the server's handshake is not over");
            must(SSL_pending(ends->server) == 0, "nothing is pending in a handshake");
            must(SSL_get_state(ends->server) != TLS_ST_OK, "its state is not OK");
            server = call(ends->server);
            flush(ends->server);
        }
        for (int side = 0; side < 2; side++) {
            SSL *ssl = side == 0 ? ends->server : ends->client;
            int result = side == 0 ? server : client;
            if (result == 1)
                continue;
            int error = SSL_get_error(ssl, result);
            must(error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE, "a handshake that wants something");
            must(SSL_want(ssl) == (error == SSL_ERROR_WANT_READ ? SSL_READING : SSL_WRITING), "SSL_want");
            waited++;
        }
    }
    must(server == 1 && client == 1 && waited > 1, "both handshakes are over");
    must(SSL_is_init_finished(ends->server) && SSL_is_init_finished(ends->client), "SSL_is_init_finished");
    must(!SSL_in_init(ends->server) && !SSL_in_init(ends->client), "SSL_in_init");
    must(SSL_get_state(ends->server) == TLS_ST_OK && SSL_get_state(ends->client) == TLS_ST_OK, "SSL_get_state");
    /* A client of TLS 1.3 has tickets to read. */
    char byte;
    must(SSL_read(ends->client, &byte, 1) <= 0, "no data yet");
    ERR_clear_error();
    printf("handshake over\n");
}

static void scenario_handshakes(struct ends *ends)
{
    shake_hands(ends, by_reading);
    const unsigned char *protocol = NULL;
    unsigned length = 0;
    SSL_get0_alpn_selected(ends->client, &protocol, &length);
    printf("protocol of %u bytes\n", length);
}

static int choose_second(SSL *ssl, const unsigned char **out, unsigned char *out_length, const unsigned char *in,
                         unsigned in_length, void *argument)
{
    (void)ssl, (void)argument;
    printf("offered: %.*s\n", (int)in_length, (const char *)in);
    unsigned second = 1U + in[0];
    must(second < in_length, "two protocols");
    *out = in + second + 1;
    *out_length = in[second];
    return SSL_TLSEXT_ERR_OK;
}

static void scenario_protocols(struct ends *ends)
{
    static const unsigned char list[] = "!a-protocol-of-thirty-three-bytes$$\"another-of-34-bytes-is-offered-too";
    SSL_CTX_set_alpn_select_cb(ends->server_context, choose_second, NULL);
    must(SSL_CTX_set_alpn_protos(ends->client_context, list, sizeof list - 1) != 0, "a malformed list is refused");
    ERR_clear_error();
    must(SSL_set_alpn_protos(ends->client, (const unsigned char *)"\2h2\10http/1.1", 12) == 0,
         "SSL_set_alpn_protos");
    shake_hands(ends, SSL_do_handshake);
    const unsigned char *protocol = NULL;
    unsigned length = 0;
    SSL_get0_alpn_selected(ends->client, &protocol, &length);
    printf("selected: %.*s\n", (int)length, (const char *)protocol);
}

static void scenario_small(struct ends *ends)
{
    char buffer[100];
    size_t count;
    shake_hands(ends, SSL_do_handshake);
    say("read nothing", ends->server, SSL_read(ends->server, buffer, sizeof buffer));
    say("peek nothing", ends->server, SSL_peek(ends->server, buffer, sizeof buffer));
    say("write", ends->client, SSL_write(ends->client, "twenty bytes of text", 20));
    flush(ends->client);
    printf("pending before: %d\n", SSL_pending(ends->server));
    say("peek", ends->server, SSL_peek(ends->server, buffer, 6));
    printf("peeked %.6s, pending %d, has_pending %d\n", buffer, SSL_pending(ends->server),
           SSL_has_pending(ends->server));
    say("read", ends->server, SSL_read(ends->server, buffer, 7));
    printf("read %.7s, pending %d\n", buffer, SSL_pending(ends->server));
    must(SSL_peek_ex(ends->server, buffer, 5, &count) == 1, "SSL_peek_ex");
    printf("peeked %zu %.5s\n", count, buffer);
    must(SSL_read_ex(ends->server, buffer, sizeof buffer, &count) == 1, "SSL_read_ex");
    printf("read %zu %.13s, pending %d, has_pending %d\n", count, buffer, SSL_pending(ends->server),
           SSL_has_pending(ends->server));
    printf("read_ex again: %d", SSL_read_ex(ends->server, buffer, sizeof buffer, &count));
    printf(" %s\n", error_name(ends->server, 0));
    must(SSL_write_ex(ends->server, "back", 4, &count) == 1, "SSL_write_ex");
    flush(ends->server);
    printf("wrote %zu\n", count);
    say("read back", ends->client, SSL_read(ends->client, buffer, sizeof buffer));
    for (int i = 0; i < 3; i++)
        must(SSL_write(ends->client, &"one two three "[4 * (i > 0) + 4 * (i > 1)], 4) == 4, "three writes");
    flush(ends->client);
    say("one record at a time", ends->server, SSL_read(ends->server, buffer, sizeof buffer));
    say("and the next", ends->server, SSL_read(ends->server, buffer, sizeof buffer));
    say("peek of none", ends->server, SSL_peek(ends->server, buffer, 0) > 0);
}

/* Reads everything that is there. Returns how much. */
static size_t read_all(SSL *ssl, unsigned char *to, size_t size)
{
    size_t total = 0;
    int result;
    while (total < size &&
           (result = SSL_read(ssl, to + total, (int)(size - total < 50000 ? size - total : 50000))) > 0)
        total += (size_t)result;
    ERR_clear_error();
    return total;
}

static void write_until_stopped(struct ends *ends, int length, const char *what)
{
    int result = SSL_write(ends->client, big, length);
    flush(ends->client);
    if (strcmp(transport, "buffered") != 0 || result > 0) /* what a buffer holds differs */
        say(what, ends->client, result);
}

static void finish_write(struct ends *ends, const unsigned char *data, int length, size_t have)
{
    int result = 0;
    size_t total = have;
    for (int i = 0; i < STEPS && result <= 0; i++) {
        total += read_all(ends->server, got + total, BIG - total);
        result = SSL_write(ends->client, data, length);
        flush(ends->client);
        if (result <= 0)
            must(SSL_get_error(ends->client, result) == SSL_ERROR_WANT_WRITE, "only WANT_WRITE");
        ERR_clear_error();
    }
    for (int i = 0; i < STEPS && total < (size_t)length; i++) {
        flush(ends->client);
        total += read_all(ends->server, got + total, BIG - total);
    }
    printf("the write was answered with %d, %zu bytes arrived, %s\n", result, total,
           memcmp(got, big, total) == 0 ? "the same" : "others");
}

static void scenario_stopped_write(struct ends *ends)
{
    char buffer[10];
    shake_hands(ends, SSL_do_handshake);
    write_until_stopped(ends, BIG, "big write");
    must(SSL_write(ends->server, "meanwhile", 9) == 9, "the other direction");
    flush(ends->server);
    say("read while a write has stopped", ends->client, SSL_read(ends->client, buffer, sizeof buffer));
    finish_write(ends, big, BIG, 0);
}

/* An error that ends the connection. */
static void scenario_other_buffer(struct ends *ends)
{
    shake_hands(ends, SSL_do_handshake);
    write_until_stopped(ends, BIG, "big write");
    say("another buffer", ends->client, SSL_write(ends->client, got, BIG));
}

static void scenario_moving_buffer(struct ends *ends)
{
    static unsigned char copy[BIG];
    SSL_set_mode(ends->client, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    shake_hands(ends, SSL_do_handshake);
    write_until_stopped(ends, BIG, "big write");
    memcpy(copy, big, BIG);
    finish_write(ends, copy, BIG, 0);
}

static void scenario_partial_writes(struct ends *ends)
{
    SSL_set_mode(ends->client, SSL_MODE_ENABLE_PARTIAL_WRITE);
    shake_hands(ends, SSL_do_handshake);
    size_t written = 0, total = 0, stops = 0;
    for (int i = 0; i < STEPS && written < BIG; i++) {
        int result = SSL_write(ends->client, big + written, (int)(BIG - written));
        flush(ends->client);
        if (result > 0) {
            written += (size_t)result;
        } else {
            must(SSL_get_error(ends->client, result) == SSL_ERROR_WANT_WRITE, "only WANT_WRITE");
            ERR_clear_error();
            stops++;
            total += read_all(ends->server, got + total, BIG - total);
        }
    }
    for (int i = 0; i < STEPS && total < BIG; i++) {
        flush(ends->client);
        total += read_all(ends->server, got + total, BIG - total);
    }
    printf("wrote %zu, stopped: %s, read %zu, %s\n", written, stops > 0 ? "yes" : "no", total,
           memcmp(big, got, BIG) == 0 ? "the same" : "others");
}

static void say_shutdown(struct ends *ends, const char *when)
{
    printf("%s: server %d, client %d\n", when, SSL_get_shutdown(ends->server), SSL_get_shutdown(ends->client));
}

static void scenario_shutdown(struct ends *ends)
{
    char buffer[100];
    shake_hands(ends, SSL_do_handshake);
    must(SSL_write(ends->client, "last words", 10) == 10, "write");
    printf("client shuts down: %d\n", SSL_shutdown(ends->client));
    flush(ends->client);
    say_shutdown(ends, "after one");
    say("again, with nothing from the server", ends->client, SSL_shutdown(ends->client));
    say("write after shutdown", ends->client, SSL_write(ends->client, "x", 1));
    say("server reads", ends->server, SSL_read(ends->server, buffer, sizeof buffer));
    say("server reads the end", ends->server, SSL_read(ends->server, buffer, sizeof buffer));
    say("and again", ends->server, SSL_read(ends->server, buffer, sizeof buffer));
    say("peeks", ends->server, SSL_peek(ends->server, buffer, sizeof buffer));
    say_shutdown(ends, "half closed");
    say("server still writes", ends->server, SSL_write(ends->server, "an answer", 9));
    flush(ends->server);
    say("client reads it", ends->client, SSL_read(ends->client, buffer, sizeof buffer));
    printf("server shuts down: %d\n", SSL_shutdown(ends->server));
    flush(ends->server);
    printf("client's second: %d\n", SSL_shutdown(ends->client));
    say_shutdown(ends, "closed");
}

static void scenario_shutdown_with_data(struct ends *ends)
{
    shake_hands(ends, SSL_do_handshake);
    must(SSL_write(ends->server, "unread", 6) == 6, "write");
    printf("client shuts down: %d\n", SSL_shutdown(ends->client));
    flush(ends->client), flush(ends->server);
    say("second, with data unread", ends->client, SSL_shutdown(ends->client));
}

static void scenario_truncated(struct ends *ends)
{
    char buffer[100];
    shake_hands(ends, SSL_do_handshake);
    must(SSL_write(ends->client, "last words", 10) == 10, "write");
    flush(ends->client);
    shutdown(ends->client_fd, SHUT_WR);
    say("read", ends->server, SSL_read(ends->server, buffer, sizeof buffer));
    say("read the end", ends->server, SSL_read(ends->server, buffer, sizeof buffer));
    say_shutdown(ends, "cut off");
}

static void scenario_quiet(struct ends *ends)
{
    char buffer[100];
    shake_hands(ends, SSL_do_handshake);
    SSL_set_quiet_shutdown(ends->client, 1);
    printf("client shuts down: %d\n", SSL_shutdown(ends->client));
    flush(ends->client);
    say("server reads", ends->server, SSL_read(ends->server, buffer, sizeof buffer));
    say_shutdown(ends, "quiet");
}

static void scenario_again(struct ends *ends)
{
    char buffer[100];
    for (int round = 0; round < 3; round++) {
        shake_hands(ends, SSL_do_handshake);
        must(SSL_write(ends->client, "round", 5) == 5, "write");
        flush(ends->client);
        say("read", ends->server, SSL_read(ends->server, buffer, sizeof buffer));
        SSL_set_shutdown(ends->server, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
        SSL_set_shutdown(ends->client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
        must(SSL_clear(ends->server) == 1 && SSL_clear(ends->client) == 1, "SSL_clear");
        transport_make(ends);
    }
}

/* Blocking sockets, and a thread for each end. */
static void *echo_blocking(void *argument)
{
    static unsigned char buffer[100000];
    SSL *ssl = argument;
    must(SSL_accept(ssl) == 1, "SSL_accept");
    int result, error;
    while ((result = SSL_read(ssl, buffer, sizeof buffer)) > 0)
        must(SSL_write(ssl, buffer, result) == result, "echo");
    error = SSL_get_error(ssl, result);
    must(error == SSL_ERROR_ZERO_RETURN, "an orderly end");
    must(SSL_shutdown(ssl) >= 0, "SSL_shutdown");
    return NULL;
}

static void scenario_blocking(struct ends *ends)
{
    pthread_t echo;
    set_blocking(ends->server_fd, 1);
    set_blocking(ends->client_fd, 1);
    SSL_clear_mode(ends->client, SSL_MODE_AUTO_RETRY);
    must(pthread_create(&echo, NULL, echo_blocking, ends->server) == 0, "thread");
    must(SSL_connect(ends->client) == 1, "SSL_connect");
    for (size_t at = 0; at < BIG; at += 50000) {
        int length = BIG - at < 50000 ? (int)(BIG - at) : 50000, result;
        must(SSL_write(ends->client, big + at, length) == length, "write");
        for (int have = 0; have < length; have += result)
            while ((result = SSL_read(ends->client, got + at + have, length - have)) <= 0)
                must(SSL_get_error(ends->client, result) == SSL_ERROR_WANT_READ, "a ticket");
    }
    printf("echo: %s\n", memcmp(big, got, BIG) == 0 ? "the same" : "others");
    printf("shutdown: %d", SSL_shutdown(ends->client));
    must(pthread_join(echo, NULL) == 0, "join");
    printf(", then %d\n", SSL_shutdown(ends->client));
}

/* With the layer only: two processes must not use the same keys. */
static void scenario_forked(struct ends *ends)
{
    char buffer[100];
    int status;
    shake_hands(ends, SSL_do_handshake);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        must(SSL_write(ends->client, "from the child", 14) == 14, "the child's write");
        _exit(0);
    }
    must(waitpid(child, &status, 0) == child && status == 0, "child");
    say("server reads", ends->server, SSL_read(ends->server, buffer, sizeof buffer));
    say("the parent's write", ends->client, SSL_write(ends->client, "from the parent", 15));
}

/* With the layer only: without it there is no SSL_sendfile unless the kernel encrypts (KTLS). */
static void scenario_sendfile(struct ends *ends)
{
    FILE *file = tmpfile();
    size_t sent = 0, total = 0;
    must(file != NULL && fwrite(big, 1, BIG, file) == BIG && fflush(file) == 0, "file");
    shake_hands(ends, SSL_do_handshake);
    for (int i = 0; i < STEPS && sent < BIG; i++) {
        ossl_ssize_t result = SSL_sendfile(ends->client, fileno(file), (off_t)sent, BIG - sent, 0);
        if (result > 0)
            sent += (size_t)result;
        else
            must(SSL_get_error(ends->client, (int)result) == SSL_ERROR_WANT_WRITE, "only WANT_WRITE");
        total += read_all(ends->server, got + total, BIG - total);
    }
    for (int i = 0; i < STEPS && total < BIG; i++)
        total += read_all(ends->server, got + total, BIG - total);
    printf("sent %zu, read %zu, %s\n", sent, total, memcmp(big, got, BIG) == 0 ? "the same" : "others");
    fclose(file);
}

static const struct scenario {
    const char *name;
    void (*run)(struct ends *ends);
} scenarios[] = {
    {"handshakes", scenario_handshakes},
    {"protocols", scenario_protocols},
    {"small", scenario_small},
    {"stopped-write", scenario_stopped_write},
    {"other-buffer", scenario_other_buffer},
    {"moving-buffer", scenario_moving_buffer},
    {"partial-writes", scenario_partial_writes},
    {"shutdown", scenario_shutdown},
    {"shutdown-with-data", scenario_shutdown_with_data},
    {"truncated", scenario_truncated},
    {"quiet", scenario_quiet},
    {"again", scenario_again},
    {"blocking", scenario_blocking},
    {"forked", scenario_forked},
    {"sendfile", scenario_sendfile},
};

int main(int argc, char **argv)
{
    struct ends ends;
    must(argc == 5, "usage: layer_calls CERTIFICATE KEY tcp|pair|buffered SCENARIO");
    transport = argv[3];
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < BIG; i++)
        big[i] = (unsigned char)(i * 2654435761U >> 13);
    ends_make(&ends, argv[1], argv[2]);
    for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++)
        if (strcmp(scenarios[i].name, argv[4]) == 0) {
            scenarios[i].run(&ends);
            SSL_free(ends.server);
            SSL_free(ends.client);
            SSL_CTX_free(ends.server_context);
            SSL_CTX_free(ends.client_context);
            return 0;
        }
    must(0, "a scenario of that name");
    return 1;
}
