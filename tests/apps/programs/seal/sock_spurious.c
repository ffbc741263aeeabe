/*
 * No event is spurious: after "readable" a read on a non-blocking descriptor returns bytes, and after "writable" a
 * write takes some, at once and every time, while megabytes go both ways in large and small pieces. Raw TCP never
 * returns EAGAIN there, and many programs would end on it.
 */
#include "../lib/sock.h"

#include <sys/epoll.h>
#include <sys/select.h>

enum { TOTAL = 3 << 20, READABLE = 1, WRITABLE = 2 };

struct waiter {
    int fd;
    int epoll;
    uint32_t manner;
};

static int by_poll(const struct waiter *waiter, int wanted)
{
    struct pollfd one = {.fd = waiter->fd, .events = POLLIN};
    one.events = (short)((wanted & READABLE ? POLLIN : 0) | (wanted & WRITABLE ? POLLOUT : 0));
    sock_expect(poll(&one, 1, SOCK_DEADLINE_MS) == 1, "poll");
    return (one.revents & (POLLIN | POLLHUP) ? READABLE : 0) | (one.revents & POLLOUT ? WRITABLE : 0);
}

static int by_ppoll(const struct waiter *waiter, int wanted)
{
    const struct timespec time = {.tv_sec = SOCK_DEADLINE_MS / 1000};
    struct pollfd one = {.fd = waiter->fd};
    one.events = (short)((wanted & READABLE ? POLLIN : 0) | (wanted & WRITABLE ? POLLOUT : 0));
    sock_expect(ppoll(&one, 1, &time, NULL) == 1, "ppoll");
    return (one.revents & (POLLIN | POLLHUP) ? READABLE : 0) | (one.revents & POLLOUT ? WRITABLE : 0);
}

static void fill_sets(const struct waiter *waiter, int wanted, fd_set sets[2])
{
    FD_ZERO(&sets[0]);
    FD_ZERO(&sets[1]);
    if (wanted & READABLE)
        FD_SET(waiter->fd, &sets[0]);
    if (wanted & WRITABLE)
        FD_SET(waiter->fd, &sets[1]);
}

static int from_sets(const struct waiter *waiter, fd_set sets[2])
{
    return (FD_ISSET(waiter->fd, &sets[0]) ? READABLE : 0) | (FD_ISSET(waiter->fd, &sets[1]) ? WRITABLE : 0);
}

static int by_select(const struct waiter *waiter, int wanted)
{
    fd_set sets[2];
    struct timeval time = {.tv_sec = SOCK_DEADLINE_MS / 1000};
    fill_sets(waiter, wanted, sets);
    sock_expect(select(waiter->fd + 1, &sets[0], &sets[1], NULL, &time) >= 1, "select");
    return from_sets(waiter, sets);
}

static int by_pselect(const struct waiter *waiter, int wanted)
{
    fd_set sets[2];
    const struct timespec time = {.tv_sec = SOCK_DEADLINE_MS / 1000};
    fill_sets(waiter, wanted, sets);
    sock_expect(pselect(waiter->fd + 1, &sets[0], &sets[1], NULL, &time, NULL) >= 1, "pselect");
    return from_sets(waiter, sets);
}

/* Edge-triggered, the descriptor is added once for both directions; otherwise for what is wanted now. */
static int by_epoll(const struct waiter *waiter, int wanted)
{
    struct epoll_event event = {.data.fd = waiter->fd};
    if ((waiter->manner & EPOLLET) == 0) {
        event.events = (wanted & READABLE ? (uint32_t)EPOLLIN : 0) | (wanted & WRITABLE ? (uint32_t)EPOLLOUT : 0) |
                       waiter->manner;
        sock_expect(epoll_ctl(waiter->epoll, EPOLL_CTL_MOD, waiter->fd, &event) == 0, "EPOLL_CTL_MOD");
    }
    sock_expect(epoll_wait(waiter->epoll, &event, 1, SOCK_DEADLINE_MS) == 1, "epoll_wait");
    sock_expect(event.data.fd == waiter->fd, "the event's data is %d", event.data.fd);
    return (event.events & (EPOLLIN | EPOLLHUP) ? READABLE : 0) | (event.events & EPOLLOUT ? WRITABLE : 0);
}

/* Pieces of 1 to 50,000 bytes, the large ones more than a frame. */
static size_t piece_of(unsigned *state, size_t left)
{
    *state = *state * 1103515245 + 12345;
    const size_t size = 1 + (*state >> 16) % (*state >> 8 & 1 ? 50000 : 300);
    return size < left ? size : left;
}

struct progress {
    size_t sent, received;
    unsigned pieces, mine, theirs;
    bool ended;
};

/* One read. With `promised` it must not fail. Returns whether it read something. */
static bool take(int fd, struct progress *progress, bool promised)
{
    static char buffer[30000];
    const ssize_t n = read(fd, buffer, sizeof buffer);
    if (promised)
        sock_expect(n >= 0, "called readable, and read returned %zd at %zu", n, progress->received);
    sock_expect(n >= 0 || errno == EAGAIN, "read returned %zd at %zu", n, progress->received);
    if (n > 0) {
        text_check(buffer, (size_t)n, progress->received, progress->theirs);
        progress->received += (size_t)n;
    }
    progress->ended = n == 0;
    return n > 0;
}

static bool give(int fd, struct progress *progress, bool promised)
{
    static char buffer[50000];
    const size_t size = piece_of(&progress->pieces, TOTAL - progress->sent);
    text_fill(buffer, size, progress->sent, progress->mine);
    const ssize_t n = write(fd, buffer, size);
    if (promised)
        sock_expect(n > 0, "called writable, and write returned %zd at %zu", n, progress->sent);
    sock_expect(n > 0 || errno == EAGAIN, "write returned %zd at %zu", n, progress->sent);
    progress->sent += n > 0 ? (size_t)n : 0;
    if (progress->sent == TOTAL)
        sock_expect(shutdown(fd, SHUT_WR) == 0, "shutdown");
    return n > 0 && progress->sent < TOTAL;
}

static void duplex(int fd, int (*wait)(const struct waiter *, int), uint32_t manner, unsigned mine, unsigned theirs)
{
    struct waiter waiter = {.fd = fd, .epoll = -1, .manner = manner};
    struct progress progress = {.pieces = mine, .mine = mine, .theirs = theirs};
    sock_set_nonblocking(fd, true);
    if (wait == by_epoll) {
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | manner, .data.fd = fd};
        waiter.epoll = epoll_create1(EPOLL_CLOEXEC);
        sock_expect(epoll_ctl(waiter.epoll, EPOLL_CTL_ADD, fd, &event) == 0, "EPOLL_CTL_ADD");
    }
    while (!progress.ended || progress.sent < TOTAL) {
        const int ready = wait(&waiter, (progress.ended ? 0 : READABLE) | (progress.sent < TOTAL ? WRITABLE : 0));
        bool more = (ready & READABLE) != 0 && !progress.ended && take(fd, &progress, true);
        while (more && (manner & EPOLLET) != 0)
            more = take(fd, &progress, false);
        more = (ready & WRITABLE) != 0 && progress.sent < TOTAL && give(fd, &progress, true);
        while (more && (manner & EPOLLET) != 0)
            more = give(fd, &progress, false);
    }
    sock_expect(progress.received == TOTAL, "%zu bytes arrived", progress.received);
    side_send(0);
    (void)side_receive();
}

#define PAIR(name, wait, manner)                                                                                   \
    static void name##_server(int fd)                                                                              \
    {                                                                                                              \
        duplex(fd, wait, manner, 1, 2);                                                                            \
    }                                                                                                              \
    static void name##_client(int fd)                                                                              \
    {                                                                                                              \
        duplex(fd, wait, manner, 2, 1);                                                                            \
    }
PAIR(poll, by_poll, 0)
PAIR(ppoll, by_ppoll, 0)
PAIR(select, by_select, 0)
PAIR(pselect, by_pselect, 0)
PAIR(level, by_epoll, 0)
PAIR(edge, by_epoll, EPOLLET)
PAIR(one_shot, by_epoll, EPOLLONESHOT)

static const struct scenario scenarios[] = {
    {"poll", poll_server, poll_client, NULL},
    {"ppoll", ppoll_server, ppoll_client, NULL},
    {"select", select_server, select_client, NULL},
    {"pselect", pselect_server, pselect_client, NULL},
    {"level", level_server, level_client, NULL},
    {"edge", edge_server, edge_client, NULL},
    {"one_shot", one_shot_server, one_shot_client, NULL},
    {0},
};

int main(int argc, char **argv)
{
    return scenario_main(argc, argv, scenarios);
}
