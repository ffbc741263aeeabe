/*
 * Blocking reads and writes of every size: one byte, more than a chunk, vectors, nothing; either end sends first or
 * sends alone, both ends in one thread, half-close.
 */
#include "../lib/sock.h"

#include <sys/time.h>
#include <sys/uio.h>

enum { MEGABYTE = 1 << 20 };

static void one_byte_server(int fd)
{
    text_receive(fd, 0, 2000, 1, 1);
    text_send(fd, 0, 2000, 1, 2);
    text_expect_end(fd);
}

static void one_byte_client(int fd)
{
    text_send(fd, 0, 2000, 1, 1);
    text_receive(fd, 0, 2000, 1, 2);
}

static void ping_pong_server(int fd)
{
    size_t at = 0;
    for (size_t size = 1; size < 70000; size = size * 2 + 3, at += size) {
        text_receive(fd, at, size, 4096, 1);
        text_send(fd, at, size, size, 2);
    }
    text_expect_end(fd);
}

static void ping_pong_client(int fd)
{
    size_t at = 0;
    for (size_t size = 1; size < 70000; size = size * 2 + 3, at += size) {
        text_send(fd, at, size, size, 1);
        text_receive(fd, at, size, 4096, 2);
    }
}

static const size_t write_sizes[] = {1, 2, 15, 17, 4095, 16362, 16384, 16385, 65535, 65536, 100000, MEGABYTE, 3, 1};
static const size_t read_sizes[] = {1, 7, 4096, 3, 65536, 16384, 16383, 100, 1 << 18, 21};
enum {
    WRITE_SIZES = sizeof write_sizes / sizeof *write_sizes,
    READ_SIZES = sizeof read_sizes / sizeof *read_sizes
};

static void sizes_client(int fd)
{
    uint64_t at = 0;
    for (int i = 0; i < WRITE_SIZES; at += write_sizes[i++])
        text_send(fd, at, write_sizes[i], write_sizes[i], 1);
}

static void sizes_server(int fd)
{
    static unsigned char buffer[1 << 18];
    uint64_t at = 0, total = 0;
    for (int i = 0; i < WRITE_SIZES; i++)
        total += write_sizes[i];
    for (int i = 0;; i++) {
        ssize_t n = read(fd, buffer, read_sizes[i % READ_SIZES]);
        sock_expect(n >= 0, "read at %" PRIu64, at);
        if (n == 0)
            break;
        text_check(buffer, (size_t)n, at, 1);
        at += (uint64_t)n;
    }
    sock_expect(at == total, "%" PRIu64 " of %" PRIu64 " bytes arrived", at, total);
}

static void sends_first_server(int fd)
{
    text_send(fd, 0, 100, 100, 1);
    text_receive(fd, 0, 10, 10, 2);
    text_send(fd, 100, 40000, 40000, 1);
    (void)close(fd);
}

static void sends_first_client(int fd)
{
    text_receive(fd, 0, 100, 4096, 1);
    text_send(fd, 0, 10, 10, 2);
    text_receive(fd, 100, 40000, 4096, 1);
    text_expect_end(fd);
}

/* Reads nothing before it has sent everything and the other end has sent everything, too. */
static void only_sends_server(int fd)
{
    text_send(fd, 0, 50000, 5000, 1);
    (void)close(fd);
}

static void only_receives_client(int fd)
{
    text_receive(fd, 0, 50000, 777, 1);
    text_expect_end(fd);
}

static void write_only_client(int fd)
{
    text_send(fd, 0, 491520, 16384, 1);
    exit(0);
}

static void write_only_server(int fd)
{
    text_receive(fd, 0, 491520, 1000, 1);
    text_expect_end(fd);
}

/* One byte and then a close: the shortest life of a connection, also before the other end has accepted it. */
static void one_word_client(int fd)
{
    text_send(fd, 0, 16, 16, 1);
    (void)close(fd);
}

static void one_word_server(int fd)
{
    text_receive(fd, 0, 16, 16, 1);
    text_expect_end(fd);
}

/* Nothing is sent at all: connect, close. */
static void silence_client(int fd)
{
    (void)close(fd);
}

static void silence_server(int fd)
{
    text_expect_end(fd);
}

/* Both ends in one thread: the kernel buffers what is sent before the connection is accepted. */
static void accept_later(const struct sock_target *target)
{
    int listener = sock_listen(target);
    int client = sock_connect(target);
    text_send(client, 0, 60000, 60000, 1);
    int server = sock_accept(listener);
    text_receive(server, 0, 60000, 4096, 1);
    text_send(server, 0, 60000, 60000, 2);
    text_receive(client, 0, 60000, 4096, 2);
    (void)close(client);
    text_expect_end(server);
}

/* The same with many small writes, and a second connection made before the first is accepted. */
static void accept_later_twice(const struct sock_target *target)
{
    int listener = sock_listen(target), client[2], server[2];
    for (unsigned i = 0; i < 2; i++) {
        client[i] = sock_connect(target);
        text_send(client[i], 0, 20000, 100, i);
        (void)shutdown(client[i], SHUT_WR);
    }
    for (unsigned i = 0; i < 2; i++)
        server[i] = sock_accept(listener);
    for (unsigned i = 0; i < 2; i++) {
        text_receive(server[i], 0, 20000, 4096, i);
        text_expect_end(server[i]);
        text_send(server[i], 0, 20000, 100, i + 2);
        (void)close(server[i]);
        text_receive(client[i], 0, 20000, 4096, i + 2);
        text_expect_end(client[i]);
    }
}

/* The reader sleeps until the writer's socket is full, after a greeting or before the connection's first byte. */
static void fill_at_once_client(int fd)
{
    sock_set_nonblocking(fd, true);
    size_t done = sock_stuff(fd, 64 * MEGABYTE, 1);
    side_send(done);
    sock_set_nonblocking(fd, false);
    text_send(fd, done, 3 * MEGABYTE + 5, 100000, 1);
}

static void fill_at_once_server(int fd)
{
    size_t full = (size_t)side_receive();
    text_receive(fd, 0, full + 3 * MEGABYTE + 5, 30000, 1);
    text_expect_end(fd);
}

static void fill_client(int fd)
{
    sock_greet(fd);
    fill_at_once_client(fd);
}

static void fill_server(int fd)
{
    sock_greet(fd);
    fill_at_once_server(fd);
}

/* The same byte by byte: what does not fit is a part of a very small frame. */
static void fill_bytes_client(int fd)
{
    sock_greet(fd);
    sock_set_nodelay(fd);
    sock_set_nonblocking(fd, true);
    size_t at = 0;
    while (at < 400000) {
        unsigned char byte = text_byte(at, 1);
        ssize_t n = write(fd, &byte, 1);
        sock_expect(n == 1 || (n == -1 && errno == EAGAIN), "write of a byte returned %zd", n);
        if (n < 0)
            break;
        at++;
    }
    side_send(at);
    while (at < 410000) {
        unsigned char byte = text_byte(at, 1);
        ssize_t n = write(fd, &byte, 1);
        sock_expect(n == 1 || (n == -1 && errno == EAGAIN), "write of a byte returned %zd", n);
        if (n < 0)
            (void)sock_wait(fd, POLLOUT);
        at += n == 1;
    }
}

static void fill_bytes_server(int fd)
{
    sock_greet(fd);
    (void)side_receive();
    text_receive(fd, 0, 410000, 3000, 1);
    text_expect_end(fd);
}

static void half_close_client(int fd)
{
    text_send(fd, 0, MEGABYTE, 16384, 1);
    sock_expect(shutdown(fd, SHUT_WR) == 0, "shutdown");
    text_receive(fd, 0, MEGABYTE, 16384, 2);
    text_expect_end(fd);
    sock_expect(send(fd, "x", 1, MSG_NOSIGNAL) == -1 && errno == EPIPE, "send after shutdown: expected EPIPE");
}

static void half_close_server(int fd)
{
    text_receive(fd, 0, MEGABYTE, 16384, 1);
    text_expect_end(fd);
    text_send(fd, 0, MEGABYTE, 16384, 2);
    (void)close(fd);
}

static void vectors_client(int fd)
{
    static unsigned char buffer[200000];
    struct iovec parts[40];
    uint64_t at = 0;
    for (int round = 0; round < 5; round++) {
        size_t total = 0;
        for (size_t i = 0; i < 40; i++) {
            parts[i] = (struct iovec){.iov_base = buffer + total, .iov_len = i % 7 == 0 ? 0 : i * 31 % 4000};
            total += parts[i].iov_len;
        }
        text_fill(buffer, total, at, 1);
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = 40};
        ssize_t n = round % 2 ? sendmsg(fd, &message, 0) : writev(fd, parts, 40);
        sock_expect(n > 0 && (size_t)n <= total, "a vector of %zu bytes: %zd", total, n);
        text_send(fd, at + (uint64_t)n, total - (size_t)n, total, 1);
        at += total;
    }
    for (size_t i = 0; i < 40; i++)
        parts[i] = (struct iovec){.iov_base = NULL, .iov_len = 0};
    sock_expect(writev(fd, parts, 40) == 0, "writev of nothing");
    struct iovec many[1025];
    for (size_t i = 0; i < 1025; i++)
        many[i] = (struct iovec){.iov_base = buffer + i, .iov_len = 1};
    text_fill(buffer, 1024, at, 1);
    sock_expect(writev(fd, many, 1025) == -1 && errno == EINVAL, "writev of 1025 parts: expected EINVAL");
    sock_expect(writev(fd, many, 1024) == 1024, "writev of 1024 parts");
    sock_expect(shutdown(fd, SHUT_WR) == 0, "shutdown");
    side_send(at + 1024);
}

static void vectors_server(int fd)
{
    static unsigned char buffer[65536];
    uint64_t at = 0;
    for (int round = 0;; round++) {
        struct iovec parts[20];
        size_t room = 0;
        for (size_t i = 0; i < 20; i++) {
            parts[i] = (struct iovec){.iov_base = buffer + room, .iov_len = i % 5 == 0 ? 0 : i * 131 % 700};
            room += parts[i].iov_len;
        }
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = 20};
        ssize_t n = round % 2 ? recvmsg(fd, &message, 0) : readv(fd, parts, 20);
        sock_expect(n >= 0, "a vector at %" PRIu64 ": %zd", at, n);
        if (n == 0)
            break;
        text_check(buffer, (size_t)n, at, 1);
        at += (uint64_t)n;
    }
    sock_expect(at == side_receive(), "%" PRIu64 " bytes arrived", at);
}

/* A write of no bytes sends nothing; a read of no bytes neither blocks nor takes anything. */
static void nothing_client(int fd)
{
    char byte = 'x';
    sock_expect(write(fd, &byte, 0) == 0 && send(fd, &byte, 0, 0) == 0, "writes of nothing");
    sock_expect(read(fd, &byte, 0) == 0, "a read of nothing");
    side_send(0);
    (void)side_receive();
    text_send(fd, 0, 100, 100, 1);
}

static void nothing_server(int fd)
{
    char byte;
    (void)side_receive();
    sock_expect(sock_ready(fd, POLLIN) == 0, "poll sees data where nothing was written");
    sock_expect(recv(fd, &byte, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN, "recv: expected EAGAIN");
    side_send(0);
    (void)sock_wait(fd, POLLIN);
    sock_expect(recv(fd, &byte, 0, 0) == 0, "a receive of nothing");
    text_receive(fd, 0, 100, 100, 1);
    text_expect_end(fd);
}

/*
 * SO_RCVTIMEO applies to the whole call: bytes that arrive one by one do not extend it. The server sends one every
 * 50 ms, until the client's call has ended.
 */
static void receive_deadline_server(int fd)
{
    struct pollfd client = {.fd = sock_side, .events = POLLIN};
    for (int i = 0; i < 12 && poll(&client, 1, 50) == 0; i++)
        (void)send(fd, "x", 1, MSG_NOSIGNAL);
    (void)side_receive();
}

static void receive_deadline_client(int fd)
{
    const struct timeval timeout = {.tv_usec = 200000};
    char bytes[12];
    sock_expect(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) == 0, "SO_RCVTIMEO");
    ssize_t n = recv(fd, bytes, sizeof bytes, MSG_WAITALL);
    sock_expect(n > 0 && n < (ssize_t)sizeof bytes, "%zd bytes, expected the time to end before all are there", n);
    side_send(0);
}

static const struct scenario scenarios[] = {
    {"receive_deadline", receive_deadline_server, receive_deadline_client, NULL},
    {"one_byte", one_byte_server, one_byte_client, NULL},
    {"ping_pong", ping_pong_server, ping_pong_client, NULL},
    {"sizes", sizes_server, sizes_client, NULL},
    {"sends_first", sends_first_server, sends_first_client, NULL},
    {"only_sends", only_sends_server, only_receives_client, NULL},
    {"write_only", write_only_server, write_only_client, NULL},
    {"one_word", one_word_server, one_word_client, NULL},
    {"silence", silence_server, silence_client, NULL},
    {"accept_later", NULL, NULL, accept_later},
    {"accept_later_twice", NULL, NULL, accept_later_twice},
    {"fill", fill_server, fill_client, NULL},
    {"fill_at_once", fill_at_once_server, fill_at_once_client, NULL},
    {"fill_bytes", fill_bytes_server, fill_bytes_client, NULL},
    {"half_close_by_client", half_close_server, half_close_client, NULL},
    {"half_close_by_server", half_close_client, half_close_server, NULL},
    {"vectors", vectors_server, vectors_client, NULL},
    {"nothing", nothing_server, nothing_client, NULL},
    {0},
};

int main(int argc, char **argv)
{
    return scenario_main(argc, argv, scenarios);
}
