/*
 * epoll in all its modes over connections that carry many small messages: level- and edge-triggered, one-shot,
 * exclusive, nested; descriptors that are closed, modified or added late; the program's data in events.
 */
#include "../lib/sock.h"

#include <sys/epoll.h>

enum { FRAMES = 200, FRAME = 100, MESSAGES_TOTAL = FRAMES * FRAME };

static int epoll_of(int fd, uint32_t events)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = events, .data.u64 = 0x1122334455667700U + (unsigned)fd};
    sock_expect(epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
    return epoll;
}

/* Waits for one event, which must be of `fd`. Returns its bits, or 0 if none came within `ms`. */
static uint32_t epoll_next(int epoll, int fd, int ms)
{
    struct epoll_event event[8];
    int n;
    do
        n = epoll_wait(epoll, event, 8, ms);
    while (n < 0 && errno == EINTR);
    sock_expect(n == 0 || n == 1, "epoll_wait returned %d", n);
    if (n == 0) {
        sock_expect(ms < SOCK_DEADLINE_MS, "no event of descriptor %d", fd);
        return 0;
    }
    sock_expect(event[0].data.u64 == 0x1122334455667700U + (unsigned)fd, "the event's data is %" PRIx64,
                event[0].data.u64);
    return event[0].events;
}

/* Many small frames, then nothing until the reader has received them all. */
static void frames_client(int fd)
{
    sock_set_nodelay(fd);
    text_send(fd, 0, MESSAGES_TOTAL, FRAME, 1);
    side_send(MESSAGES_TOTAL);
    (void)side_receive();
}

/* One large write, then nothing likewise: the frames are larger than the reader's buffers. */
static void chunk_client(int fd)
{
    text_send(fd, 0, MESSAGES_TOTAL, MESSAGES_TOTAL, 1);
    side_send(MESSAGES_TOTAL);
    (void)side_receive();
}

static size_t take(int fd, size_t at, size_t size, ssize_t *result)
{
    static char buffer[65536];
    *result = recv(fd, buffer, size, 0);
    if (*result > 0)
        text_check(buffer, (size_t)*result, at, 1);
    return *result > 0 ? (size_t)*result : 0;
}

/* Edge-triggered, as nginx reads: a read that returns less than its buffer means that the socket is drained. */
static void edge_short(int fd, size_t size, bool wait_until_sent)
{
    sock_set_nonblocking(fd, true);
    if (wait_until_sent)
        (void)side_receive();
    int epoll = epoll_of(fd, EPOLLIN | EPOLLET | EPOLLRDHUP);
    ssize_t n;
    for (size_t at = 0; at < MESSAGES_TOTAL;) {
        uint32_t events = epoll_next(epoll, fd, SOCK_DEADLINE_MS);
        sock_expect(events == EPOLLIN, "expected EPOLLIN, found 0x%x at %zu", events, at);
        do
            at += take(fd, at, size, &n);
        while (n == (ssize_t)size);
        sock_expect(n > 0 || errno == EAGAIN, "recv at %zu", at);
    }
    side_send(0);
    sock_expect(epoll_next(epoll, fd, SOCK_DEADLINE_MS) & EPOLLRDHUP, "expected EPOLLRDHUP");
    text_expect_end(fd);
}

static void edge_short_server(int fd)
{
    edge_short(fd, 4096, false);
}

static void edge_short_late_server(int fd)
{
    edge_short(fd, 4096, true);
}

static void edge_short_tiny_server(int fd)
{
    edge_short(fd, 7, true);
}

/* Edge-triggered as in epoll(7): reads until EAGAIN. */
static void edge_server(int fd)
{
    sock_set_nonblocking(fd, true);
    int epoll = epoll_of(fd, EPOLLIN | EPOLLET);
    for (size_t at = 0; at < MESSAGES_TOTAL;) {
        ssize_t n;
        (void)epoll_next(epoll, fd, SOCK_DEADLINE_MS);
        do
            at += take(fd, at, 10, &n);
        while (n > 0);
        sock_expect(n == -1 && errno == EAGAIN, "recv returned %zd at %zu", n, at);
    }
    sock_expect(epoll_next(epoll, fd, 0) == 0, "an event though everything has been read");
    side_send(0);
    (void)epoll_next(epoll, fd, SOCK_DEADLINE_MS);
    text_expect_end(fd);
}

/* Level-triggered, one small read for each event, blocking or not. */
static void level(int fd, size_t size)
{
    int epoll = epoll_of(fd, EPOLLIN);
    for (size_t at = 0; at < MESSAGES_TOTAL;) {
        ssize_t n;
        sock_expect(epoll_next(epoll, fd, SOCK_DEADLINE_MS) == EPOLLIN, "expected EPOLLIN");
        at += take(fd, at, size, &n);
        sock_expect(n > 0, "an event, and recv returned %zd at %zu", n, at);
    }
    sock_expect(epoll_next(epoll, fd, 0) == 0, "an event though everything has been read");
    side_send(0);
    (void)epoll_next(epoll, fd, SOCK_DEADLINE_MS);
    text_expect_end(fd);
}

static void level_server(int fd)
{
    sock_set_nonblocking(fd, true);
    level(fd, 3);
}

static void level_blocking_server(int fd)
{
    level(fd, 333);
}

/* One-shot: no event until it is armed again; then the bytes that are there already are reported. */
static void one_shot_server(int fd)
{
    int epoll = epoll_of(fd, EPOLLIN | EPOLLONESHOT);
    (void)side_receive();
    for (size_t at = 0; at < MESSAGES_TOTAL;) {
        ssize_t n;
        sock_expect(epoll_next(epoll, fd, SOCK_DEADLINE_MS) == EPOLLIN, "expected EPOLLIN");
        sock_expect(epoll_next(epoll, fd, 0) == 0, "a second event of one shot");
        at += take(fd, at, 999, &n);
        sock_expect(n > 0, "an event, and recv returned %zd at %zu", n, at);
        struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT,
                                    .data.u64 = 0x1122334455667700U + (unsigned)fd};
        sock_expect(epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event) == 0, "EPOLL_CTL_MOD");
    }
    sock_expect(epoll_next(epoll, fd, 0) == 0, "an event though everything has been read");
    side_send(0);
    (void)epoll_next(epoll, fd, SOCK_DEADLINE_MS);
    text_expect_end(fd);
}

/* Two epolls wait for the same descriptor with EPOLLEXCLUSIVE: at least one of them gets the event. */
static void exclusive_server(int fd)
{
    int epoll[2] = {epoll_of(fd, EPOLLIN | EPOLLEXCLUSIVE), epoll_of(fd, EPOLLIN | EPOLLEXCLUSIVE)};
    for (size_t at = 0; at < MESSAGES_TOTAL;) {
        ssize_t n = 0;
        struct pollfd wait[2] = {{.fd = epoll[0], .events = POLLIN}, {.fd = epoll[1], .events = POLLIN}};
        sock_expect(poll(wait, 2, SOCK_DEADLINE_MS) >= 1, "neither epoll is readable at %zu", at);
        int which = wait[0].revents ? 0 : 1;
        if (epoll_next(epoll[which], fd, 0) == 0)
            continue; /* the rest of a message has not arrived: a spurious event, as two readers on bare TCP get
                         them, too */
        at += take(fd, at, 512, &n);
        sock_expect(n > 0, "an event, and recv returned %zd at %zu", n, at);
    }
    side_send(0);
    struct epoll_event event = {.events = EPOLLIN};
    sock_expect(epoll_ctl(epoll[0], EPOLL_CTL_MOD, fd, &event) == -1 && errno == EINVAL,
                "EPOLL_CTL_MOD of an exclusive entry: expected EINVAL");
    (void)sock_wait(fd, POLLIN);
    text_expect_end(fd);
}

/* An epoll inside an epoll. */
static void nested_server(int fd)
{
    int inner = epoll_of(fd, EPOLLIN), outer = epoll_of(inner, EPOLLIN);
    for (size_t at = 0; at < MESSAGES_TOTAL;) {
        ssize_t n;
        (void)epoll_next(outer, inner, SOCK_DEADLINE_MS);
        if (epoll_next(inner, fd, 0) == 0)
            continue; /* a part of a message wakes the outer epoll: spurious, and allowed */
        at += take(fd, at, 1000, &n);
        sock_expect(n > 0, "an event, and recv returned %zd at %zu", n, at);
    }
    sock_expect(epoll_next(inner, fd, 0) == 0, "an event though everything has been read");
    side_send(0);
    (void)epoll_next(outer, inner, SOCK_DEADLINE_MS);
    text_expect_end(fd);
}

/* Bytes that were sent before the descriptor was added make an event, also for the waiting calls with a signal
 * mask. */
static void added_late_server(int fd)
{
    sigset_t none;
    struct epoll_event event;
    struct timespec second = {.tv_sec = SOCK_DEADLINE_MS / 1000};
    size_t at = 0;
    ssize_t n;
    (void)sigemptyset(&none);
    (void)side_receive();
    (void)sock_wait(fd, POLLIN);
    int epoll = epoll_of(fd, EPOLLIN | EPOLLET);
    sock_expect(epoll_pwait(epoll, &event, 1, SOCK_DEADLINE_MS, &none) == 1, "epoll_pwait");
    at += take(fd, at, 50, &n);
    sock_expect(n == 50, "recv returned %zd", n);
    sock_expect(epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL) == 0, "EPOLL_CTL_DEL");
    sock_expect(epoll_wait(epoll, &event, 1, 0) == 0, "an event of a descriptor that was taken out");
    event = (struct epoll_event){.events = EPOLLIN, .data.fd = 77};
    sock_expect(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "EPOLL_CTL_ADD");
    sock_expect(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == -1 && errno == EEXIST,
                "added twice: expected EEXIST");
    sock_expect(epoll_pwait2(epoll, &event, 1, &second, &none) == 1 && event.data.fd == 77, "epoll_pwait2");
    while (at < MESSAGES_TOTAL) {
        sock_expect(epoll_wait(epoll, &event, 1, SOCK_DEADLINE_MS) == 1, "epoll_wait");
        at += take(fd, at, 4096, &n);
        sock_expect(n > 0, "an event, and recv returned %zd at %zu", n, at);
    }
    event = (struct epoll_event){.events = EPOLLIN | EPOLLOUT, .data.fd = 78};
    sock_expect(epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event) == 0, "EPOLL_CTL_MOD");
    sock_expect(epoll_wait(epoll, &event, 1, SOCK_DEADLINE_MS) == 1 && event.events == EPOLLOUT &&
                    event.data.fd == 78,
                "expected EPOLLOUT alone");
    side_send(0);
}

/* A descriptor that is closed while registered has no more events, whatever its peer does. */
static void closed(const struct sock_target *target)
{
    int listener = sock_listen(target), client[2], server[2];
    int epoll = epoll_create1(0);
    struct epoll_event event;
    for (int i = 0; i < 2; i++) {
        client[i] = sock_connect(target);
        server[i] = sock_accept(listener);
        text_send(client[i], 0, 10, 10, 1);
        text_receive(server[i], 0, 10, 10, 1);
        event = (struct epoll_event){.events = EPOLLIN | EPOLLRDHUP, .data.fd = i};
        sock_expect(epoll_ctl(epoll, EPOLL_CTL_ADD, server[i], &event) == 0, "EPOLL_CTL_ADD");
    }
    text_send(client[0], 10, 10, 10, 1);
    (void)sock_wait(server[0], POLLIN);
    (void)close(server[0]);
    sock_expect(epoll_wait(epoll, &event, 1, 20) == 0, "an event of a descriptor that was closed");
    (void)close(client[0]);
    sock_expect(epoll_wait(epoll, &event, 1, 20) == 0,
                "an event of a descriptor that was closed, at its peer's end");
    text_send(client[1], 10, 10, 10, 1);
    sock_expect(epoll_wait(epoll, &event, 1, SOCK_DEADLINE_MS) == 1 && event.data.fd == 1,
                "expected an event of the other descriptor");
    /* The descriptor number is free: the next file that gets it has its own registration. */
    int again = sock_connect(target);
    event = (struct epoll_event){.events = EPOLLIN, .data.fd = 5};
    sock_expect(again == server[0] || again == client[0], "the number is used again: %d", again);
    sock_expect(epoll_ctl(epoll, EPOLL_CTL_ADD, again, &event) == 0, "EPOLL_CTL_ADD of the number's next owner");
    text_receive(server[1], 10, 10, 10, 1);
    int peer = sock_accept(listener);
    text_send(peer, 0, 10, 10, 1);
    sock_expect(epoll_wait(epoll, &event, 1, SOCK_DEADLINE_MS) == 1 && event.data.fd == 5,
                "expected an event of the number's next owner");
    text_receive(again, 0, 10, 10, 1);
}

/* Writers by EPOLLOUT and EPOLLET: megabytes both ways at once, one loop at each end, until both directions end. */
static void duplex(int fd, unsigned mine, unsigned theirs, uint32_t manner)
{
    enum { TOTAL = 6 << 20 };
    static unsigned char out[50000], in[30000];
    size_t sent = 0, received = 0;
    bool ended = false;
    sock_set_nonblocking(fd, true);
    int epoll = epoll_of(fd, EPOLLIN | EPOLLOUT | manner);
    while (!ended || sent < TOTAL) {
        uint32_t events = epoll_next(epoll, fd, SOCK_DEADLINE_MS);
        ssize_t n = 1;
        while (events & EPOLLOUT && sent < TOTAL) {
            size_t part = TOTAL - sent < sizeof out ? TOTAL - sent : sizeof out;
            text_fill(out, part, sent, mine);
            n = write(fd, out, part);
            sock_expect(n > 0 || (n == -1 && errno == EAGAIN), "write returned %zd", n);
            if (n < 0)
                break;
            sent += (size_t)n;
        }
        if (sent == TOTAL && manner != EPOLLET) {
            struct epoll_event event = {.events = EPOLLIN, .data.u64 = 0x1122334455667700U + (unsigned)fd};
            sock_expect(epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event) == 0, "EPOLL_CTL_MOD");
        }
        while (events & EPOLLIN && !ended) {
            n = read(fd, in, sizeof in);
            sock_expect(n >= 0 || errno == EAGAIN, "read returned %zd", n);
            if (n < 0)
                break;
            text_check(in, (size_t)n, received, theirs);
            received += (size_t)n;
            ended = n == 0 || received == TOTAL;
        }
    }
    sock_expect(received == TOTAL, "%zu bytes arrived", received);
    side_send(0);
    (void)side_receive();
}

static void duplex_edge_server(int fd)
{
    duplex(fd, 1, 2, EPOLLET);
}

static void duplex_edge_client(int fd)
{
    duplex(fd, 2, 1, EPOLLET);
}

static void duplex_level_server(int fd)
{
    duplex(fd, 3, 4, 0);
}

static void duplex_level_client(int fd)
{
    duplex(fd, 4, 3, 0);
}

static const struct scenario scenarios[] = {
    {"edge_short", edge_short_server, frames_client, NULL},
    {"edge_short_late", edge_short_late_server, frames_client, NULL},
    {"edge_short_chunk", edge_short_late_server, chunk_client, NULL},
    {"edge_short_tiny", edge_short_tiny_server, frames_client, NULL},
    {"edge", edge_server, frames_client, NULL},
    {"edge_chunk", edge_server, chunk_client, NULL},
    {"level", level_server, frames_client, NULL},
    {"level_chunk", level_server, chunk_client, NULL},
    {"level_blocking", level_blocking_server, frames_client, NULL},
    {"one_shot", one_shot_server, frames_client, NULL},
    {"one_shot_chunk", one_shot_server, chunk_client, NULL},
    {"exclusive", exclusive_server, chunk_client, NULL},
    {"nested", nested_server, chunk_client, NULL},
    {"added_late", added_late_server, chunk_client, NULL},
    {"closed", NULL, NULL, closed},
    {"duplex_edge", duplex_edge_server, duplex_edge_client, NULL},
    {"duplex_level", duplex_level_server, duplex_level_client, NULL},
    {0},
};

int main(int argc, char **argv)
{
    return scenario_main(argc, argv, scenarios);
}
