// link: -lssl -lcrypto -pthread
/*
 * Both ends of a TLS connection in one process, and every call that moves data or asks about it, in the situations
 * in which the results matter. Prints what each call returned: with the inner layer it must be the same as bare.
 * Usage: layer_calls CERTIFICATE KEY tcp|pair|buffered SCENARIO
 */
#include "../lib/layer_ends.h"

#include <errno.h>
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

enum { BIG = 4 << 20 };

static unsigned char big[BIG], got[BIG];

static void scenario_handshakes(struct ends *ends)
{
    ends_shake_hands(ends, ends_by_reading);
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
    ends_must(second < in_length, "two protocols");
    *out = in + second + 1;
    *out_length = in[second];
    return SSL_TLSEXT_ERR_OK;
}

static void scenario_protocols(struct ends *ends)
{
    static const unsigned char list[] = "!a-protocol-of-thirty-three-bytes$$\"another-of-34-bytes-is-offered-too";
    SSL_CTX_set_alpn_select_cb(ends->server_context, choose_second, NULL);
    ends_must(SSL_CTX_set_alpn_protos(ends->client_context, list, sizeof list - 1) != 0,
              "a malformed list is refused");
    ERR_clear_error();
    ends_must(SSL_set_alpn_protos(ends->client, (const unsigned char *)"\2h2\10http/1.1", 12) == 0,
              "SSL_set_alpn_protos");
    ends_shake_hands(ends, SSL_do_handshake);
    const unsigned char *protocol = NULL;
    unsigned length = 0;
    SSL_get0_alpn_selected(ends->client, &protocol, &length);
    printf("selected: %.*s\n", (int)length, (const char *)protocol);
}

static void scenario_small(struct ends *ends)
{
    char buffer[100];
    size_t count;
    ends_shake_hands(ends, SSL_do_handshake);
    ends_say("read nothing", ends->server, SSL_read(ends->server, buffer, sizeof buffer));
    ends_say("peek nothing", ends->server, SSL_peek(ends->server, buffer, sizeof buffer));
    ends_say("write", ends->client, SSL_write(ends->client, "twenty bytes of text", 20));
    ends_flush(ends->client);
    printf("pending before: %d\n", SSL_pending(ends->server));
    ends_say("peek", ends->server, SSL_peek(ends->server, buffer, 6));
    printf("peeked %.6s, pending %d, has_pending %d\n", buffer, SSL_pending(ends->server),
           SSL_has_pending(ends->server));
    ends_say("read", ends->server, SSL_read(ends->server, buffer, 7));
    printf("read %.7s, pending %d\n", buffer, SSL_pending(ends->server));
    ends_must(SSL_peek_ex(ends->server, buffer, 5, &count) == 1, "SSL_peek_ex");
    printf("peeked %zu %.5s\n", count, buffer);
    ends_must(SSL_read_ex(ends->server, buffer, sizeof buffer, &count) == 1, "SSL_read_ex");
    printf("read %zu %.13s, pending %d, has_pending %d\n", count, buffer, SSL_pending(ends->server),
           SSL_has_pending(ends->server));
    printf("read_ex again: %d", SSL_read_ex(ends->server, buffer, sizeof buffer, &count));
    printf(" %s\n", ends_error_name(ends->server, 0));
    ends_must(SSL_write_ex(ends->server, "back", 4, &count) == 1, "SSL_write_ex");
    ends_flush(ends->server);
    printf("wrote %zu\n", count);
    ends_say("read back", ends->client, SSL_read(ends->client, buffer, sizeof buffer));
    for (int i = 0; i < 3; i++)
        ends_must(SSL_write(ends->client, &"one two three "[4 * (i > 0) + 4 * (i > 1)], 4) == 4, "three writes");
    ends_flush(ends->client);
    ends_say("one record at a time", ends->server, SSL_read(ends->server, buffer, sizeof buffer));
    ends_say("and the next", ends->server, SSL_read(ends->server, buffer, sizeof buffer));
    ends_say("peek of none", ends->server, SSL_peek(ends->server, buffer, 0) > 0);
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
    ends_flush(ends->client);
    if (strcmp(ends_transport, "buffered") != 0 || result > 0) /* what a buffer holds differs */
        ends_say(what, ends->client, result);
}

static void finish_write(struct ends *ends, const unsigned char *data, int length, size_t have)
{
    int result = 0;
    size_t total = have;
    for (int i = 0; i < ENDS_STEPS && result <= 0; i++) {
        total += read_all(ends->server, got + total, BIG - total);
        result = SSL_write(ends->client, data, length);
        ends_flush(ends->client);
        if (result <= 0)
            ends_must(SSL_get_error(ends->client, result) == SSL_ERROR_WANT_WRITE, "only WANT_WRITE");
        ERR_clear_error();
    }
    for (int i = 0; i < ENDS_STEPS && total < (size_t)length; i++) {
        ends_flush(ends->client);
        total += read_all(ends->server, got + total, BIG - total);
    }
    printf("the write was answered with %d, %zu bytes arrived, %s\n", result, total,
           memcmp(got, big, total) == 0 ? "the same" : "others");
}

static void scenario_stopped_write(struct ends *ends)
{
    char buffer[10];
    ends_shake_hands(ends, SSL_do_handshake);
    write_until_stopped(ends, BIG, "big write");
    ends_must(SSL_write(ends->server, "meanwhile", 9) == 9, "the other direction");
    ends_flush(ends->server);
    ends_say("read while a write has stopped", ends->client, SSL_read(ends->client, buffer, sizeof buffer));
    finish_write(ends, big, BIG, 0);
}

/* An error that ends the connection. */
static void scenario_other_buffer(struct ends *ends)
{
    ends_shake_hands(ends, SSL_do_handshake);
    write_until_stopped(ends, BIG, "big write");
    ends_say("another buffer", ends->client, SSL_write(ends->client, got, BIG));
}

static void scenario_moving_buffer(struct ends *ends)
{
    static unsigned char copy[BIG];
    SSL_set_mode(ends->client, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    ends_shake_hands(ends, SSL_do_handshake);
    write_until_stopped(ends, BIG, "big write");
    memcpy(copy, big, BIG);
    finish_write(ends, copy, BIG, 0);
}

static void scenario_partial_writes(struct ends *ends)
{
    SSL_set_mode(ends->client, SSL_MODE_ENABLE_PARTIAL_WRITE);
    ends_shake_hands(ends, SSL_do_handshake);
    size_t written = 0, total = 0, stops = 0;
    for (int i = 0; i < ENDS_STEPS && written < BIG; i++) {
        int result = SSL_write(ends->client, big + written, (int)(BIG - written));
        ends_flush(ends->client);
        if (result > 0) {
            written += (size_t)result;
        } else {
            ends_must(SSL_get_error(ends->client, result) == SSL_ERROR_WANT_WRITE, "only WANT_WRITE");
            ERR_clear_error();
            stops++;
            total += read_all(ends->server, got + total, BIG - total);
        }
    }
    for (int i = 0; i < ENDS_STEPS && total < BIG; i++) {
        ends_flush(ends->client);
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
    ends_shake_hands(ends, SSL_do_handshake);
    ends_must(SSL_write(ends->client, "last words", 10) == 10, "write");
    printf("client shuts down: %d\n", SSL_shutdown(ends->client));
    ends_flush(ends->client);
    say_shutdown(ends, "after one");
    ends_say("again, with nothing from the server", ends->client, SSL_shutdown(ends->client));
    ends_say("write after shutdown", ends->client, SSL_write(ends->client, "x", 1));
    ends_say("server reads", ends->server, SSL_read(ends->server, buffer, sizeof buffer));
    ends_say("server reads the end", ends->server, SSL_read(ends->server, buffer, sizeof buffer));
    ends_say("and again", ends->server, SSL_read(ends->server, buffer, sizeof buffer));
    ends_say("peeks", ends->server, SSL_peek(ends->server, buffer, sizeof buffer));
    say_shutdown(ends, "half closed");
    ends_say("server still writes", ends->server, SSL_write(ends->server, "an answer", 9));
    ends_flush(ends->server);
    ends_say("client reads it", ends->client, SSL_read(ends->client, buffer, sizeof buffer));
    printf("server shuts down: %d\n", SSL_shutdown(ends->server));
    ends_flush(ends->server);
    printf("client's second: %d\n", SSL_shutdown(ends->client));
    say_shutdown(ends, "closed");
}

static void scenario_shutdown_with_data(struct ends *ends)
{
    ends_shake_hands(ends, SSL_do_handshake);
    ends_must(SSL_write(ends->server, "unread", 6) == 6, "write");
    printf("client shuts down: %d\n", SSL_shutdown(ends->client));
    ends_flush(ends->client), ends_flush(ends->server);
    ends_say("second, with data unread", ends->client, SSL_shutdown(ends->client));
}

static void scenario_truncated(struct ends *ends)
{
    char buffer[100];
    ends_shake_hands(ends, SSL_do_handshake);
    ends_must(SSL_write(ends->client, "last words", 10) == 10, "write");
    ends_flush(ends->client);
    shutdown(ends->client_fd, SHUT_WR);
    ends_say("read", ends->server, SSL_read(ends->server, buffer, sizeof buffer));
    ends_say("read the end", ends->server, SSL_read(ends->server, buffer, sizeof buffer));
    say_shutdown(ends, "cut off");
}

static void scenario_quiet(struct ends *ends)
{
    char buffer[100];
    ends_shake_hands(ends, SSL_do_handshake);
    SSL_set_quiet_shutdown(ends->client, 1);
    printf("client shuts down: %d\n", SSL_shutdown(ends->client));
    ends_flush(ends->client);
    ends_say("server reads", ends->server, SSL_read(ends->server, buffer, sizeof buffer));
    say_shutdown(ends, "quiet");
}

static void scenario_again(struct ends *ends)
{
    char buffer[100];
    for (int round = 0; round < 3; round++) {
        ends_shake_hands(ends, SSL_do_handshake);
        ends_must(SSL_write(ends->client, "round", 5) == 5, "write");
        ends_flush(ends->client);
        ends_say("read", ends->server, SSL_read(ends->server, buffer, sizeof buffer));
        SSL_set_shutdown(ends->server, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
        SSL_set_shutdown(ends->client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
        ends_must(SSL_clear(ends->server) == 1 && SSL_clear(ends->client) == 1, "SSL_clear");
        ends_make_transport(ends);
    }
}

/* Blocking sockets, and a thread for each end. */
static void *echo_blocking(void *argument)
{
    static unsigned char buffer[100000];
    SSL *ssl = argument;
    ends_must(SSL_accept(ssl) == 1, "SSL_accept");
    int result, error;
    while ((result = SSL_read(ssl, buffer, sizeof buffer)) > 0)
        ends_must(SSL_write(ssl, buffer, result) == result, "echo");
    error = SSL_get_error(ssl, result);
    ends_must(error == SSL_ERROR_ZERO_RETURN, "an orderly end");
    ends_must(SSL_shutdown(ssl) >= 0, "SSL_shutdown");
    return NULL;
}

static void scenario_blocking(struct ends *ends)
{
    pthread_t echo;
    ends_set_blocking(ends->server_fd, 1);
    ends_set_blocking(ends->client_fd, 1);
    SSL_clear_mode(ends->client, SSL_MODE_AUTO_RETRY);
    ends_must(pthread_create(&echo, NULL, echo_blocking, ends->server) == 0, "thread");
    ends_must(SSL_connect(ends->client) == 1, "SSL_connect");
    for (size_t at = 0; at < BIG; at += 50000) {
        int length = BIG - at < 50000 ? (int)(BIG - at) : 50000, result;
        ends_must(SSL_write(ends->client, big + at, length) == length, "write");
        for (int have = 0; have < length; have += result)
            while ((result = SSL_read(ends->client, got + at + have, length - have)) <= 0)
                ends_must(SSL_get_error(ends->client, result) == SSL_ERROR_WANT_READ, "a ticket");
    }
    printf("echo: %s\n", memcmp(big, got, BIG) == 0 ? "the same" : "others");
    printf("shutdown: %d", SSL_shutdown(ends->client));
    ends_must(pthread_join(echo, NULL) == 0, "join");
    printf(", then %d\n", SSL_shutdown(ends->client));
}

/* With the layer only: two processes must not use the same keys. */
static void scenario_forked(struct ends *ends)
{
    char buffer[100];
    int status;
    ends_shake_hands(ends, SSL_do_handshake);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        ends_must(SSL_write(ends->client, "from the child", 14) == 14, "the child's write");
        _exit(0);
    }
    ends_must(waitpid(child, &status, 0) == child && status == 0, "child");
    ends_say("server reads", ends->server, SSL_read(ends->server, buffer, sizeof buffer));
    ends_say("the parent's write", ends->client, SSL_write(ends->client, "from the parent", 15));
}

/* With the layer only: without it there is no SSL_sendfile unless the kernel encrypts (KTLS). */
static void scenario_sendfile(struct ends *ends)
{
    FILE *file = tmpfile();
    size_t sent = 0, total = 0;
    ends_must(file != NULL && fwrite(big, 1, BIG, file) == BIG && fflush(file) == 0, "file");
    ends_shake_hands(ends, SSL_do_handshake);
    for (int i = 0; i < ENDS_STEPS && sent < BIG; i++) {
        ossl_ssize_t result = SSL_sendfile(ends->client, fileno(file), (off_t)sent, BIG - sent, 0);
        if (result > 0)
            sent += (size_t)result;
        else
            ends_must(SSL_get_error(ends->client, (int)result) == SSL_ERROR_WANT_WRITE, "only WANT_WRITE");
        total += read_all(ends->server, got + total, BIG - total);
    }
    for (int i = 0; i < ENDS_STEPS && total < BIG; i++)
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
    ends_must(argc == 5, "usage: layer_calls CERTIFICATE KEY tcp|pair|buffered SCENARIO");
    ends_transport = argv[3];
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
    ends_must(0, "a scenario of that name");
    return 1;
}
