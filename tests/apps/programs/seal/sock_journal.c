/*
 * An echo server that compares what it receives, for tests with hostile peers. link: -l:libsodium.a
 *
 * `sock_journal HOW PORT SEED`: HOW is poll, epoll (edge-triggered), threads or fork. What it prints is in
 * lib/journal.h. It runs until SIGTERM.
 */
#include "../lib/journal.h"
#include "../lib/sock.h"

#include <sys/epoll.h>

enum { BUFFER = 16384, CONNECTIONS = 20000, EVENTS = 64, STACK = 131072 };

struct client {
    int fd;
    struct journal journal;
    bool wants_to_write;
    size_t from, to;
    unsigned char buffer[BUFFER];
};

static struct client *clients[CONNECTIONS]; /* by descriptor */

static void *client_new(int fd, struct in_addr address)
{
    struct client *client = calloc(1, sizeof *client);
    sock_expect(client != NULL, "memory");
    client->fd = fd;
    journal_open(&client->journal, address);
    return client;
}

static void client_end(struct client *client)
{
    (void)close(client->fd);
    journal_end(&client->journal);
    free(client);
}

/* Blocking: until the client ends. */
static void *serve(void *argument)
{
    struct client *client = argument;
    ssize_t count;
    while ((count = read(client->fd, client->buffer, sizeof client->buffer)) > 0) {
        journal_received(&client->journal, client->buffer, (size_t)count);
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
    journal_serve_in_threads(listener, STACK, client_new, serve);
}

static void run_fork(int listener)
{
    (void)signal(SIGCHLD, SIG_IGN);
    for (;;) {
        struct in_addr address;
        const int fd = journal_accept(listener, &address, 0);
        if (fd < 0)
            continue;
        const pid_t child = fork();
        sock_expect(child >= 0, "fork");
        if (child == 0) {
            (void)close(listener);
            (void)serve(client_new(fd, address));
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
        journal_received(&client->journal, client->buffer, (size_t)n);
        client->from = 0;
        client->to = (size_t)n;
    }
}

static void accept_all(int listener, int epoll)
{
    struct in_addr address;
    int fd;
    while ((fd = journal_accept(listener, &address, SOCK_NONBLOCK)) >= 0) {
        sock_expect(fd < CONNECTIONS && clients[fd] == NULL, "a descriptor that is in use");
        clients[fd] = client_new(fd, address);
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
    journal_start(argv[3]);
    ways[way].run(journal_listen(argv[2], ways[way].blocks));
}
