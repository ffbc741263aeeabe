/*
 * Calls that must fail, and connections that come about, end or change in unusual ways. Each part makes its own
 * connections or leaves the pair it was given as it was. Included by sock_differ.c alone.
 */
#ifndef PFSWRAP_TESTS_DIFFER_WRONG_H
#define PFSWRAP_TESTS_DIFFER_WRONG_H

#include "differ.h"

#include <sys/mman.h>
#include <sys/resource.h>

/* Arguments that the kernel refuses without touching the connection. */
static void call_wrongly(const struct end *end)
{
    static struct iovec many[IOV_MAX + 1];
    struct iovec wide[2] = {{.iov_base = "x", .iov_len = SSIZE_MAX}, {.iov_base = "x", .iov_len = 2}};
    char byte = 'x';
    const int fd = end->fd;
    volatile int below_none = -1; /* which the compiler is not to see through */
    struct msghdr message = {.msg_iov = many, .msg_iovlen = IOV_MAX + 1};
    (void)told(writev(fd, many, below_none), "writev of -1");
    (void)told(writev(fd, many, IOV_MAX + 1), "writev of too many");
    (void)told(readv(fd, many, below_none), "readv of -1");
    (void)told(readv(fd, many, IOV_MAX + 1), "readv of too many");
    (void)told(writev(fd, NULL, 0), "writev of none");
    (void)told(readv(fd, NULL, 0), "readv of none");
    (void)told(sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL), "sendmsg of too many");
    (void)told(recvmsg(fd, &message, MSG_DONTWAIT), "recvmsg of too many");
    message = (struct msghdr){.msg_iov = wide, .msg_iovlen = 1, .msg_name = &byte, .msg_namelen = (socklen_t)-1};
    wide[0].iov_len = 1;
    (void)told(recvmsg(fd, &message, MSG_DONTWAIT), "recvmsg with a name of -1 bytes");
    (void)told(sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL), "sendmsg with a name of -1 bytes");
    wide[0].iov_len = (size_t)-1;
    (void)told(writev(fd, wide, 2), "writev of a negative length");
    (void)told(readv(fd, wide, 2), "readv of a negative length");
    message = (struct msghdr){.msg_iov = wide, .msg_iovlen = 2};
    (void)told(sendmsg(fd, &message, MSG_NOSIGNAL), "sendmsg of a negative length");
    (void)told(preadv2(fd, many, 1, 5, 0), "preadv2 at 5");
    (void)told(pwritev2(fd, many, 1, 5, 0), "pwritev2 at 5");
    (void)told(preadv2(fd, many, 1, -1, 0x40000000), "preadv2 with a strange flag");
    (void)told(pwritev2(fd, many, 1, -1, 0x40000000), "pwritev2 with a strange flag");
    (void)told(recv(fd, &byte, 1, MSG_OOB), "recv of urgent data");
    (void)told(recv(fd, &byte, 1, MSG_ERRQUEUE | MSG_DONTWAIT), "recv of errors");
    (void)told(sendmmsg(fd, NULL, 0, 0), "sendmmsg of none");
    (void)told(recvmmsg(fd, NULL, 0, 0, NULL), "recvmmsg of none");
    (void)told(recvmmsg(fd, NULL, 1, 0, &(struct timespec){.tv_nsec = -1}), "recvmmsg with a strange time");
    (void)told(accept4(fd, NULL, NULL, 0x123), "accept4 with a strange flag");
    (void)told(ioctl(fd, TIOCGWINSZ, &message), "TIOCGWINSZ");
}

/* Pointers to nothing: NULL, and addresses that no program has. */
static void point_wrongly(const struct pair *pair, unsigned which)
{
    void *const nowhere[] = {NULL, (void *)8, (void *)-1, (void *)(UINT64_C(1) << 63)};
    const struct end *self = &pair->ends[which];
    void *bad = nowhere[random_below(4)];
    const int fd = self->fd;
    struct iovec piece = {.iov_base = bad, .iov_len = 10};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    (void)told(write(fd, bad, 10), "write from %p", bad);
    (void)told(send(fd, bad, 10, MSG_NOSIGNAL | MSG_DONTWAIT), "send");
    (void)told(writev(fd, &piece, 1), "writev");
    (void)told(writev(fd, bad, 1), "writev of a vector nowhere");
    (void)told(sendmsg(fd, &message, MSG_NOSIGNAL), "sendmsg");
    (void)told(sendmsg(fd, bad, MSG_NOSIGNAL), "sendmsg of a message nowhere");
    (void)told(recv(fd, bad, 10, MSG_DONTWAIT), "recv");
    (void)told(recvmsg(fd, &message, MSG_DONTWAIT), "recvmsg");
    (void)told(recvmsg(fd, bad, MSG_DONTWAIT), "recvmsg of a message nowhere");
    (void)told(readv(fd, bad, 1), "readv of a vector nowhere");
    if (self->waiting > 0)
        (void)told(read(fd, bad, 10), "read");
    (void)told(ioctl(fd, FIONREAD, bad), "FIONREAD");
    (void)told(ioctl(fd, FIONBIO, bad), "FIONBIO");
    (void)told(setsockopt(fd, IPPROTO_TCP, TCP_CORK, bad, 4), "TCP_CORK");
    (void)told(setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, bad, 4), "SO_RCVLOWAT");
    (void)told(getsockopt(fd, SOL_SOCKET, SO_ERROR, bad, &(socklen_t){4}), "SO_ERROR");
    (void)told(getsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, bad, &(socklen_t){4}), "SO_RCVLOWAT");
    (void)told(poll(bad, 1, 0), "poll");
}

/* Numbers that are no open descriptor, of a connection that has just been closed and others. */
static void call_closed(void)
{
    int fds[2];
    connect_two(fds);
    const int other = fds[1], closed = fds[0];
    const int numbers[] = {-1, closed, 1 << 20, INT_MAX, INT_MIN};
    char byte = 'x';
    (void)shutdown(closed, SHUT_WR);
    (void)shutdown(other, SHUT_WR);
    await(closed, POLLRDHUP, "the end");
    await(other, POLLRDHUP, "the end");
    (void)told(close(closed), "close");
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        const int fd = numbers[i];
        struct msghdr message = {0};
        struct pollfd one = {.fd = fd, .events = POLLIN};
        (void)told(read(fd, &byte, 1), "number %zu: read", i);
        (void)told(write(fd, &byte, 1), "write");
        (void)told(send(fd, &byte, 1, 0), "send");
        (void)told(recv(fd, &byte, 1, 0), "recv");
        (void)told(sendmsg(fd, &message, 0), "sendmsg");
        (void)told(recvmsg(fd, &message, 0), "recvmsg");
        (void)told(close(fd), "close");
        (void)told(shutdown(fd, SHUT_RDWR), "shutdown");
        (void)told(dup(fd), "dup");
        (void)told(fcntl(fd, F_GETFL), "F_GETFL");
        (void)told(fcntl(fd, F_SETFD, 0), "F_SETFD");
        (void)told(ioctl(fd, FIONREAD, &byte), "FIONREAD");
        (void)told(listen(fd, 1), "listen");
        (void)told(dial(fd), "connect");
        (void)told(accept(fd, NULL, NULL), "accept");
        const int ready = poll(&one, 1, 0);
        (void)told(ready, "poll %x", one.revents);
    }
    (void)close(other);
}

static int socket_here(int flags)
{
    const int fd = socket(differ_target.address.ss_family, SOCK_STREAM | flags, 0);
    sock_expect(fd >= 0, "socket");
    return fd;
}

/* Calls on a socket that has never been connected. */
static void use_unconnected(void)
{
    const int fd = socket_here(random_chance(50) ? SOCK_NONBLOCK : 0);
    struct sockaddr_storage name = {0};
    socklen_t length = sizeof name;
    char byte = 'x';
    struct pollfd one = {.fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP};
    (void)told(recv(fd, &byte, 1, MSG_DONTWAIT), "unconnected recv");
    (void)told(read(fd, &byte, 1), "read");
    (void)told(send(fd, &byte, 1, MSG_DONTWAIT), "send");
    (void)told(send(fd, &byte, 1, MSG_NOSIGNAL), "send with MSG_NOSIGNAL");
    (void)told(shutdown(fd, (int)random_below(3)), "shutdown");
    (void)told(getpeername(fd, (struct sockaddr *)&name, &length), "getpeername");
    const int named = getsockname(fd, (struct sockaddr *)&name, &length);
    (void)told(named, "getsockname of %u bytes", length);
    (void)told(accept(fd, NULL, NULL), "accept");
    const int ready = poll(&one, 1, 0);
    (void)told(ready, "poll %x", one.revents);
    (void)told(connect(fd, NULL, 0), "connect to no address");
    (void)told(connect(fd, (const struct sockaddr *)&differ_target.address, 1), "connect to a byte");
    (void)told(connect(fd, (const struct sockaddr *)&differ_target.address, 4), "connect to too few");
    (void)told(connect(fd, (const struct sockaddr *)&differ_target.address, 1000), "connect to too many");
    (void)told(connect(fd, NULL, 16), "connect to NULL");
    name.ss_family = AF_UNIX;
    (void)told(connect(fd, (const struct sockaddr *)&name, sizeof name), "connect to AF_UNIX");
    name.ss_family = AF_UNSPEC;
    (void)told(connect(fd, (const struct sockaddr *)&name, sizeof name), "connect to AF_UNSPEC");
    (void)told(close(fd), "close");
}

/* Nobody listens: with and without waiting, and again on the same socket, where then somebody does. */
static void connect_refused(void)
{
    const bool waits = random_chance(50);
    const int fd = socket_here(waits ? 0 : SOCK_NONBLOCK);
    int error = -1;
    socklen_t length = sizeof error;
    for (int i = 0; i < 2; i++) {
        int n = dial(fd);
        (void)told(n, "connect to nobody");
        if (n != 0 && errno == EINPROGRESS) {
            await(fd, POLLOUT, "a refusal");
            struct pollfd one = {.fd = fd, .events = POLLIN | POLLOUT};
            n = poll(&one, 1, 0);
            (void)told(n, "poll %x", one.revents);
            n = getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
            (void)told(n, "SO_ERROR %d", error);
        }
    }
    (void)told(send(fd, "x", 1, MSG_NOSIGNAL), "send after the refusal");
    (void)told(recv(fd, &error, 1, MSG_DONTWAIT), "recv after the refusal");
    const int listener = listener_open(4);
    int n = dial(fd);
    (void)told(n, "connect to somebody");
    if (n != 0 && errno == EINPROGRESS)
        await(fd, POLLOUT, "a connection");
    else if (n != 0) {
        n = dial(fd);
        (void)told(n, "connect once more");
        if (n != 0 && errno == EINPROGRESS)
            await(fd, POLLOUT, "a connection");
    }
    n = getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
    (void)told(n, "SO_ERROR %d", error);
    const int other = accept(listener, NULL, NULL);
    sock_expect(other >= 0, "accept");
    (void)close(listener);
    greet(other, fd);
    two_close(fd, other);
}

/* connect() with arguments it refuses, on a connection: which stays what it was. */
static void connect_wrongly(const struct pair *pair, unsigned which)
{
    const int fd = pair->ends[which].fd;
    struct sockaddr_storage name = differ_target.address;
    (void)told(connect(fd, NULL, 0), "connected: connect to no address");
    (void)told(connect(fd, (const struct sockaddr *)&name, 1), "connect to a byte");
    (void)told(connect(fd, (const struct sockaddr *)&name, 4), "connect to too few");
    (void)told(connect(fd, (const struct sockaddr *)&name, 1000), "connect to too many");
    (void)told(connect(fd, NULL, 16), "connect to NULL");
    name.ss_family = AF_UNIX;
    (void)told(connect(fd, (const struct sockaddr *)&name, sizeof name), "connect to AF_UNIX");
}

/* AF_UNSPEC dissolves the association (connect(2)), and the socket can be connected again. */
static void disconnect(void)
{
    struct sockaddr_storage name = {.ss_family = AF_UNSPEC};
    struct sockaddr_storage peer;
    socklen_t length = sizeof peer;
    int fds[2];
    char byte;
    connect_two(fds);
    sock_set_nonblocking(fds[0], random_chance(50));
    (void)told(connect(fds[0], (const struct sockaddr *)&name, sizeof name), "connect to AF_UNSPEC");
    (void)told(getpeername(fds[0], (struct sockaddr *)&peer, &length), "getpeername");
    (void)told(send(fds[0], "x", 1, MSG_NOSIGNAL), "send");
    (void)told(recv(fds[0], &byte, 1, MSG_DONTWAIT), "recv");
    await(fds[1], POLLRDHUP, "the reset");
    (void)told(recv(fds[1], &byte, 1, 0), "the other end's recv");
    (void)close(fds[1]);
    const int listener = listener_open(4);
    sock_set_nonblocking(fds[0], false);
    (void)told(dial(fds[0]), "connect anew");
    fds[1] = accept(listener, NULL, NULL);
    sock_expect(fds[1] >= 0, "accept");
    (void)close(listener);
    greet(fds[0], fds[1]);
    two_close(fds[0], fds[1]);
}

/* SO_LINGER with a time of zero: data, then a reset, told once. */
static void reset(void)
{
    const struct linger at_once = {.l_onoff = 1};
    struct pollfd one = {.events = POLLIN | POLLOUT | POLLRDHUP};
    int fds[2], error = -1;
    socklen_t length = sizeof error;
    char bytes[64];
    connect_two(fds);
    const size_t size = random_below(20);
    sock_expect(size == 0 || send(fds[0], "12345678901234567890", size, 0) == (ssize_t)size, "send");
    await_waiting(&(struct end){.fd = fds[1], .waiting = size});
    sock_expect(setsockopt(fds[0], SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0, "SO_LINGER");
    (void)told(close(fds[0]), "close with a reset");
    await(fds[1], POLLERR, "the reset");
    one.fd = fds[1];
    int n = poll(&one, 1, 0);
    (void)told(n, "poll %x", one.revents);
    if (random_chance(30)) {
        n = getsockopt(fds[1], SOL_SOCKET, SO_ERROR, &error, &length);
        (void)told(n, "SO_ERROR %d", error);
    } else if (random_chance(50)) {
        (void)told(send(fds[1], "x", 1, MSG_NOSIGNAL), "send");
    }
    /* Once the reset has been told, by whichever call, bare TCP goes on with an end; a sealed one has none. */
    for (int i = 0; i < 4; i++) {
        const ssize_t got = recv(fds[1], bytes, 15, 0);
        if (got > 0)
            (void)told(got, "recv");
        else if (got < 0 && errno != ECONNRESET)
            sock_fail("recv after a reset");
    }
    (void)printf("recv: nothing more\n");
    (void)told(send(fds[1], "x", 1, 0), "send");
    (void)told(send(fds[1], "x", 1, 0), "send");
    (void)told(shutdown(fds[1], SHUT_WR), "shutdown");
    (void)told(close(fds[1]), "close");
}

/* No descriptor is left for what is to be accepted. */
static void accept_without_room(void)
{
    struct rlimit before, few;
    const int listener = listener_open(4), fd = socket_here(0);
    char byte = 'x';
    sock_expect(getrlimit(RLIMIT_NOFILE, &before) == 0 && dial(fd) == 0, "connect");
    const int next = dup(0);
    few = before;
    few.rlim_cur = (rlim_t)next;
    (void)close(next);
    sock_expect(setrlimit(RLIMIT_NOFILE, &few) == 0, "setrlimit");
    (void)told(accept(listener, NULL, NULL), "accept without room");
    (void)told(socket(AF_INET, SOCK_STREAM, 0), "socket without room");
    (void)told(dup(fd), "dup without room");
    (void)told(send(fd, &byte, 1, 0), "send without room");
    sock_expect(setrlimit(RLIMIT_NOFILE, &before) == 0, "setrlimit");
    const int other = accept(listener, NULL, NULL);
    (void)told(other - next, "accept with room");
    await(other, POLLIN, "a byte");
    (void)told(recv(other, &byte, 1, 0), "recv");
    (void)close(listener);
    two_close(fd, other);
}

/* An end that is closed with everything taken: the other reads the end, sends into nothing, and closes. */
static void close_in_order(void)
{
    int fds[2];
    char bytes[32];
    connect_two(fds);
    const size_t size = random_below(20);
    sock_expect(size == 0 || send(fds[0], "12345678901234567890", size, 0) == (ssize_t)size, "send");
    (void)told(close(fds[0]), "close");
    await(fds[1], POLLRDHUP, "the end");
    for (int i = 0; i < 4; i++)
        (void)told(recv(fds[1], bytes, 8, i == 2 ? MSG_WAITALL : 0), "recv");
    (void)told(recv(fds[1], bytes, 0, 0), "recv of nothing");
    struct pollfd one = {.fd = fds[1], .events = POLLIN | POLLOUT | POLLRDHUP};
    const int n = poll(&one, 1, 0);
    (void)told(n, "poll %x", one.revents);
    (void)told(shutdown(fds[1], SHUT_RD), "shutdown for reading");
    (void)told(close(fds[1]), "close");
}

#endif
