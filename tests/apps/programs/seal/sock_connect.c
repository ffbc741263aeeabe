/*
 * How connections begin: non-blocking connect, refused, accepted in all ways; options and names before the first
 * byte; TCP Fast Open, which connects and sends in one call.
 */
#include "../lib/connecting.h"
#include "../lib/sock.h"

#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/uio.h>

/* connect, EINPROGRESS, POLLOUT, SO_ERROR, write: as every event library does it. */
static void nonblocking_client(void)
{
    int fd = connecting_start(&sock_target_global);
    sock_expect(sock_wait(fd, POLLOUT) == POLLOUT, "expected POLLOUT");
    sock_expect(connecting_error(fd) == 0, "SO_ERROR of a connection that is there");
    /* Linux returns 0 for the second connect, and EISCONN from then on. */
    const struct sockaddr *address = (const struct sockaddr *)&sock_target_global.address;
    for (int again = 0; again < 2; again++) {
        int result = connect(fd, address, sock_target_global.length);
        sock_expect((result == 0 && again == 0) || (result == -1 && errno == EISCONN), "connect again: %d", result);
    }
    static unsigned char text[100];
    text_fill(text, sizeof text, 0, 1);
    sock_expect(write(fd, text, sizeof text) == sizeof text, "the first write after POLLOUT");
    (void)sock_wait(fd, POLLIN);
    text_receive(fd, 0, 100, 100, 2);
    side_send(0);
}

static void nonblocking(const struct sock_target *target)
{
    int side[2], listener = sock_listen(target);
    sock_expect(socketpair(AF_UNIX, SOCK_STREAM, 0, side) == 0, "socketpair");
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)close(listener);
        sock_side = side[1];
        nonblocking_client();
        exit(0);
    }
    sock_side = side[0];
    /* A non-blocking listener and a non-blocking connection from accept4. */
    sock_set_nonblocking(listener, true);
    (void)sock_wait(listener, POLLIN);
    struct sockaddr_storage from;
    socklen_t size = sizeof from;
    int fd = accept4(listener, (struct sockaddr *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    sock_expect(fd >= 0 && size == target->length && from.ss_family == target->address.ss_family, "accept4");
    sock_expect(fcntl(fd, F_GETFL) & O_NONBLOCK && fcntl(fd, F_GETFD) & FD_CLOEXEC, "accept4's flags");
    sock_expect(accept(listener, NULL, NULL) == -1 && errno == EAGAIN, "accept of nothing: expected EAGAIN");
    static unsigned char text[100];
    (void)sock_wait(fd, POLLIN);
    text_receive(fd, 0, 100, 100, 1);
    text_fill(text, sizeof text, 0, 2);
    sock_expect(write(fd, text, sizeof text) == sizeof text, "write");
    (void)side_receive();
    sock_expect(sock_reap(pid) == 0, "the client");
    (void)sock_wait(fd, POLLIN);
    text_expect_end(fd);
}

/*
 * The same with a level-triggered epoll for both ends in one thread: no call blocks, whichever end has to send
 * first.
 */
static void one_loop(const struct sock_target *target)
{
    enum { PAIRS = 8, SIZE = 5000 };
    int listener = sock_listen(target), accepted = 0, done = 0, epoll = epoll_create1(0);
    struct {
        int fd;
        bool client;
        size_t sent, received;
    } side[2 * PAIRS];
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 1000};
    sock_set_nonblocking(listener, true);
    sock_expect(epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) == 0, "EPOLL_CTL_ADD");
    for (unsigned i = 0; i < PAIRS; i++) {
        side[i].fd = connecting_start(target);
        side[i].client = true;
        side[i].sent = side[i].received = 0;
        event = (struct epoll_event){.events = EPOLLIN | EPOLLOUT, .data.u64 = i};
        sock_expect(epoll_ctl(epoll, EPOLL_CTL_ADD, side[i].fd, &event) == 0, "EPOLL_CTL_ADD");
    }
    while (done < 2 * PAIRS) {
        sock_expect(epoll_wait(epoll, &event, 1, SOCK_DEADLINE_MS) == 1, "epoll_wait with %d of %d done", done,
                    2 * PAIRS);
        unsigned i = (unsigned)event.data.u64;
        static unsigned char buffer[SIZE];
        if (i == 1000) {
            i = PAIRS + (unsigned)accepted++;
            side[i].fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
            sock_expect(side[i].fd >= 0, "accept4");
            side[i].client = false;
            side[i].sent = side[i].received = 0;
            event = (struct epoll_event){.events = EPOLLIN | EPOLLOUT, .data.u64 = i};
            sock_expect(epoll_ctl(epoll, EPOLL_CTL_ADD, side[i].fd, &event) == 0, "EPOLL_CTL_ADD");
            continue;
        }
        unsigned mine = side[i].client ? 1 : 2;
        if (event.events & EPOLLOUT && side[i].sent < SIZE) {
            text_fill(buffer, SIZE - side[i].sent, side[i].sent, mine);
            ssize_t n = send(side[i].fd, buffer, SIZE - side[i].sent, 0);
            sock_expect(n > 0, "writable, and send returned %zd", n);
            side[i].sent += (size_t)n;
            if (side[i].sent == SIZE) {
                struct epoll_event less = {.events = EPOLLIN, .data.u64 = i};
                sock_expect(epoll_ctl(epoll, EPOLL_CTL_MOD, side[i].fd, &less) == 0, "EPOLL_CTL_MOD");
            }
        }
        if (event.events & EPOLLIN) {
            ssize_t n = recv(side[i].fd, buffer, 700, 0);
            sock_expect(n > 0, "readable, and recv returned %zd", n);
            text_check(buffer, (size_t)n, side[i].received, 3 - mine);
            side[i].received += (size_t)n;
            done += side[i].received == SIZE;
        }
    }
}

/* Nothing listens: the program gets the kernel's own errors, for blocking and non-blocking connects. */
static void refused(const struct sock_target *target)
{
    int fd = sock_open(target, 0);
    sock_expect(connect(fd, (const struct sockaddr *)&target->address, target->length) == -1 &&
                    errno == ECONNREFUSED,
                "connect: expected ECONNREFUSED");
    (void)close(fd);
    fd = connecting_start(target);
    (void)sock_wait(fd, POLLOUT);
    sock_expect(connecting_error(fd) == ECONNREFUSED && connecting_error(fd) == 0,
                "SO_ERROR: expected ECONNREFUSED, once");
    int unconnected = sock_open(target, 0);
    char byte = 'x';
    sock_expect(send(unconnected, &byte, 1, MSG_NOSIGNAL) == -1 && (errno == EPIPE || errno == ENOTCONN),
                "send without a connection");
    sock_expect(recv(unconnected, &byte, 1, 0) == -1 && errno == ENOTCONN, "recv without a connection");
    /* A socket whose connect failed may connect again once something listens. */
    int listener = sock_listen(target);
    sock_expect(connect(unconnected, (const struct sockaddr *)&target->address, target->length) == 0, "connect");
    int server = sock_accept(listener);
    text_send(unconnected, 0, 50, 50, 1);
    text_receive(server, 0, 50, 50, 1);
    text_send(server, 0, 50, 50, 2);
    text_receive(unconnected, 0, 50, 50, 2);
}

/* What a program asks about a connection before it uses it: the answers are those of TCP. */
static void questions(const struct sock_target *target)
{
    int listener = sock_listen(target), client = sock_connect(target), server = sock_accept(listener);
    struct sockaddr_storage name, peer;
    socklen_t name_size = sizeof name, peer_size = sizeof peer;
    sock_expect(getsockname(client, (struct sockaddr *)&name, &name_size) == 0, "getsockname");
    sock_expect(getpeername(server, (struct sockaddr *)&peer, &peer_size) == 0, "getpeername");
    sock_expect(name_size == peer_size && memcmp(&name, &peer, name_size) == 0, "one's name is the other's peer");
    int value = 0;
    socklen_t size = sizeof value;
    sock_expect(getsockopt(client, SOL_SOCKET, SO_TYPE, &value, &size) == 0 && value == SOCK_STREAM, "SO_TYPE");
    sock_expect(getsockopt(client, SOL_SOCKET, SO_ACCEPTCONN, &value, &size) == 0 && value == 0, "SO_ACCEPTCONN");
    sock_expect(connecting_error(client) == 0 && connecting_error(server) == 0, "SO_ERROR");
    struct tcp_info info;
    size = sizeof info;
    sock_expect(getsockopt(client, IPPROTO_TCP, TCP_INFO, &info, &size) == 0, "TCP_INFO");
    int on = 1;
    sock_expect(setsockopt(client, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on) == 0, "SO_KEEPALIVE");
    sock_expect(sock_ready(server, POLLIN) == 0, "readable before anything was sent");
    sock_expect(ioctl(server, FIONREAD, &value) == 0 && value == 0, "FIONREAD before anything was sent: %d", value);
    char byte;
    sock_expect(recv(server, &byte, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN, "recv: expected EAGAIN");
    sock_expect(recv(client, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == -1 && errno == EAGAIN, "peek: expected EAGAIN");
    text_send(client, 0, 100, 100, 1);
    text_receive(server, 0, 100, 100, 1);
    (void)shutdown(client, SHUT_RDWR);
    text_expect_end(server);
}

/* The ways to connect and send in one call. */
enum fast_way { SENDTO, DEFERRED, SENDMSG, SENDMMSG, SENDTO_BY_NUMBER, SENDMMSG_BY_NUMBER, FAST_WAYS };

/* Returns the call's result. A non-blocking socket may still be connecting. */
static ssize_t send_fast(int fd, const struct sock_target *target, void *text, size_t size, enum fast_way way)
{
    const struct sockaddr *address = (const struct sockaddr *)&target->address;
    struct iovec part = {.iov_base = text, .iov_len = size};
    struct mmsghdr messages = {.msg_hdr = {.msg_name = (void *)(uintptr_t)address,
                                           .msg_namelen = target->length,
                                           .msg_iov = &part,
                                           .msg_iovlen = 1}};
    long n = -1;
    int on = 1;
    switch (way) {
    case SENDTO:
        return sendto(fd, text, size, MSG_FASTOPEN, address, target->length);
    case DEFERRED:
        sock_expect(setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof on) == 0, "setsockopt");
        sock_expect(connect(fd, address, target->length) == 0, "connect");
        return write(fd, text, size);
    case SENDMSG:
        sock_set_nonblocking(fd, true);
        n = sendmsg(fd, &messages.msg_hdr, MSG_FASTOPEN);
        return n < 0 && (errno == EINPROGRESS || errno == EAGAIN) ? 0 : n;
    case SENDMMSG:
        n = sendmmsg(fd, &messages, 1, MSG_FASTOPEN);
        break;
    case SENDTO_BY_NUMBER:
        return syscall(SYS_sendto, fd, text, size, MSG_FASTOPEN, address, target->length);
    case SENDMMSG_BY_NUMBER:
        n = syscall(SYS_sendmmsg, fd, &messages, 1, MSG_FASTOPEN);
        break;
    case FAST_WAYS:
        break;
    }
    return n == 1 ? (ssize_t)messages.msg_len : -1;
}

/* MSG_FASTOPEN connects and sends in one call, TCP_FASTOPEN_CONNECT defers the connect to the first write. */
static void fast_open(const struct sock_target *target)
{
    int listener = sock_listen(target);
    static unsigned char text[1000];
    text_fill(text, sizeof text, 0, 1);
    for (int way = 0; way < FAST_WAYS; way++) {
        int client = sock_open(target, 0);
        ssize_t n = send_fast(client, target, text, sizeof text, (enum fast_way)way);
        sock_expect(n >= 0, "fast open, way %d: %zd", way, n);
        int server = sock_accept(listener);
        sock_set_nonblocking(client, false);
        text_send(client, (uint64_t)n, sizeof text - (size_t)n, sizeof text, 1);
        text_receive(server, 0, sizeof text, 300, 1);
        text_send(server, 0, 500, 500, 2);
        text_receive(client, 0, 500, 500, 2);
        (void)close(client);
        text_expect_end(server);
        (void)close(server);
    }
}

/* Duplicates the socket in one of the ways. Returns the new descriptor. */
static int another(int fd, int way)
{
    switch (way) {
    case 0:
        return dup(fd);
    case 1:
        return dup2(fd, 77);
    case 2:
        return fcntl(fd, F_DUPFD_CLOEXEC, 50);
    case 3:
        return (int)syscall(SYS_dup, fd);
    case 4:
        return (int)syscall(SYS_fcntl, fd, F_DUPFD, 60);
    default:
        return -1;
    }
}

/* Duplicates and streams that the program makes of a socket before it connects it belong to the connection. */
static void duplicated(const struct sock_target *target)
{
    int listener = sock_listen(target);
    for (int way = 0; way < 10; way++) {
        int fd = sock_open(target, way % 3 == 0 ? SOCK_NONBLOCK : 0), copy = another(fd, way % 5);
        sock_expect(copy > fd, "way %d of another number", way % 5);
        const int connected = way < 5 ? fd : copy, other = way < 5 ? copy : fd;
        const int result = connect(connected, (const struct sockaddr *)&target->address, target->length);
        sock_expect(result == 0 || errno == EINPROGRESS, "connect");
        int server = sock_accept(listener);
        sock_expect((sock_wait(other, POLLOUT) & POLLOUT) != 0, "writable");
        sock_set_nonblocking(fd, false);
        sock_expect((fcntl(copy, F_GETFD) & FD_CLOEXEC) == (way % 5 == 2 ? FD_CLOEXEC : 0), "close-on-exec");
        text_send(other, 0, 500, 500, 1);
        text_receive(server, 0, 500, 500, 1);
        text_send(server, 0, 500, 500, 2);
        text_receive(connected, 0, 500, 500, 2);
        (void)close(connected);
        text_send(other, 500, 500, 500, 1);
        text_receive(server, 500, 500, 500, 1);
        (void)close(other);
        text_expect_end(server);
        (void)close(server);
    }
    for (int way = 0; way < 2; way++) {
        static char text[128];
        int fd = sock_open(target, 0);
        FILE *stream = fdopen(way == 0 ? fd : dup(fd), "w");
        text_fill(text, sizeof text - 1, 0, 1);
        sock_expect(stream && connect(fd, (const struct sockaddr *)&target->address, target->length) == 0,
                    "connect");
        sock_expect(fputs(text, stream) >= 0 && fflush(stream) == 0, "fputs");
        int server = sock_accept(listener);
        text_receive(server, 0, sizeof text - 1, sizeof text, 1);
        sock_expect(fclose(stream) == 0 && (way == 0 || close(fd) == 0), "fclose");
        text_expect_end(server);
        (void)close(server);
    }
}

/* Connects `fd` to `text`, an address with the target's port, and sends a byte to the end that accepted it. */
static void say_to(const struct sock_target *target, int fd, const char *text, int listener)
{
    struct sock_target other = {0};
    const uint16_t port = ((const struct sockaddr_in *)&target->address)->sin_port;
    struct sockaddr_in *four = (struct sockaddr_in *)&other.address;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&other.address;
    const bool is_six = strchr(text, ':') != NULL;
    other.length = is_six ? sizeof *six : sizeof *four;
    other.address.ss_family = is_six ? AF_INET6 : AF_INET;
    *(is_six ? &six->sin6_port : &four->sin_port) = port;
    sock_expect(inet_pton(is_six ? AF_INET6 : AF_INET, text,
                          is_six ? (void *)&six->sin6_addr : (void *)&four->sin_addr) == 1,
                "%s", text);
    sock_expect(connect(fd, (const struct sockaddr *)&other.address, other.length) == 0, "connect to %s", text);
    int server = sock_accept(listener);
    text_send(fd, 0, 500, 500, 1);
    text_receive(server, 0, 500, 500, 1);
    (void)close(fd);
    text_expect_end(server);
    (void)close(server);
}

/*
 * The unspecified address is this host: for a socket that is not bound, and for one that is bound to its own
 * address.
 */
static void unspecified(const struct sock_target *target)
{
    struct sock_target six = {.length = sizeof(struct sockaddr_in6)}, own = *target;
    struct sockaddr_in6 *loopback = (struct sockaddr_in6 *)&six.address;
    *loopback = (struct sockaddr_in6){.sin6_family = AF_INET6,
                                      .sin6_port = ((const struct sockaddr_in *)&target->address)->sin_port,
                                      .sin6_addr = in6addr_loopback};
    ((struct sockaddr_in *)&own.address)->sin_port = 0;
    int listener = sock_listen(target), listener_6 = sock_listen(&six);
    say_to(target, socket(AF_INET, SOCK_STREAM, 0), "0.0.0.0", listener);
    say_to(target, socket(AF_INET6, SOCK_STREAM, 0), "::", listener_6);
    say_to(target, socket(AF_INET6, SOCK_STREAM, 0), "::ffff:0.0.0.0", listener);
    int bound = socket(AF_INET, SOCK_STREAM, 0);
    sock_expect(bind(bound, (const struct sockaddr *)&own.address, own.length) == 0, "bind");
    say_to(target, bound, "0.0.0.0", listener);
}

static const struct scenario scenarios[] = {
    {"nonblocking", NULL, NULL, nonblocking}, {"one_loop", NULL, NULL, one_loop},
    {"refused", NULL, NULL, refused},         {"questions", NULL, NULL, questions},
    {"fast_open", NULL, NULL, fast_open},     {"duplicated", NULL, NULL, duplicated},
    {"unspecified", NULL, NULL, unspecified}, {0},
};

int main(int argc, char **argv)
{
    return scenario_main(argc, argv, scenarios);
}
