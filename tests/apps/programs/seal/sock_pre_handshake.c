/*
 * What a program may do with a connection that it has just accepted, before its peer has done anything: send,
 * close, shut it down. The kernel keeps what is sent on bare TCP, and a sealed connection must keep it, too. Unless
 * it says otherwise, one thread has both ends.
 */
#include "../lib/sock.h"

#include <sys/epoll.h>
#include <sys/select.h>
#include <time.h>

enum { BANNER = 100, ROUNDS = 20 };

struct ends {
    int client, server;
};

/* Neither end has been used since it was connected. */
static struct ends connect_both(int listener, const struct sock_target *target)
{
    struct ends ends;
    ends.client = sock_open(target, SOCK_NONBLOCK);
    sock_expect(connect(ends.client, (const struct sockaddr *)&target->address, target->length) == 0 ||
                    errno == EINPROGRESS,
                "connect");
    ends.server = sock_accept(listener);
    sock_set_nonblocking(ends.server, true);
    return ends;
}

static void end_both(struct ends ends)
{
    (void)close(ends.client);
    (void)close(ends.server);
}

/*
 * The client's side of a banner: it waits until it is connected, and reads; with `end` it expects the end of the
 * stream.
 */
static void take(int fd, size_t size, bool end)
{
    sock_expect((sock_wait(fd, POLLOUT) & POLLOUT) != 0, "connected");
    sock_set_nonblocking(fd, false);
    text_receive(fd, 0, size, size, 1);
    if (end)
        text_expect_end(fd);
}

static bool select_says_writable(int fd)
{
    fd_set set;
    struct timeval none = {0};
    FD_ZERO(&set);
    FD_SET(fd, &set);
    return select(fd + 1, NULL, &set, NULL, &none) == 1 && FD_ISSET(fd, &set);
}

static uint32_t epoll_says(int fd, uint32_t events)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = events, .data.fd = fd};
    sock_expect(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "EPOLL_CTL_ADD");
    event.events = 0;
    sock_expect(epoll_wait(epoll, &event, 1, 0) >= 0, "epoll_wait");
    (void)close(epoll);
    return event.events;
}

static void writable(const struct sock_target *target)
{
    int listener = sock_listen(target);
    struct ends ends = connect_both(listener, target);
    sock_expect(sock_ready(ends.server, POLLIN | POLLOUT) == POLLOUT, "poll: writable, and nothing else");
    sock_expect(select_says_writable(ends.server), "select: writable");
    sock_expect(epoll_says(ends.server, EPOLLIN | EPOLLOUT) == EPOLLOUT, "epoll: writable, and nothing else");
    sock_expect(epoll_says(ends.server, EPOLLIN | EPOLLOUT | EPOLLET) == EPOLLOUT, "epoll, edges: writable");
    sock_expect(epoll_says(ends.server, EPOLLIN) == 0, "epoll: not readable");
    text_send(ends.server, 0, BANNER, BANNER, 1);
    take(ends.client, BANNER, false);
    end_both(ends);
}

/* Sends once, without waiting, and drops what is not taken: nothing may be missing. */
static void banner(const struct sock_target *target)
{
    int listener = sock_listen(target);
    for (int i = 0; i < ROUNDS; i++) {
        struct ends ends = connect_both(listener, target);
        text_send(ends.server, 0, BANNER, BANNER, 1);
        take(ends.client, BANNER, false);
        text_send(ends.client, 0, BANNER, BANNER, 2);
        (void)sock_wait(ends.server, POLLIN);
        text_receive(ends.server, 0, BANNER, BANNER, 2);
        end_both(ends);
    }
}

static void banner_and_close(const struct sock_target *target)
{
    int listener = sock_listen(target);
    for (int i = 0; i < ROUNDS; i++) {
        struct ends ends = connect_both(listener, target);
        text_send(ends.server, 0, BANNER, BANNER, 1);
        if (i % 2 == 0)
            sock_expect(shutdown(ends.server, SHUT_WR) == 0, "shutdown");
        (void)close(ends.server);
        take(ends.client, BANNER, true);
        (void)close(ends.client);
    }
}

/* Sends until it is full. When there is room again, nothing is lost. */
static void full(const struct sock_target *target)
{
    int listener = sock_listen(target);
    struct ends ends = connect_both(listener, target);
    size_t done = sock_stuff(ends.server, (size_t)1 << 26, 1);
    sock_expect(done >= 16384, "only %zu bytes were taken", done);
    take(ends.client, done, false);
    sock_expect((sock_wait(ends.server, POLLOUT) & POLLOUT) != 0, "writable again");
    (void)close(ends.server);
    text_expect_end_at(ends.client, done, 1);
}

/* An edge is reported only once, and the handshake makes no further one; the next data does. */
static void edges(const struct sock_target *target)
{
    int listener = sock_listen(target);
    struct ends ends = connect_both(listener, target);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET};
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    sock_expect(epoll_ctl(epoll, EPOLL_CTL_ADD, ends.server, &event) == 0, "EPOLL_CTL_ADD");
    sock_expect(epoll_wait(epoll, &event, 1, SOCK_DEADLINE_MS) == 1 && event.events == EPOLLOUT, "writable, once");
    sock_expect(epoll_wait(epoll, &event, 1, 0) == 0, "writable, twice: 0x%x", event.events);
    sock_expect((sock_wait(ends.client, POLLOUT) & POLLOUT) != 0, "connected");
    sock_expect(epoll_wait(epoll, &event, 1, 20) == 0, "writable, after the handshake: 0x%x", event.events);
    text_send(ends.client, 0, BANNER, BANNER, 2);
    sock_expect(epoll_wait(epoll, &event, 1, SOCK_DEADLINE_MS) == 1 && (event.events & EPOLLIN) != 0, "data");
    text_receive(ends.server, 0, BANNER, BANNER, 2);
    end_both(ends);
}

/* Both ends in one epoll: one wait reports both, the next one nothing. */
static void together(const struct sock_target *target)
{
    int listener = sock_listen(target);
    for (int i = 0; i < ROUNDS; i++) {
        struct ends ends = connect_both(listener, target);
        struct epoll_event events[4];
        int epoll = epoll_create1(EPOLL_CLOEXEC);
        for (int k = 0; k < 2; k++) {
            struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.u32 = (uint32_t)k};
            sock_expect(epoll_ctl(epoll, EPOLL_CTL_ADD, k ? ends.server : ends.client, &event) == 0, "add");
        }
        sock_expect(epoll_wait(epoll, events, 4, 1000) == 2 && events[0].events == EPOLLOUT &&
                        events[1].events == EPOLLOUT,
                    "both ends are writable at once");
        sock_expect(epoll_wait(epoll, events, 4, 5) == 0, "nothing else");
        struct pollfd both[2] = {{.fd = ends.client, .events = POLLOUT}, {.fd = ends.server, .events = POLLOUT}};
        sock_expect(poll(both, 2, 0) == 2, "poll reports the same");
        (void)close(epoll);
        end_both(ends);
    }
}

/* A client sends and shuts both directions before anything has accepted it: all of it arrives, then the end. */
static void shut_before_accept(const struct sock_target *target)
{
    int listener = sock_listen(target);
    for (int i = 0; i < 3; i++) {
        int client = sock_connect(target);
        text_send(client, 0, BANNER, BANNER, 1);
        sock_expect(shutdown(client, SHUT_RDWR) == 0, "shutdown");
        char byte;
        sock_expect(read(client, &byte, 1) == 0, "read after shutdown");
        int server = sock_accept(listener);
        text_receive(server, 0, BANNER, BANNER, 1);
        text_expect_end(server);
        (void)close(server);
        (void)close(client);
    }
}

/* A server that does not read shuts reading first, and still sends. */
static void shut_for_reading(const struct sock_target *target)
{
    int listener = sock_listen(target);
    struct ends ends = connect_both(listener, target);
    sock_expect(shutdown(ends.server, SHUT_RD) == 0, "shutdown");
    sock_expect((sock_ready(ends.server, POLLIN | POLLOUT | POLLRDHUP) & (POLLIN | POLLRDHUP)) != 0,
                "readable: the end is");
    text_send(ends.server, 0, BANNER, BANNER, 1);
    (void)close(ends.server);
    take(ends.client, BANNER, true);
}

/* Two processes: the server sends, and then does nothing until the client has received it. */
static void only_writes(int fd)
{
    text_send(fd, 0, BANNER, BANNER, 1);
    text_send(fd, BANNER, BANNER, BANNER, 1);
    (void)side_receive();
}

static void only_writes_nonblocking(int fd)
{
    sock_set_nonblocking(fd, true);
    only_writes(fd);
}

static void reads_twice(int fd)
{
    text_receive(fd, 0, 2 * BANNER, BANNER, 1);
    side_send(0);
}

/* Sends and exits at once. */
static void writes_and_exits(const struct sock_target *target)
{
    int listener = sock_listen(target);
    pid_t pid = fork();
    if (pid == 0) {
        int fd = sock_accept(listener);
        sock_set_nonblocking(fd, true);
        text_send(fd, 0, BANNER, BANNER, 1);
        _exit(0);
    }
    int client = sock_connect(target);
    text_receive(client, 0, BANNER, BANNER, 1);
    text_expect_end(client);
    sock_expect(sock_reap(pid) == 0, "the server's process");
}

/*
 * For a peer that does not speak the protocol: prints what became of a banner that was accepted. The test is the
 * client.
 */
static void to_plain_peer(int fd)
{
    char byte;
    ssize_t n;
    sock_set_nonblocking(fd, true);
    text_send(fd, 0, BANNER, BANNER, 1);
    sock_expect(printf("sent\n") > 0 && fflush(stdout) == 0, "printf");
    do
        (void)sock_wait(fd, POLLIN);
    while ((n = read(fd, &byte, 1)) == -1 && errno == EAGAIN);
    (void)printf("end: %s\n", n == 1 ? "data" : n == 0 ? "clean" : strerrorname_np(errno));
    sock_expect(n >= 0 || (send(fd, "x", 1, MSG_NOSIGNAL) == -1 && (errno == ECONNRESET || errno == EPIPE)),
                "sending afterwards");
}

static const struct scenario scenarios[] = {
    {"writable", NULL, NULL, writable},
    {"banner", NULL, NULL, banner},
    {"banner_and_close", NULL, NULL, banner_and_close},
    {"full", NULL, NULL, full},
    {"edges", NULL, NULL, edges},
    {"together", NULL, NULL, together},
    {"shut_before_accept", NULL, NULL, shut_before_accept},
    {"shut_for_reading", NULL, NULL, shut_for_reading},
    {"only_writes", only_writes, reads_twice, NULL},
    {"only_writes_nonblocking", only_writes_nonblocking, reads_twice, NULL},
    {"writes_and_exits", NULL, NULL, writes_and_exits},
    {"to_plain_peer", to_plain_peer, NULL, NULL},
    {0},
};

int main(int argc, char **argv)
{
    return scenario_main(argc, argv, scenarios);
}
