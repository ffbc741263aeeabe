/*
 * An echo server that compares what it receives, for tests with hostile peers. link: -l:libsodium.a
 *
 * `sock_journal HOW PORT SEED`: HOW is poll, epoll (edge-triggered), threads or fork. The bytes that a client may
 * send follow from its address and the seed (expected_bytes()). For each connection there is a line on standard
 * output when it is accepted, `ADDRESS open 0`, when the first wrong byte arrives, `ADDRESS wrong POSITION`, and
 * when it has ended, `ADDRESS end BYTES`. It runs until SIGTERM.
 */
#include "../lib/sock.h"

#include <pthread.h>
#include <sodium.h>
#include <sys/epoll.h>

enum { TEXT = 65536, BUFFER = 16384, CONNECTIONS = 20000, EVENTS = 64 };

struct client {
    int fd;
    struct in_addr address;
    unsigned char *expected; /* NULL: nothing has arrived yet */
    size_t received;
    bool is_wrong;
    bool wants_to_write;
    size_t from, to;
    unsigned char buffer[BUFFER];
};

static uint32_t seed;
static struct client *clients[CONNECTIONS]; /* by descriptor */

static void journal(const struct client *client, const char *what, size_t number)
{
    char line[80];
    char text[INET_ADDRSTRLEN];
    (void)inet_ntop(AF_INET, &client->address, text, sizeof text);
    const int length = snprintf(line, sizeof line, "%s %s %zu\n", text, what, number);
    sock_expect(write(STDOUT_FILENO, line, (size_t)length) == length, "the journal");
}

/* libsodium's randombytes_buf_deterministic(), whose seed is the seed, the address, and zeros. */
static unsigned char *expected_bytes(struct in_addr address)
{
    unsigned char key[randombytes_SEEDBYTES] = {0};
    const uint32_t words[2] = {htonl(seed), address.s_addr};
    memcpy(key, words, sizeof words);
    unsigned char *bytes = malloc(TEXT);
    sock_expect(bytes != NULL, "memory");
    randombytes_buf_deterministic(bytes, TEXT, key);
    return bytes;
}

static void compare(struct client *client, const unsigned char *bytes, size_t count)
{
    if (client->expected == NULL)
        client->expected = expected_bytes(client->address);
    if (!client->is_wrong &&
        (client->received + count > TEXT || memcmp(client->expected + client->received, bytes, count) != 0)) {
        client->is_wrong = true;
        journal(client, "wrong", client->received);
    }
    client->received += count;
}

static struct client *client_new(int fd, const struct sockaddr_in *address)
{
    struct client *client = calloc(1, sizeof *client);
    sock_expect(client != NULL, "memory");
    client->fd = fd;
    client->address = address->sin_addr;
    journal(client, "open", 0);
    return client;
}

static void client_end(struct client *client)
{
    (void)close(client->fd);
    journal(client, "end", client->received);
    free(client->expected);
    free(client);
}

static int accept_one(int listener, struct sockaddr_in *address, int flags)
{
    socklen_t length = sizeof *address;
    return accept4(listener, (struct sockaddr *)address, &length, flags);
}

/* Blocking: until the client ends. */
static void *serve(void *argument)
{
    struct client *client = argument;
    ssize_t count;
    while ((count = read(client->fd, client->buffer, sizeof client->buffer)) > 0) {
        compare(client, client->buffer, (size_t)count);
        for (ssize_t sent = 0; sent < count;) {
            const ssize_t n = send(client->fd, client->buffer + sent, (size_t)(count - sent), MSG_NOSIGNAL);
            if (n <= 0) {
                client_end(client);
                return NULL;
            }
            sent += n;
        }
    }
    client_end(client);
    return NULL;
}

static void run_threads(int listener)
{
    for (;;) {
        struct sockaddr_in address;
        const int fd = accept_one(listener, &address, 0);
        if (fd < 0)
            continue;
        pthread_t thread;
        pthread_attr_t attributes;
        (void)pthread_attr_init(&attributes);
        (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        (void)pthread_attr_setstacksize(&attributes, 131072);
        sock_expect(pthread_create(&thread, &attributes, serve, client_new(fd, &address)) == 0, "pthread_create");
        (void)pthread_attr_destroy(&attributes);
    }
}

static void run_fork(int listener)
{
    (void)signal(SIGCHLD, SIG_IGN);
    for (;;) {
        struct sockaddr_in address;
        const int fd = accept_one(listener, &address, 0);
        if (fd < 0)
            continue;
        const pid_t child = fork();
        sock_expect(child >= 0, "fork");
        if (child == 0) {
            (void)close(listener);
            (void)serve(client_new(fd, &address));
            _exit(0);
        }
        (void)close(fd);
    }
}

/* Reads and echoes until the kernel has no more; false: the client has ended. */
static bool go_on(struct client *client)
{
    for (;;) {
        while (client->from < client->to) {
            const ssize_t n =
                send(client->fd, client->buffer + client->from, client->to - client->from, MSG_NOSIGNAL);
            if (n <= 0) {
                client->wants_to_write = true;
                return n < 0 && errno == EAGAIN;
            }
            client->from += (size_t)n;
        }
        client->wants_to_write = false;
        const ssize_t n = read(client->fd, client->buffer, sizeof client->buffer);
        if (n <= 0)
            return n < 0 && errno == EAGAIN;
        compare(client, client->buffer, (size_t)n);
        client->from = 0;
        client->to = (size_t)n;
    }
}

static void accept_all(int listener, int epoll)
{
    struct sockaddr_in address;
    int fd;
    while ((fd = accept_one(listener, &address, SOCK_NONBLOCK)) >= 0) {
        sock_expect(fd < CONNECTIONS && clients[fd] == NULL, "a descriptor that is in use");
        clients[fd] = client_new(fd, &address);
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.fd = fd};
        if (epoll >= 0)
            sock_expect(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
    }
}

static void serve_event(int fd)
{
    if (clients[fd] != NULL && !go_on(clients[fd])) {
        struct client *client = clients[fd];
        clients[fd] = NULL;
        client_end(client);
    }
}

static void run_epoll(int listener)
{
    const int epoll = epoll_create1(0);
    struct epoll_event events[EVENTS] = {{.events = EPOLLIN, .data.fd = listener}};
    sock_expect(epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, listener, events) == 0, "epoll");
    for (;;) {
        const int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++)
            if (events[i].data.fd == listener)
                accept_all(listener, epoll);
            else
                serve_event(events[i].data.fd);
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
                set[count++] = (struct pollfd){.fd = fd, .events = clients[fd]->wants_to_write ? POLLOUT : POLLIN};
        sock_expect(poll(set, count, -1) > 0, "poll");
        for (nfds_t i = 1; i < count; i++)
            if (set[i].revents != 0)
                serve_event(set[i].fd);
        if (set[0].revents != 0)
            accept_all(listener, -1);
    }
}

static void stop(int number)
{
    (void)number;
    _exit(0);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(int listener);
        bool blocks;
    } ways[] = {{"poll", run_poll, false},
                {"epoll", run_epoll, false},
                {"threads", run_threads, true},
                {"fork", run_fork, true}};
    const size_t count = sizeof ways / sizeof ways[0];
    size_t way = 0;
    while (argc == 4 && way < count && strcmp(argv[1], ways[way].name) != 0)
        way++;
    if (argc != 4 || way == count) {
        (void)fprintf(stderr, "usage: sock_journal poll|epoll|threads|fork PORT SEED\n");
        return 64;
    }
    seed = (uint32_t)strtoul(argv[3], NULL, 10);
    sock_expect(sodium_init() >= 0, "libsodium");
    (void)signal(SIGTERM, stop);
    const int listener = socket(AF_INET, SOCK_STREAM | (ways[way].blocks ? 0 : SOCK_NONBLOCK), 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2]))};
    address.sin_addr.s_addr = htonl(INADDR_ANY);
    const int on = 1;
    sock_expect(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
                    bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 1024) == 0,
                "listen");
    ways[way].run(listener);
}
