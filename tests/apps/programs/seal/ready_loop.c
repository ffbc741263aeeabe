/*
 * An event loop by each of the interfaces, as an echo server and as many clients in one thread. Descriptors are
 * registered before their first byte, so that the loop waits for handshakes under way.
 *
 *     ready_loop MANNER server PORT ADDRESS ENDS
 *     ready_loop MANNER client PORT ADDRESS COUNT SOURCE
 *
 * The server echoes until ENDS connections have ended. After each command on its standard input it prints how many
 * have ended. Each client has its bytes echoed, and both directions end in order.
 */
#include "../lib/sock.h"

#include <sys/epoll.h>
#include <sys/select.h>

enum { CONNECTIONS_MAX = 1200, EVENTS_MAX = 64, ECHO_BYTES = 60000, BUFFER = 16384 };

enum call { BY_POLL, BY_PPOLL, BY_SELECT, BY_PSELECT, BY_EPOLL, BY_PWAIT, BY_PWAIT2 };

static const struct manner {
    const char *name;
    enum call call;
    uint32_t flags;      /* of epoll */
    bool blocking;       /* the server's descriptors are blocking */
    bool before_connect; /* the client's descriptors are registered before they connect */
} manners[] = {
    {"poll", BY_POLL, 0, false, false},
    {"poll_blocking", BY_POLL, 0, true, false},
    {"ppoll", BY_PPOLL, 0, false, false},
    {"select", BY_SELECT, 0, false, false},
    {"select_blocking", BY_SELECT, 0, true, false},
    {"pselect", BY_PSELECT, 0, false, false},
    {"epoll", BY_EPOLL, 0, false, false},
    {"epoll_blocking", BY_EPOLL, 0, true, false},
    {"edge", BY_EPOLL, EPOLLET, false, false},
    {"edge_before_connect", BY_EPOLL, EPOLLET, false, true},
    {"one_shot", BY_PWAIT, EPOLLONESHOT, false, false},
    {"one_shot_blocking", BY_PWAIT2, EPOLLONESHOT, true, false},
    {"exclusive", BY_PWAIT2, EPOLLEXCLUSIVE, false, false},
};

static const struct manner *manner;
static int epoll = -1;

struct connection {
    int fd; /* -1: none */
    uint32_t wanted;
    size_t received, sent;
    bool ended; /* the peer's end of the stream has been read */
    bool connected;
    size_t held;
    unsigned char buffer[BUFFER]; /* the server's: read and not yet echoed */
};

static struct connection connections[CONNECTIONS_MAX];
static int connection_count;
static int listener = -1, command = -1;
static int finished;

/* Descriptors other than connections have these numbers in place of an index. */
enum { THE_LISTENER = CONNECTIONS_MAX, THE_COMMAND };

static void epoll_set(int operation, int index, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.u64 = 0xabcd00000000U + (unsigned)index};
    sock_expect(epoll_ctl(epoll, operation, fd, &event) == 0, "epoll_ctl %d of descriptor %d", operation, fd);
}

static void inspect(int index, int fd, uint32_t events, bool again)
{
    uint32_t flags = index < CONNECTIONS_MAX ? manner->flags : 0;
    if (manner->call < BY_EPOLL)
        return;
    if (again && (flags & EPOLLEXCLUSIVE)) {
        sock_expect(epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL) == 0, "EPOLL_CTL_DEL");
        again = false;
    }
    if (flags & EPOLLET)
        events = EPOLLIN | EPOLLOUT | EPOLLRDHUP;
    epoll_set(again ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, index, fd, events | flags);
}

/* Changes what a connection is registered for. One-shot registrations are armed again in any case. */
static void want(struct connection *one, uint32_t events)
{
    if (one->fd >= 0 && (events != one->wanted || (manner->flags & EPOLLONESHOT)) && !(manner->flags & EPOLLET))
        inspect((int)(one - connections), one->fd, events, true);
    one->wanted = events;
}

struct ready {
    int index;
    uint32_t events;
};

/* All descriptors, as poll(2) and select(2) need them. */
static int collect(struct pollfd *polls, int *indices)
{
    int count = 0;
    if (listener >= 0) {
        polls[count] = (struct pollfd){.fd = listener, .events = POLLIN};
        indices[count++] = THE_LISTENER;
    }
    if (command >= 0) {
        polls[count] = (struct pollfd){.fd = command, .events = POLLIN};
        indices[count++] = THE_COMMAND;
    }
    for (int i = 0; i < connection_count; i++) {
        if (connections[i].fd < 0)
            continue;
        short events = (short)(((connections[i].wanted & EPOLLIN) ? POLLIN : 0) |
                               ((connections[i].wanted & EPOLLOUT) ? POLLOUT : 0));
        polls[count] = (struct pollfd){.fd = connections[i].fd, .events = events};
        indices[count++] = i;
    }
    return count;
}

static int wait_by_poll(struct ready *ready)
{
    static struct pollfd polls[CONNECTIONS_MAX + 2];
    static int indices[CONNECTIONS_MAX + 2];
    const struct timespec time = {.tv_sec = SOCK_DEADLINE_MS / 1000};
    int count = collect(polls, indices), found = 0;
    int n = manner->call == BY_POLL ? poll(polls, (nfds_t)count, SOCK_DEADLINE_MS)
                                    : ppoll(polls, (nfds_t)count, &time, NULL);
    sock_expect(n > 0, "poll of %d returned %d", count, n);
    for (int i = 0; i < count; i++) {
        if (polls[i].revents == 0)
            continue;
        sock_expect((polls[i].revents & ~(polls[i].events | POLLERR | POLLHUP)) == 0,
                    "requested 0x%x, reported 0x%x", (unsigned)polls[i].events, (unsigned)polls[i].revents);
        n--;
        if (found < EVENTS_MAX)
            ready[found++] = (struct ready){indices[i], (uint32_t)(unsigned short)polls[i].revents};
    }
    sock_expect(n == 0, "poll miscounts by %d", n);
    return found;
}

static int wait_by_select(struct ready *ready)
{
    static struct pollfd polls[CONNECTIONS_MAX + 2];
    static int indices[CONNECTIONS_MAX + 2];
    struct timespec time = {.tv_sec = SOCK_DEADLINE_MS / 1000};
    struct timeval value = {.tv_sec = SOCK_DEADLINE_MS / 1000};
    int count = collect(polls, indices), found = 0, highest = 0;
    fd_set in, out;
    FD_ZERO(&in);
    FD_ZERO(&out);
    for (int i = 0; i < count; i++) {
        if (polls[i].events & POLLIN)
            FD_SET(polls[i].fd, &in);
        if (polls[i].events & POLLOUT)
            FD_SET(polls[i].fd, &out);
        highest = polls[i].fd > highest ? polls[i].fd : highest;
    }
    int n = manner->call == BY_SELECT ? select(highest + 1, &in, &out, NULL, &value)
                                      : pselect(highest + 1, &in, &out, NULL, &time, NULL);
    sock_expect(n > 0, "select of %d returned %d", count, n);
    sock_expect(manner->call != BY_SELECT || value.tv_sec < SOCK_DEADLINE_MS / 1000, "select took no time");
    for (int i = 0; i < count; i++) {
        uint32_t events =
            (FD_ISSET(polls[i].fd, &in) ? EPOLLIN : 0U) | (FD_ISSET(polls[i].fd, &out) ? EPOLLOUT : 0U);
        n -= ((events & EPOLLIN) != 0) + ((events & EPOLLOUT) != 0);
        if (events != 0 && found < EVENTS_MAX)
            ready[found++] = (struct ready){indices[i], events};
    }
    sock_expect(n == 0, "select miscounts by %d", n);
    return found;
}

static int wait_by_epoll(struct ready *ready)
{
    struct epoll_event events[EVENTS_MAX];
    const struct timespec time = {.tv_sec = SOCK_DEADLINE_MS / 1000};
    sigset_t none;
    int n = -1;
    (void)sigemptyset(&none);
    if (manner->call == BY_EPOLL)
        n = epoll_wait(epoll, events, EVENTS_MAX, SOCK_DEADLINE_MS);
    else if (manner->call == BY_PWAIT)
        n = epoll_pwait(epoll, events, EVENTS_MAX, SOCK_DEADLINE_MS, &none);
    else
        n = epoll_pwait2(epoll, events, EVENTS_MAX, &time, &none);
    sock_expect(n > 0, "epoll returned %d", n);
    for (int i = 0; i < n; i++) {
        sock_expect(events[i].data.u64 >> 32 == 0xabcd, "the event's data is %" PRIx64, events[i].data.u64);
        ready[i] = (struct ready){(int)(uint32_t)events[i].data.u64, events[i].events};
    }
    return n;
}

static int wait_for_events(struct ready *ready)
{
    if (manner->call <= BY_PPOLL)
        return wait_by_poll(ready);
    return manner->call <= BY_PSELECT ? wait_by_select(ready) : wait_by_epoll(ready);
}

static void end(struct connection *one)
{
    sock_expect(close(one->fd) == 0, "close");
    one->fd = -1;
    finished++;
}

/* --- the server --- */

static void accept_one(void)
{
    struct sockaddr_storage peer;
    socklen_t length = sizeof peer;
    int fd = accept4(listener, (struct sockaddr *)&peer, &length, manner->blocking ? 0 : SOCK_NONBLOCK);
    sock_expect(fd >= 0 && connection_count < CONNECTIONS_MAX, "accept");
    struct connection *one = &connections[connection_count++];
    *one = (struct connection){.fd = fd, .wanted = EPOLLIN};
    inspect((int)(one - connections), fd, EPOLLIN, false);
}

/* Sends back what is held. Returns false if not all of it was taken. */
static bool give_back(struct connection *one)
{
    while (one->held > 0) {
        ssize_t n = send(one->fd, one->buffer, one->held, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            return false;
        sock_expect(n > 0, "send returned %zd", n);
        one->held -= (size_t)n;
        memmove(one->buffer, one->buffer + n, one->held);
    }
    return true;
}

static void serve(struct connection *one, uint32_t events)
{
    const bool edge = (manner->flags & EPOLLET) != 0;
    if (!give_back(one))
        return;
    while (events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP) || one->wanted != EPOLLIN) {
        ssize_t n = recv(one->fd, one->buffer, BUFFER, 0);
        if (n < 0 && errno == EAGAIN)
            break;
        /* A connection whose handshake never comes ends with a reset. */
        sock_expect(n >= 0 || errno == ECONNRESET, "recv returned %zd", n);
        if (n <= 0) {
            end(one);
            return;
        }
        one->held = (size_t)n;
        if (!give_back(one)) {
            want(one, EPOLLOUT);
            return;
        }
        if (!edge)
            break;
    }
    want(one, EPOLLIN);
}

static void obey(void)
{
    char word;
    if (read(command, &word, 1) != 1) {
        if (manner->call >= BY_EPOLL)
            (void)epoll_ctl(epoll, EPOLL_CTL_DEL, command, NULL);
        command = -1;
        return;
    }
    sock_expect(printf("accepted %d finished %d\n", connection_count, finished) > 0 && fflush(stdout) == 0,
                "answer");
}

static int descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 4096; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void server(const struct sock_target *target, int ends)
{
    const int before = descriptors();
    struct ready ready[EVENTS_MAX];
    listener = sock_listen(target);
    command = STDIN_FILENO;
    sock_set_nonblocking(listener, true);
    inspect(THE_LISTENER, listener, EPOLLIN, false);
    inspect(THE_COMMAND, command, EPOLLIN, false);
    while (finished < ends) {
        int n = wait_for_events(ready);
        for (int i = 0; i < n; i++)
            if (ready[i].index == THE_LISTENER)
                accept_one();
            else if (ready[i].index == THE_COMMAND)
                obey();
            else if (connections[ready[i].index].fd >= 0)
                serve(&connections[ready[i].index], ready[i].events);
    }
    (void)close(listener);
    for (int i = 0; i < SOCK_DEADLINE_MS / 10 && descriptors() != before; i++)
        (void)poll(NULL, 0, 10); /* the end of a sealed connection may still be on its way */
    sock_expect(descriptors() == before, "%d descriptors are left, %d there were", descriptors(), before);
}

/* --- the clients --- */

static void start(const struct sock_target *target, const struct sock_target *source)
{
    struct connection *one = &connections[connection_count++];
    const int index = (int)(one - connections);
    *one = (struct connection){.fd = sock_open(target, SOCK_NONBLOCK), .wanted = EPOLLOUT};
    sock_expect(bind(one->fd, (const struct sockaddr *)&source->address, source->length) == 0, "bind");
    if (manner->before_connect)
        inspect(index, one->fd, EPOLLOUT, false);
    sock_expect(connect(one->fd, (const struct sockaddr *)&target->address, target->length) == 0 ||
                    errno == EINPROGRESS,
                "connect");
    if (!manner->before_connect)
        inspect(index, one->fd, EPOLLOUT, false);
}

static void speak(struct connection *one, uint32_t events)
{
    const unsigned seed = (unsigned)(one - connections);
    int error = 0;
    socklen_t length = sizeof error;
    ssize_t n = 0;
    if (!one->connected) {
        sock_expect(getsockopt(one->fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error == 0,
                    "SO_ERROR is %d after 0x%x", error, events);
        if (!(events & EPOLLOUT))
            return want(one, one->wanted);
        one->connected = true;
    }
    while (one->sent < ECHO_BYTES && n >= 0) {
        unsigned char text[3000];
        size_t part = 1 + one->sent % sizeof text;
        part = part < ECHO_BYTES - one->sent ? part : ECHO_BYTES - one->sent;
        text_fill(text, part, one->sent, seed);
        n = send(one->fd, text, part, MSG_NOSIGNAL);
        sock_expect(n > 0 || errno == EAGAIN, "send returned %zd", n);
        one->sent += n > 0 ? (size_t)n : 0;
        if (one->sent == ECHO_BYTES)
            sock_expect(shutdown(one->fd, SHUT_WR) == 0, "shutdown");
    }
    for (n = 1; n > 0;) {
        unsigned char text[5000];
        n = recv(one->fd, text, sizeof text, 0);
        sock_expect(n >= 0 || errno == EAGAIN, "recv returned %zd", n);
        if (n == 0) {
            sock_expect(one->received == ECHO_BYTES, "%zu bytes came back", one->received);
            end(one);
            return;
        }
        if (n > 0) {
            text_check(text, (size_t)n, one->received, seed);
            one->received += (size_t)n;
        }
    }
    want(one, EPOLLIN | (one->sent < ECHO_BYTES ? EPOLLOUT : 0U));
}

static void clients(const struct sock_target *target, const struct sock_target *source, int count)
{
    struct ready ready[EVENTS_MAX];
    for (int i = 0; i < count; i++)
        start(target, source);
    while (finished < count) {
        int n = wait_for_events(ready);
        for (int i = 0; i < n; i++)
            if (connections[ready[i].index].fd >= 0)
                speak(&connections[ready[i].index], ready[i].events);
    }
}

int main(int argc, char **argv)
{
    sock_expect(argc >= 6, "expected at least five arguments");
    for (size_t i = 0; i < sizeof manners / sizeof manners[0]; i++)
        if (strcmp(manners[i].name, argv[1]) == 0)
            manner = &manners[i];
    sock_expect(manner != NULL, "no manner is called %s", argv[1]);
    const struct sock_target target = sock_target_parse(argv[4], argv[3]);
    const int count = (int)strtol(argv[5], NULL, 10);
    if (manner->call >= BY_EPOLL)
        epoll = epoll_create1(EPOLL_CLOEXEC);
    if (strcmp(argv[2], "server") == 0) {
        server(&target, count);
    } else {
        const struct sock_target source = sock_target_parse(argv[6], "0");
        clients(&target, &source, count);
    }
    (void)printf("ok\n");
    return 0;
}
