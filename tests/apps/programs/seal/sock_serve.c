/*
 * A server for any number of clients: one level-triggered epoll loop, non-blocking, that echoes and closes what
 * ends. `sock_serve PORT [ADDRESS]` runs until SIGTERM, and then exits with 0.
 */
#include "../lib/sock.h"

#include <sys/epoll.h>
#include <sys/signalfd.h>

enum { BUFFER = 16384, DESCRIPTORS = 20000 };

static struct client {
    unsigned char *text; /* NULL: not in use */
    size_t from, to;
} clients[DESCRIPTORS];

static void client_close(int fd)
{
    free(clients[fd].text);
    clients[fd].text = NULL;
    (void)close(fd);
}

static void client_watch(int epoll, int operation, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    sock_expect(epoll_ctl(epoll, operation, fd, &event) == 0, "epoll_ctl");
}

static void client_serve(int epoll, int fd)
{
    struct client *client = &clients[fd];
    if (client->from == client->to) {
        ssize_t n = read(fd, client->text, BUFFER);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            client_close(fd);
            return;
        }
        client->from = 0;
        client->to = (size_t)n;
    }
    ssize_t n = send(fd, client->text + client->from, client->to - client->from, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) {
        client_close(fd);
        return;
    }
    client->from += n > 0 ? (size_t)n : 0;
    client_watch(epoll, EPOLL_CTL_MOD, fd, client->from < client->to ? EPOLLOUT : EPOLLIN);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        (void)fprintf(stderr, "usage: sock_serve PORT [ADDRESS]\n");
        return 64;
    }
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    sock_expect(sigprocmask(SIG_BLOCK, &set, NULL) == 0, "sigprocmask");
    int ending = signalfd(-1, &set, SFD_CLOEXEC);
    struct sock_target target = sock_target_parse(argc > 2 ? argv[2] : "127.0.0.1", argv[1]);
    int listener = sock_listen(&target), epoll = epoll_create1(EPOLL_CLOEXEC);
    sock_expect(listen(listener, 4096) == 0, "listen");
    sock_set_nonblocking(listener, true);
    client_watch(epoll, EPOLL_CTL_ADD, listener, EPOLLIN);
    client_watch(epoll, EPOLL_CTL_ADD, ending, EPOLLIN);
    for (;;) {
        struct epoll_event events[64];
        int count = epoll_wait(epoll, events, 64, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == ending)
                return 0;
            if (fd != listener) {
                client_serve(epoll, fd);
                continue;
            }
            fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (fd < 0)
                continue; /* closed before it was accepted */
            sock_expect(fd < DESCRIPTORS && clients[fd].text == NULL, "descriptor %d", fd);
            clients[fd] = (struct client){.text = malloc(BUFFER)};
            sock_expect(clients[fd].text != NULL, "malloc");
            client_watch(epoll, EPOLL_CTL_ADD, fd, EPOLLIN);
        }
    }
}
