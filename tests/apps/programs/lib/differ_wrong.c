#include "differ_wrong.h"

#include <limits.h>
#include <sys/resource.h>
#include <sys/uio.h>

void call_wrongly(const struct end *end)
{
    static struct iovec many[IOV_MAX + 1];
    struct iovec wide[2] = {{.iov_base = "x", .iov_len = SSIZE_MAX}, {.iov_base = "x", .iov_len = 2}};
    char byte = 'x';
    const int fd = end->fd;
    volatile int below_none = -1; /* volatile: the compiler must not evaluate it */
    struct msghdr message = {.msg_iov = many, .msg_iovlen = IOV_MAX + 1};
    (void)traced(writev(fd, many, below_none), "writev of -1");
    (void)traced(writev(fd, many, IOV_MAX + 1), "writev of too many");
    (void)traced(readv(fd, many, below_none), "readv of -1");
    (void)traced(readv(fd, many, IOV_MAX + 1), "readv of too many");
    (void)traced(writev(fd, NULL, 0), "writev of none");
    (void)traced(readv(fd, NULL, 0), "readv of none");
    (void)traced(sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL), "sendmsg of too many");
    (void)traced(recvmsg(fd, &message, MSG_DONTWAIT), "recvmsg of too many");
    message = (struct msghdr){.msg_iov = wide, .msg_iovlen = 1, .msg_name = &byte, .msg_namelen = (socklen_t)-1};
    wide[0].iov_len = 1;
    (void)traced(recvmsg(fd, &message, MSG_DONTWAIT), "recvmsg with a name of -1 bytes");
    (void)traced(sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL), "sendmsg with a name of -1 bytes");
    wide[0].iov_len = (size_t)-1;
    (void)traced(writev(fd, wide, 2), "writev of a negative length");
    (void)traced(readv(fd, wide, 2), "readv of a negative length");
    message = (struct msghdr){.msg_iov = wide, .msg_iovlen = 2};
    (void)traced(sendmsg(fd, &message, MSG_NOSIGNAL), "sendmsg of a negative length");
    (void)traced(preadv2(fd, many, 1, 5, 0), "preadv2 at 5");
    (void)traced(pwritev2(fd, many, 1, 5, 0), "pwritev2 at 5");
    (void)traced(preadv2(fd, many, 1, -1, 0x40000000), "preadv2 with a strange flag");
    (void)traced(pwritev2(fd, many, 1, -1, 0x40000000), "pwritev2 with a strange flag");
    (void)traced(recv(fd, &byte, 1, MSG_OOB), "recv of urgent data");
    (void)traced(recv(fd, &byte, 1, MSG_ERRQUEUE | MSG_DONTWAIT), "recv of errors");
    (void)traced(sendmmsg(fd, NULL, 0, 0), "sendmmsg of none");
    (void)traced(recvmmsg(fd, NULL, 0, 0, NULL), "recvmmsg of none");
#ifdef __GLIBC__ /* musl writes to the messages first, and crashes */
    (void)traced(recvmmsg(fd, NULL, 1, 0, &(struct timespec){.tv_nsec = -1}), "recvmmsg with a strange time");
#endif
    (void)traced(accept4(fd, NULL, NULL, 0x123), "accept4 with a strange flag");
    (void)traced(ioctl(fd, TIOCGWINSZ, &message), "TIOCGWINSZ");
}

void point_wrongly(const struct pair *pair, unsigned which)
{
    void *const nowhere[] = {NULL, (void *)8, (void *)-1, (void *)(UINT64_C(1) << 63)};
    const struct end *self = &pair->ends[which];
    void *bad = nowhere[random_below(sizeof(void *) == 8 ? 4 : 2)]; /* with 32 bits, all belongs to the program */
    const int fd = self->fd;
    struct iovec piece = {.iov_base = bad, .iov_len = 10};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    (void)traced(write(fd, bad, 10), "write from %p", bad);
    (void)traced(send(fd, bad, 10, MSG_NOSIGNAL | MSG_DONTWAIT), "send");
    (void)traced(writev(fd, &piece, 1), "writev");
    (void)traced(writev(fd, bad, 1), "writev of a vector nowhere");
    (void)traced(sendmsg(fd, &message, MSG_NOSIGNAL), "sendmsg");
#ifdef __GLIBC__ /* musl copies the message, and crashes */
    (void)traced(sendmsg(fd, bad, MSG_NOSIGNAL), "sendmsg of a message nowhere");
#endif
    (void)traced(recv(fd, bad, 10, MSG_DONTWAIT), "recv");
    (void)traced(recvmsg(fd, &message, MSG_DONTWAIT), "recvmsg");
#ifdef __GLIBC__
    (void)traced(recvmsg(fd, bad, MSG_DONTWAIT), "recvmsg of a message nowhere");
#endif
    (void)traced(readv(fd, bad, 1), "readv of a vector nowhere");
    if (self->waiting > 0)
        (void)traced(read(fd, bad, 10), "read");
    (void)traced(ioctl(fd, FIONREAD, bad), "FIONREAD");
    (void)traced(ioctl(fd, FIONBIO, bad), "FIONBIO");
    (void)traced(setsockopt(fd, IPPROTO_TCP, TCP_CORK, bad, 4), "TCP_CORK");
    (void)traced(setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, bad, 4), "SO_RCVLOWAT");
    (void)traced(getsockopt(fd, SOL_SOCKET, SO_ERROR, bad, &(socklen_t){4}), "SO_ERROR");
    (void)traced(getsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, bad, &(socklen_t){4}), "SO_RCVLOWAT");
    (void)traced(poll(bad, 1, 0), "poll");
}

void story_call_closed(void)
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
    (void)traced(close(closed), "close");
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        const int fd = numbers[i];
        struct msghdr message = {0};
        struct pollfd one = {.fd = fd, .events = POLLIN};
        (void)traced(read(fd, &byte, 1), "number %zu: read", i);
        (void)traced(write(fd, &byte, 1), "write");
        (void)traced(send(fd, &byte, 1, 0), "send");
        (void)traced(recv(fd, &byte, 1, 0), "recv");
        (void)traced(sendmsg(fd, &message, 0), "sendmsg");
        (void)traced(recvmsg(fd, &message, 0), "recvmsg");
        (void)traced(close(fd), "close");
        (void)traced(shutdown(fd, SHUT_RDWR), "shutdown");
        (void)traced(dup(fd), "dup");
        (void)traced(fcntl(fd, F_GETFL), "F_GETFL");
        (void)traced(fcntl(fd, F_SETFD, 0), "F_SETFD");
        (void)traced(ioctl(fd, FIONREAD, &byte), "FIONREAD");
        (void)traced(listen(fd, 1), "listen");
        (void)traced(dial(fd), "connect");
        (void)traced(accept(fd, NULL, NULL), "accept");
        const int ready = poll(&one, 1, 0);
        (void)traced(ready, "poll %x", one.revents);
    }
    (void)close(other);
}

static int socket_here(int flags)
{
    const int fd = socket(differ_target.address.ss_family, SOCK_STREAM | flags, 0);
    sock_expect(fd >= 0, "socket");
    return fd;
}

void story_use_unconnected(void)
{
    const int fd = socket_here(random_chance(50) ? SOCK_NONBLOCK : 0);
    struct sockaddr_storage name = {0};
    socklen_t length = sizeof name;
    char byte = 'x';
    struct pollfd one = {.fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP};
    (void)traced(recv(fd, &byte, 1, MSG_DONTWAIT), "unconnected recv");
    (void)traced(read(fd, &byte, 1), "read");
    (void)traced(send(fd, &byte, 1, MSG_DONTWAIT), "send");
    (void)traced(send(fd, &byte, 1, MSG_NOSIGNAL), "send with MSG_NOSIGNAL");
    (void)traced(shutdown(fd, (int)random_below(3)), "shutdown");
    (void)traced(getpeername(fd, (struct sockaddr *)&name, &length), "getpeername");
    const int named = getsockname(fd, (struct sockaddr *)&name, &length);
    (void)traced(named, "getsockname of %u bytes", length);
    (void)traced(accept(fd, NULL, NULL), "accept");
    const int ready = poll(&one, 1, 0);
    (void)traced(ready, "poll %x", one.revents);
    (void)traced(connect(fd, NULL, 0), "connect to no address");
    (void)traced(connect(fd, (const struct sockaddr *)&differ_target.address, 1), "connect to a byte");
    (void)traced(connect(fd, (const struct sockaddr *)&differ_target.address, 4), "connect to too few");
    (void)traced(connect(fd, (const struct sockaddr *)&differ_target.address, 1000), "connect to too many");
    (void)traced(connect(fd, NULL, 16), "connect to NULL");
    name.ss_family = AF_UNIX;
    (void)traced(connect(fd, (const struct sockaddr *)&name, sizeof name), "connect to AF_UNIX");
    name.ss_family = AF_UNSPEC;
    (void)traced(connect(fd, (const struct sockaddr *)&name, sizeof name), "connect to AF_UNSPEC");
    (void)traced(close(fd), "close");
}

void story_connect_refused(void)
{
    const bool waits = random_chance(50);
    const int fd = socket_here(waits ? 0 : SOCK_NONBLOCK);
    int error = -1;
    socklen_t length = sizeof error;
    for (int i = 0; i < 2; i++) {
        int n = dial(fd);
        (void)traced(n, "connect without a listener");
        if (n != 0 && errno == EINPROGRESS) {
            await(fd, POLLOUT, "a refusal");
            struct pollfd one = {.fd = fd, .events = POLLIN | POLLOUT};
            n = poll(&one, 1, 0);
            (void)traced(n, "poll %x", one.revents);
            n = getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
            (void)traced(n, "SO_ERROR %d", error);
        }
    }
    (void)traced(send(fd, "x", 1, MSG_NOSIGNAL), "send after the refusal");
    (void)traced(recv(fd, &error, 1, MSG_DONTWAIT), "recv after the refusal");
    const int listener = listener_open(4);
    int n = dial(fd);
    (void)traced(n, "connect to a listener");
    if (n != 0 && errno == EINPROGRESS)
        await(fd, POLLOUT, "a connection");
    else if (n != 0) {
        n = dial(fd);
        (void)traced(n, "connect once more");
        if (n != 0 && errno == EINPROGRESS)
            await(fd, POLLOUT, "a connection");
    }
    n = getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
    (void)traced(n, "SO_ERROR %d", error);
    const int other = accept(listener, NULL, NULL);
    sock_expect(other >= 0, "accept");
    (void)close(listener);
    greet(other, fd);
    two_close(fd, other);
}

void connect_wrongly(const struct pair *pair, unsigned which)
{
    const int fd = pair->ends[which].fd;
    struct sockaddr_storage name = differ_target.address;
    (void)traced(connect(fd, NULL, 0), "connected: connect to no address");
    (void)traced(connect(fd, (const struct sockaddr *)&name, 1), "connect to a byte");
    (void)traced(connect(fd, (const struct sockaddr *)&name, 4), "connect to too few");
    (void)traced(connect(fd, (const struct sockaddr *)&name, 1000), "connect to too many");
    (void)traced(connect(fd, NULL, 16), "connect to NULL");
    name.ss_family = AF_UNIX;
    (void)traced(connect(fd, (const struct sockaddr *)&name, sizeof name), "connect to AF_UNIX");
}

void story_disconnect(void)
{
    struct sockaddr_storage name = {.ss_family = AF_UNSPEC};
    struct sockaddr_storage peer;
    socklen_t length = sizeof peer;
    int fds[2];
    char byte;
    connect_two(fds);
    sock_set_nonblocking(fds[0], random_chance(50));
    (void)traced(connect(fds[0], (const struct sockaddr *)&name, sizeof name), "connect to AF_UNSPEC");
    (void)traced(getpeername(fds[0], (struct sockaddr *)&peer, &length), "getpeername");
    (void)traced(send(fds[0], "x", 1, MSG_NOSIGNAL), "send");
    (void)traced(recv(fds[0], &byte, 1, MSG_DONTWAIT), "recv");
    await(fds[1], POLLRDHUP, "the reset");
    (void)traced(recv(fds[1], &byte, 1, 0), "the other end's recv");
    (void)close(fds[1]);
    const int listener = listener_open(4);
    sock_set_nonblocking(fds[0], false);
    (void)traced(dial(fds[0]), "connect anew");
    fds[1] = accept(listener, NULL, NULL);
    sock_expect(fds[1] >= 0, "accept");
    (void)close(listener);
    greet(fds[0], fds[1]);
    two_close(fds[0], fds[1]);
}

void story_reset(void)
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
    (void)traced(close(fds[0]), "close with a reset");
    await(fds[1], POLLERR, "the reset");
    one.fd = fds[1];
    int n = poll(&one, 1, 0);
    (void)traced(n, "poll %x", one.revents);
    if (random_chance(30)) {
        n = getsockopt(fds[1], SOL_SOCKET, SO_ERROR, &error, &length);
        (void)traced(n, "SO_ERROR %d", error);
    } else if (random_chance(50)) {
        (void)traced(send(fds[1], "x", 1, MSG_NOSIGNAL), "send");
    }
    /* Once any call has reported the reset, bare TCP reports an end of the stream; a sealed stream has none. */
    for (int i = 0; i < 4; i++) {
        const ssize_t got = recv(fds[1], bytes, 15, 0);
        if (got > 0)
            (void)traced(got, "recv");
        else if (got < 0 && errno != ECONNRESET)
            sock_fail("recv after a reset");
    }
    (void)printf("recv: nothing more\n");
    (void)traced(send(fds[1], "x", 1, 0), "send");
    (void)traced(send(fds[1], "x", 1, 0), "send");
    (void)traced(shutdown(fds[1], SHUT_WR), "shutdown");
    (void)traced(close(fds[1]), "close");
}

void story_accept_without_room(void)
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
    (void)traced(accept(listener, NULL, NULL), "accept without room");
    (void)traced(socket(AF_INET, SOCK_STREAM, 0), "socket without room");
    (void)traced(dup(fd), "dup without room");
    (void)traced(send(fd, &byte, 1, 0), "send without room");
    sock_expect(setrlimit(RLIMIT_NOFILE, &before) == 0, "setrlimit");
    const int other = accept(listener, NULL, NULL);
    (void)traced(other - next, "accept with room");
    await(other, POLLIN, "a byte");
    (void)traced(recv(other, &byte, 1, 0), "recv");
    (void)close(listener);
    two_close(fd, other);
}

void story_close_in_order(void)
{
    int fds[2];
    char bytes[32];
    connect_two(fds);
    const size_t size = random_below(20);
    sock_expect(size == 0 || send(fds[0], "12345678901234567890", size, 0) == (ssize_t)size, "send");
    (void)traced(close(fds[0]), "close");
    await(fds[1], POLLRDHUP, "the end");
    for (int i = 0; i < 4; i++)
        (void)traced(recv(fds[1], bytes, 8, i == 2 ? MSG_WAITALL : 0), "recv");
    (void)traced(recv(fds[1], bytes, 0, 0), "recv of nothing");
    struct pollfd one = {.fd = fds[1], .events = POLLIN | POLLOUT | POLLRDHUP};
    const int n = poll(&one, 1, 0);
    (void)traced(n, "poll %x", one.revents);
    (void)traced(shutdown(fds[1], SHUT_RD), "shutdown for reading");
    (void)traced(close(fds[1]), "close");
}
