/*
 * poll, ppoll, select and pselect: after "readable" a read returns bytes, for all sizes of chunks and buffers;
 * after everything is read, nothing is reported as readable.
 */
#include "../lib/sock.h"

#include <sys/epoll.h>
#include <sys/select.h>

enum { TOTAL = 20000 };

enum how { BY_POLL, BY_PPOLL, BY_SELECT, BY_PSELECT };

/* Waits up to `ms` for the descriptor to become readable (or writable). Returns whether it did. */
static bool wait_by(enum how how, int fd, bool to_write, int ms)
{
    struct pollfd one = {.fd = fd, .events = to_write ? POLLOUT : POLLIN};
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    struct timeval value = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000L};
    sigset_t none;
    fd_set set;
    int n = -1;
    (void)sigemptyset(&none);
    FD_ZERO(&set);
    FD_SET(fd, &set);
    fd_set *in = to_write ? NULL : &set, *out = to_write ? &set : NULL;
    switch (how) {
    case BY_POLL:
        n = poll(&one, 1, ms);
        break;
    case BY_PPOLL:
        n = ppoll(&one, 1, &time, &none);
        break;
    case BY_SELECT:
        n = select(fd + 1, in, out, NULL, &value);
        break;
    case BY_PSELECT:
        n = pselect(fd + 1, in, out, NULL, &time, &none);
        break;
    }
    sock_expect(n == 0 || n == 1, "waiting returned %d", n);
    if (n == 1 && how <= BY_PPOLL)
        sock_expect((one.revents & one.events) != 0, "poll returned 1 and reports 0x%x", (unsigned)one.revents);
    if (how >= BY_SELECT)
        sock_expect((n == 1) == (FD_ISSET(fd, &set) != 0), "select returned %d and marks the other", n);
    return n == 1;
}

static void small_reads(int fd, enum how how, size_t step)
{
    char buffer[4096];
    for (size_t at = 0; at < TOTAL;) {
        sock_expect(wait_by(how, fd, false, SOCK_DEADLINE_MS), "not readable though %zu bytes are due", TOTAL - at);
        ssize_t n = recv(fd, buffer, step, MSG_DONTWAIT);
        sock_expect(n > 0, "readable, and recv returned %zd at %zu", n, at);
        text_check(buffer, (size_t)n, at, 1);
        at += (size_t)n;
    }
    sock_expect(!wait_by(how, fd, false, 0), "readable though all has been read");
    sock_expect(wait_by(how, fd, true, SOCK_DEADLINE_MS), "not writable");
    side_send(0);
    sock_expect(wait_by(how, fd, false, SOCK_DEADLINE_MS), "the end is not readable");
    text_expect_end(fd);
}

static void small_reads_poll(int fd)
{
    small_reads(fd, BY_POLL, 10);
}

static void small_reads_ppoll(int fd)
{
    small_reads(fd, BY_PPOLL, 1);
}

static void small_reads_select(int fd)
{
    small_reads(fd, BY_SELECT, 10);
}

static void small_reads_pselect(int fd)
{
    small_reads(fd, BY_PSELECT, 2999);
}

static void chunks_client(int fd)
{
    text_send(fd, 0, TOTAL, 3000, 1);
    (void)side_receive();
}

/* After poll reports it, it is read with blocking reads, in buffers larger and smaller than a chunk. */
static void poll_then_read_server(int fd)
{
    static char buffer[20000];
    size_t size = 1, total = 0;
    for (;;) {
        (void)sock_wait(fd, POLLIN);
        ssize_t n = read(fd, buffer, size);
        sock_expect(n >= 0, "read");
        if (n == 0)
            break;
        text_check(buffer, (size_t)n, total, 1);
        total += (size_t)n;
        size = size * 7 % 19997 + 1;
    }
    sock_expect(total == 3000000, "%zu bytes arrived", total);
}

static void poll_then_read_client(int fd)
{
    size_t step = 1;
    for (size_t at = 0; at < 3000000;) {
        size_t part = 3000000 - at < step ? 3000000 - at : step;
        (void)sock_wait(fd, POLLOUT);
        text_send(fd, at, part, part, 1);
        at += part;
        step = step * 5 % 30011 + 1;
    }
}

/* Two descriptors: only one has data, the other is not reported, and timeouts are kept. */
static void two(const struct sock_target *target)
{
    int listener = sock_listen(target), client[2], server[2];
    for (int i = 0; i < 2; i++) {
        client[i] = sock_connect(target);
        server[i] = sock_accept(listener);
        text_send(client[i], 0, 1, 1, 1);
        text_receive(server[i], 0, 1, 1, 1);
    }
    struct pollfd wait[3] = {
        {.fd = server[0], .events = POLLIN}, {.fd = -1, .events = POLLIN}, {.fd = server[1], .events = POLLIN}};
    sock_expect(poll(wait, 3, 30) == 0, "poll sees something where nothing is");
    text_send(client[1], 1, 5000, 5000, 1);
    sock_expect(poll(wait, 3, SOCK_DEADLINE_MS) == 1 && wait[2].revents == POLLIN && wait[0].revents == 0 &&
                    wait[1].revents == 0,
                "poll: expected the second connection alone");
    text_receive(server[1], 1, 4999, 4999, 1);
    sock_expect(poll(wait, 3, SOCK_DEADLINE_MS) == 1 && wait[2].revents == POLLIN, "one byte is left to read");
    text_receive(server[1], 5000, 1, 1, 1);
    sock_expect(poll(wait, 3, 0) == 0, "nothing is left to read");
    (void)close(client[0]);
    sock_expect(poll(wait, 3, SOCK_DEADLINE_MS) == 1 && wait[0].revents & POLLIN, "the end is readable");
    text_expect_end(server[0]);
    wait[0].events = POLLIN | POLLOUT;
    wait[0].fd = server[1];
    sock_expect(poll(wait, 1, SOCK_DEADLINE_MS) == 1 && wait[0].revents == POLLOUT, "writable, not readable");
}

/* The hang-up events of half-closes and of closes. */
static void hangup_server(int fd)
{
    sock_expect(sock_wait(fd, POLLIN | POLLRDHUP) == POLLIN, "POLLIN alone while the peer is there");
    text_receive(fd, 0, 10, 10, 1);
    side_send(0);
    int events = sock_wait(fd, POLLRDHUP);
    sock_expect(events & POLLRDHUP && !(events & POLLHUP), "expected POLLRDHUP, found 0x%x", (unsigned)events);
    text_expect_end(fd);
    sock_expect(sock_wait(fd, POLLIN) & POLLIN, "the end stays readable");
    text_send(fd, 0, 10, 10, 2);
    sock_expect(shutdown(fd, SHUT_WR) == 0, "shutdown");
    events = sock_wait(fd, 0); /* requests nothing: POLLHUP is reported nevertheless */
    sock_expect(events & POLLHUP && !(events & POLLERR), "expected POLLHUP, found 0x%x", (unsigned)events);
}

static void hangup_client(int fd)
{
    text_send(fd, 0, 10, 10, 1);
    (void)side_receive();
    sock_expect(shutdown(fd, SHUT_WR) == 0, "shutdown");
    text_receive(fd, 0, 10, 10, 2);
    text_expect_end(fd);
}

/* A full socket is not writable, and becomes writable when the peer reads. */
static void full_client(int fd)
{
    sock_greet(fd);
    sock_set_nonblocking(fd, true);
    size_t done = sock_stuff(fd, 64 << 20, 1);
    sock_expect(sock_ready(fd, POLLOUT) == 0, "a full socket is writable");
    side_send(done);
    sock_expect(sock_wait(fd, POLLOUT) & POLLOUT, "expected POLLOUT");
    sock_set_nonblocking(fd, false);
    text_send(fd, done, 100000, 100000, 1);
}

static void full_server(int fd)
{
    sock_greet(fd);
    size_t done = (size_t)side_receive();
    text_receive(fd, 0, done + 100000, 65536, 1);
    text_expect_end(fd);
}

/*
 * An event loop that serves a connection and a command pipe (standard input). It must return to the pipe while a
 * part of a message is on its way: the test holds the rest back until its commands have been answered. The
 * connection is blocking, so that a read without enough bytes would not return.
 */
static void loop(int fd, bool (*ready)(int epoll, int fd, bool *command), size_t size)
{
    static char buffer[65536];
    char command;
    size_t at = 0;
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    sock_expect(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "EPOLL_CTL_ADD");
    event.data.fd = STDIN_FILENO;
    sock_expect(epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &event) == 0, "EPOLL_CTL_ADD");
    for (;;) {
        bool commanded = false, readable = ready(epoll, fd, &commanded);
        if (commanded && read(STDIN_FILENO, &command, 1) == 1)
            sock_expect(printf("at %zu\n", at) > 0 && fflush(stdout) == 0, "answering");
        if (readable) {
            ssize_t n = read(fd, buffer, size);
            if (n == 0)
                break;
            sock_expect(n > 0, "read at %zu", at);
            text_check(buffer, (size_t)n, at, 1);
            at += (size_t)n;
        }
    }
    sock_expect(at == 5000, "%zu bytes arrived", at);
}

static bool ready_by_poll(int epoll, int fd, bool *command)
{
    struct pollfd wait[2] = {{.fd = fd, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
    (void)epoll;
    sock_expect(poll(wait, 2, SOCK_DEADLINE_MS) > 0, "poll");
    *command = wait[1].revents != 0;
    return wait[0].revents != 0;
}

static bool ready_by_select(int epoll, int fd, bool *command)
{
    fd_set set;
    (void)epoll;
    FD_ZERO(&set);
    FD_SET(fd, &set);
    FD_SET(STDIN_FILENO, &set);
    sock_expect(select(fd + 1, &set, NULL, NULL, &(struct timeval){.tv_sec = 20}) > 0, "select");
    *command = FD_ISSET(STDIN_FILENO, &set) != 0;
    return FD_ISSET(fd, &set) != 0;
}

static bool ready_by_epoll(int epoll, int fd, bool *command)
{
    struct epoll_event event[2];
    int n = epoll_wait(epoll, event, 2, SOCK_DEADLINE_MS);
    bool readable = false;
    sock_expect(n > 0, "epoll_wait returned %d", n);
    for (int i = 0; i < n; i++) {
        readable |= event[i].data.fd == fd;
        *command |= event[i].data.fd == STDIN_FILENO;
    }
    return readable;
}

static void loop_poll_server(int fd)
{
    loop(fd, ready_by_poll, 65536);
}

static void loop_select_server(int fd)
{
    loop(fd, ready_by_select, 100);
}

static void loop_epoll_server(int fd)
{
    loop(fd, ready_by_epoll, 65536);
}

static void loop_client(int fd)
{
    text_send(fd, 0, 5000, 5000, 1);
}

static const struct scenario scenarios[] = {
    {"small_reads_poll", small_reads_poll, chunks_client, NULL},
    {"small_reads_ppoll", small_reads_ppoll, chunks_client, NULL},
    {"small_reads_select", small_reads_select, chunks_client, NULL},
    {"small_reads_pselect", small_reads_pselect, chunks_client, NULL},
    {"poll_then_read", poll_then_read_server, poll_then_read_client, NULL},
    {"two", NULL, NULL, two},
    {"hangup", hangup_server, hangup_client, NULL},
    {"full", full_server, full_client, NULL},
    {"loop_poll", loop_poll_server, loop_client, NULL},
    {"loop_select", loop_select_server, loop_client, NULL},
    {"loop_epoll", loop_epoll_server, loop_client, NULL},
    {0},
};

int main(int argc, char **argv)
{
    return scenario_main(argc, argv, scenarios);
}
