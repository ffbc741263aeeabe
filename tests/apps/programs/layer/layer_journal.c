// link: -lssl -lcrypto -l:libsodium.a -pthread
/*
 * An echo server inside TLS that compares what it receives, for tests with hostile peers.
 *
 * `layer_journal HOW PORT SEED CERTIFICATE KEY`: HOW is threads (blocking sockets), poll (non-blocking sockets) or
 * memory (the same with BIOs in memory, so that the program moves the records itself). What it prints is in
 * lib/journal.h. It runs until SIGTERM.
 */
#include "../lib/journal.h"
#include "../lib/sock.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

enum { BUFFER = 16384, CONNECTIONS = 20000, STACK = 262144 };

struct client {
    int fd;
    SSL *tls;
    struct journal journal;
    bool has_shaken; /* the handshake is complete */
    short wants;     /* POLLIN, POLLOUT */
    int from, to;    /* of the echo */
    unsigned char buffer[BUFFER];
};

static SSL_CTX *context;
static bool in_memory;
static struct client *clients[CONNECTIONS]; /* by descriptor */

static void *client_new(int fd, struct in_addr address)
{
    struct client *client = calloc(1, sizeof *client);
    sock_expect(client != NULL && (client->tls = SSL_new(context)) != NULL, "memory");
    client->fd = fd;
    client->wants = POLLIN;
    SSL_set_accept_state(client->tls);
    if (in_memory)
        SSL_set_bio(client->tls, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    else
        sock_expect(SSL_set_fd(client->tls, fd) == 1, "SSL_set_fd");
    journal_open(&client->journal, address);
    return client;
}

static void client_end(struct client *client)
{
    SSL_free(client->tls);
    (void)close(client->fd);
    journal_end(&client->journal);
    free(client);
}

/* --- blocking --- */

static void *serve(void *argument)
{
    struct client *client = argument;
    int count = SSL_accept(client->tls);
    while (count > 0 && (count = SSL_read(client->tls, client->buffer, BUFFER)) > 0) {
        journal_received(&client->journal, client->buffer, (size_t)count);
        count = SSL_write(client->tls, client->buffer, count);
    }
    if (SSL_get_error(client->tls, count) == SSL_ERROR_ZERO_RETURN)
        (void)SSL_shutdown(client->tls);
    ERR_clear_error();
    client_end(client);
    return NULL;
}

/* --- non-blocking --- */

/* A call of libssl's that cannot go on: false if the connection has ended. */
static bool can_wait(struct client *client, int result)
{
    const int error = SSL_get_error(client->tls, result);
    ERR_clear_error();
    client->wants = error == SSL_ERROR_WANT_WRITE ? POLLOUT : POLLIN;
    if (error == SSL_ERROR_ZERO_RETURN)
        (void)SSL_shutdown(client->tls);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

/* Reads and echoes until nothing more can be done; false: the client has ended. */
static bool go_on(struct client *client)
{
    for (;;) {
        int result;
        if (!client->has_shaken) {
            if ((result = SSL_accept(client->tls)) != 1)
                return can_wait(client, result);
            client->has_shaken = true;
        }
        while (client->from < client->to) {
            /* Later calls repeat the arguments of one that could not go on, as libssl asks for. */
            if ((result = SSL_write(client->tls, client->buffer, client->to)) <= 0)
                return can_wait(client, result);
            client->from = client->to;
        }
        if ((result = SSL_read(client->tls, client->buffer, BUFFER)) <= 0)
            return can_wait(client, result);
        journal_received(&client->journal, client->buffer, (size_t)result);
        client->from = 0;
        client->to = result;
    }
}

/* Moves records out of the memory: false if the peer is gone. *is_full: the kernel takes no more for now. */
static bool move_out(struct client *client, bool *is_full)
{
    const unsigned char *bytes;
    BIO *memory = SSL_get_wbio(client->tls);
    long count;
    *is_full = false;
    while ((count = BIO_get_mem_data(memory, (char **)(uintptr_t)&bytes)) > 0) {
        unsigned char moved[BUFFER];
        const ssize_t sent = send(client->fd, bytes, (size_t)(count < BUFFER ? count : BUFFER), MSG_NOSIGNAL);
        if (sent < 0) {
            *is_full = errno == EAGAIN;
            return *is_full;
        }
        sock_expect(BIO_read(memory, moved, (int)sent) == (int)sent, "BIO_read");
    }
    return true;
}

/* The same with BIOs in memory. */
static bool go_on_in_memory(struct client *client)
{
    for (;;) {
        unsigned char records[BUFFER];
        bool is_full;
        const bool goes_on = go_on(client);
        if (!move_out(client, &is_full) || !goes_on)
            return false;
        client->wants = is_full ? POLLOUT : POLLIN;
        if (is_full)
            return true;
        const ssize_t count = recv(client->fd, records, sizeof records, 0);
        if (count <= 0)
            return count < 0 && errno == EAGAIN;
        sock_expect(BIO_write(SSL_get_rbio(client->tls), records, (int)count) == (int)count, "BIO_write");
    }
}

static void serve_event(int fd)
{
    struct client *client = clients[fd];
    if (in_memory ? go_on_in_memory(client) : go_on(client))
        return;
    clients[fd] = NULL;
    client_end(client);
}

static void accept_all(int listener)
{
    struct in_addr address;
    int fd;
    while ((fd = journal_accept(listener, &address, SOCK_NONBLOCK)) >= 0) {
        sock_expect(fd < CONNECTIONS && clients[fd] == NULL, "a descriptor that is in use");
        clients[fd] = client_new(fd, address);
    }
}

static void run_poll(int listener)
{
    static struct pollfd set[CONNECTIONS];
    for (;;) {
        nfds_t count = 0;
        set[count++] = (struct pollfd){.fd = listener, .events = POLLIN};
        for (int fd = 0; fd < CONNECTIONS; fd++)
            if (clients[fd] != NULL)
                set[count++] = (struct pollfd){.fd = fd, .events = clients[fd]->wants};
        sock_expect(poll(set, count, -1) > 0, "poll");
        for (nfds_t i = 1; i < count; i++)
            if (set[i].revents != 0)
                serve_event(set[i].fd);
        if (set[0].revents != 0)
            accept_all(listener);
    }
}

int main(int argc, char **argv)
{
    const bool blocks = argc == 6 && strcmp(argv[1], "threads") == 0;
    in_memory = argc == 6 && strcmp(argv[1], "memory") == 0;
    if (!blocks && !in_memory && (argc != 6 || strcmp(argv[1], "poll") != 0)) {
        (void)fprintf(stderr, "usage: layer_journal threads|poll|memory PORT SEED CERTIFICATE KEY\n");
        return 64;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    context = SSL_CTX_new(TLS_server_method());
    sock_expect(context != NULL && SSL_CTX_use_certificate_chain_file(context, argv[4]) == 1 &&
                    SSL_CTX_use_PrivateKey_file(context, argv[5], SSL_FILETYPE_PEM) == 1,
                "the certificate and its key");
    (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    journal_start(argv[3]);
    const int listener = journal_listen(argv[2], blocks);
    if (blocks)
        journal_serve_in_threads(listener, STACK, client_new, serve);
    run_poll(listener);
}
