/*
 * What no rule matches is unchanged, under the same calls: UDP on the address of a rule, Unix sockets of all types,
 * pipes, and TCP to an address without a rule. Each receives exactly what it is sent.
 */
#include "../lib/sock.h"

#include <sys/epoll.h>
#include <sys/uio.h>
#include <sys/un.h>

static void expect_message(int fd, const char *text)
{
    char buffer[64];
    struct iovec part = {.iov_base = buffer, .iov_len = sizeof buffer};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    sock_expect(sock_wait(fd, POLLIN) == POLLIN, "readable");
    ssize_t n = recvmsg(fd, &message, 0);
    sock_expect(n == (ssize_t)strlen(text) && memcmp(buffer, text, (size_t)n) == 0, "a message of %zd bytes", n);
}

/* Datagrams by every call, connected and not; each keeps its limits. */
static void datagrams(const struct sock_target *target)
{
    int family = target->address.ss_family;
    int server = socket(family, SOCK_DGRAM, 0), client = socket(family, SOCK_DGRAM, 0), there = -1;
    const struct sockaddr *address = (const struct sockaddr *)&target->address;
    char small[4];
    sock_expect(bind(server, address, target->length) == 0, "bind");
    sock_expect(sendto(client, "PFSMARK: sendto", 15, 0, address, target->length) == 15, "sendto");
    sock_expect(sock_wait(server, POLLIN) == POLLIN && ioctl(server, FIONREAD, &there) == 0 && there == 15,
                "FIONREAD is %d", there);
    expect_message(server, "PFSMARK: sendto");
    sock_expect(connect(client, address, target->length) == 0, "connect");
    sock_expect(write(client, "write", 5) == 5 && send(client, "send", 4, 0) == 4 && send(client, "", 0, 0) == 0,
                "write and send");
    expect_message(server, "write");
    sock_expect(recv(server, small, sizeof small, MSG_PEEK) == 4, "peek");
    sock_expect(recv(server, small, 2, MSG_TRUNC) == 4 && memcmp(small, "se", 2) == 0, "MSG_TRUNC");
    expect_message(server, "");
    struct iovec parts[2] = {{.iov_base = (void *)(uintptr_t) "two ", .iov_len = 4},
                             {.iov_base = (void *)(uintptr_t) "parts", .iov_len = 5}};
    struct mmsghdr many[2] = {{.msg_hdr = {.msg_iov = parts, .msg_iovlen = 2}},
                              {.msg_hdr = {.msg_iov = parts + 1, .msg_iovlen = 1}}};
    sock_expect(sendmmsg(client, many, 2, 0) == 2 && writev(client, parts, 2) == 9, "sendmmsg and writev");
    expect_message(server, "two parts");
    expect_message(server, "parts");
    expect_message(server, "two parts");
    sock_expect(recv(server, small, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN, "nothing more");
    (void)close(server);
    (void)close(client);
}

static void unix_sockets(const struct sock_target *target)
{
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    (void)target;
    for (int i = 0; i < 3; i++) {
        int pair[2], epoll = epoll_create1(0);
        struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.fd = 5};
        sock_expect(socketpair(AF_UNIX, types[i], 0, pair) == 0, "socketpair");
        sock_expect(epoll_ctl(epoll, EPOLL_CTL_ADD, pair[1], &event) == 0, "EPOLL_CTL_ADD");
        sock_expect(write(pair[0], "PFSMARK: unix", 13) == 13, "write");
        sock_expect(epoll_wait(epoll, &event, 1, SOCK_DEADLINE_MS) == 1 && event.data.fd == 5, "epoll_wait");
        expect_message(pair[1], "PFSMARK: unix");
        sock_expect(dprintf(pair[1], "back %d\n", i) == 7, "dprintf");
        expect_message(pair[0], i == 0 ? "back 0\n" : i == 1 ? "back 1\n" : "back 2\n");
        (void)close(pair[0]);
        (void)close(pair[1]);
        (void)close(epoll);
    }
    int ends[2];
    char byte;
    sock_expect(pipe(ends) == 0 && write(ends[1], "p", 1) == 1 && sock_wait(ends[0], POLLIN) == POLLIN &&
                    read(ends[0], &byte, 1) == 1 && byte == 'p' && close(ends[1]) == 0 &&
                    read(ends[0], &byte, 1) == 0,
                "a pipe");
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
    (void)snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "pfswrap-test-%d", getpid());
    sock_expect(bind(listener, (struct sockaddr *)&name, sizeof name) == 0 && listen(listener, 5) == 0 &&
                    connect(client, (struct sockaddr *)&name, sizeof name) == 0,
                "a named Unix socket");
    int server = sock_accept(listener);
    text_send(client, 0, 100000, 5000, 1);
    text_receive(server, 0, 100000, 5000, 1);
    (void)close(client);
    text_expect_end(server);
}

/* TCP between addresses that no rule has: the test captures the wire and finds the text. */
static void without_rule(const struct sock_target *target)
{
    int listener = sock_listen(target), client = sock_connect(target), server = sock_accept(listener);
    for (size_t at = 0; at < 100000; at += 10000) {
        text_send(client, at, 10000, 5000, 1);
        text_receive(server, at, 10000, 5000, 1);
        text_send(server, at, 10000, 5000, 2);
        text_receive(client, at, 10000, 5000, 2);
    }
    (void)close(client);
    text_expect_end(server);
}

static const struct scenario scenarios[] = {
    {"datagrams", NULL, NULL, datagrams},
    {"unix", NULL, NULL, unix_sockets},
    {"without_rule", NULL, NULL, without_rule},
    {0},
};

int main(int argc, char **argv)
{
    return scenario_main(argc, argv, scenarios);
}
