/*
 * Round trips of 64 bytes over TCP, for the socket benchmark: one request under way at a time, as a client that
 * waits for each answer does it. The server echoes; the client compares.
 *
 *     sockets_ping serve PORT
 *         any number of connections, epoll and non-blocking reads, as in event loops
 *     sockets_ping serve-blocking PORT
 *         one connection after another, blocking reads
 *     sockets_ping ping PORT COUNT
 *         prints their histogram (lib/histogram.h)
 */
#include "lib/histogram.h"
#include "lib/load.h"

enum { SIZE = 64 };

static void answer_blocking(long port)
{
    char buffer[SIZE];
    int listener = socket_listen(port);
    for (;;) {
        ssize_t got;
        int fd = accept(listener, NULL, NULL);
        must(fd >= 0, "accept");
        socket_send_at_once(fd);
        while ((got = read(fd, buffer, sizeof buffer)) > 0)
            write_all(fd, buffer, (size_t)got);
        close(fd);
    }
}

static void connection_answer(int fd)
{
    char buffer[SIZE];
    ssize_t got = read(fd, buffer, sizeof buffer);
    if (got > 0)
        write_all(fd, buffer, (size_t)got);
    else if (got == 0 || errno != EAGAIN)
        close(fd);
}

static void answer_epoll(long port)
{
    static char is_listener;
    struct epoll_event events[64];
    int listener = socket_listen(port);
    int poller = poller_new();
    socket_make_nonblocking(listener);
    poller_add(poller, listener, EPOLLIN, &is_listener);
    for (;;) {
        int count = epoll_wait(poller, events, 64, -1);
        must(count >= 0 || errno == EINTR, "epoll_wait");
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr != &is_listener) {
                connection_answer((int)(intptr_t)events[i].data.ptr);
                continue;
            }
            int fd = socket_accept_at_once(listener);
            if (fd < 0)
                continue;
            socket_send_at_once(fd);
            poller_add(poller, fd, EPOLLIN, (void *)(intptr_t)fd);
        }
    }
}

static void ping(long port, long count)
{
    static struct histogram histogram;
    char sent[SIZE];
    char received[SIZE];
    int fd = socket_connect(port, 0);
    socket_send_at_once(fd);
    for (long i = -count / 10 - 1; i < count; i++) { /* the first tenth warms up caches */
        memset(sent, (int)i, sizeof sent);
        double begun = clock_seconds();
        write_all(fd, sent, sizeof sent);
        read_all(fd, received, sizeof received);
        double ended = clock_seconds();
        errno = EBADMSG;
        must(memcmp(sent, received, sizeof sent) == 0, "another answer than was asked for");
        if (i >= 0)
            histogram_add(&histogram, ended - begun);
    }
    close(fd);
    histogram_print(&histogram);
}

int main(int argc, char **argv)
{
    descriptors_allow_many();
    if (argc == 3 && strcmp(argv[1], "serve") == 0) {
        answer_epoll(number_parse(argv[2], 1, 65535));
    } else if (argc == 3 && strcmp(argv[1], "serve-blocking") == 0) {
        answer_blocking(number_parse(argv[2], 1, 65535));
    } else if (argc == 4 && strcmp(argv[1], "ping") == 0) {
        ping(number_parse(argv[2], 1, 65535), number_parse(argv[3], 1, 100000000));
    } else {
        (void)fputs("usage: sockets_ping serve PORT | serve-blocking PORT | ping PORT COUNT\n", stderr);
        return 2;
    }
    return 0;
}
