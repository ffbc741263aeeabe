/*
 * The flags and the rarer calls of the receiving side: peeking, waiting for all, truncating, urgent data, low-water
 * marks, FIONREAD, many messages in one call.
 */
#include "../lib/sock.h"

#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>

/* Sends `size` bytes in writes of `step`, and notifies the other side when all are on their way. */
static void send_and_notify(int fd, size_t size, size_t step)
{
    sock_set_nodelay(fd);
    text_send(fd, 0, size, step, 1);
    side_send(size);
    (void)side_receive();
}

static void sender_of_hundreds(int fd)
{
    send_and_notify(fd, 10000, 100);
}

static void sender_of_one_chunk(int fd)
{
    send_and_notify(fd, 10000, 10000);
}

/* Receives the rest of the 10,000 bytes, lets the sender go on, and expects the end. */
static void take_rest(int fd, size_t at)
{
    text_receive(fd, at, 10000 - at, 4096, 1);
    side_send(0);
    text_expect_end(fd);
}

/* MSG_PEEK returns the same bytes again and again, never more than there are, and takes none. */
static void peek_server(int fd)
{
    char buffer[512];
    size_t at = 0;
    (void)side_receive();
    for (size_t size = 1; size < sizeof buffer; size = size * 2 + 1) {
        ssize_t first = recv(fd, buffer, size, MSG_PEEK), second;
        sock_expect(first > 0, "peek returned %zd", first);
        text_check(buffer, (size_t)first, at, 1);
        second = recv(fd, buffer, (size_t)first, MSG_PEEK | MSG_DONTWAIT);
        sock_expect(second == first, "peek returned %zd, and then %zd", first, second);
        text_check(buffer, (size_t)second, at, 1);
        sock_expect(sock_ready(fd, POLLIN) == POLLIN, "not readable after a peek");
        text_receive(fd, at, (size_t)first, size, 1);
        at += (size_t)first;
    }
    take_rest(fd, at);
}

/* A program peeks until a whole head has arrived, in pieces of one byte. */
static void peek_grows_client(int fd)
{
    sock_set_nodelay(fd);
    for (size_t i = 0; i < 64; i++) {
        text_send(fd, i, 1, 1, 1);
        if (i == 20)
            (void)side_receive(); /* after a part has been peeked at */
    }
    text_send(fd, 64, 10000, 10000, 1);
}

static void peek_grows_server(int fd)
{
    char buffer[64];
    ssize_t n = 0;
    for (bool notified = false; n < 64;) {
        (void)sock_wait(fd, POLLIN);
        n = recv(fd, buffer, sizeof buffer, MSG_PEEK);
        sock_expect(n > 0, "peek returned %zd", n);
        text_check(buffer, (size_t)n, 0, 1);
        if (!notified)
            side_send(0);
        notified = true;
    }
    text_receive(fd, 0, 10064, 4096, 1);
    text_expect_end(fd);
}

/* Thousands of messages of one byte wait in the kernel, each with its overhead, and are peeked at together. */
static void peek_many_client(int fd)
{
    sock_set_nodelay(fd);
    text_send(fd, 0, 3000, 1, 1);
    (void)side_receive();
}

static void peek_many_server(int fd)
{
    char buffer[3000];
    ssize_t n;
    do {
        (void)sock_wait(fd, POLLIN);
        n = recv(fd, buffer, sizeof buffer, MSG_PEEK);
        sock_expect(n > 0, "peek returned %zd", n);
    } while (n < 3000);
    text_check(buffer, 3000, 0, 1);
    text_receive(fd, 0, 3000, 3000, 1);
    side_send(0);
    text_expect_end(fd);
}

/* MSG_WAITALL returns everything, over many messages; with MSG_PEEK it leaves them there. */
static void wait_all_server(int fd)
{
    static char buffer[10000];
    (void)side_receive();
    ssize_t n = recv(fd, buffer, 16, MSG_WAITALL | MSG_PEEK);
    sock_expect(n == 16, "peek of 16 bytes returned %zd", n);
    n = recv(fd, buffer, 7777, MSG_WAITALL);
    sock_expect(n == 7777, "recv of 7777 bytes returned %zd", n);
    text_check(buffer, 7777, 0, 1);
    struct iovec part[2] = {{.iov_base = buffer, .iov_len = 1000}, {.iov_base = buffer + 1000, .iov_len = 1223}};
    struct msghdr message = {.msg_iov = part, .msg_iovlen = 2};
    n = recvmsg(fd, &message, MSG_WAITALL);
    sock_expect(n == 2223 && message.msg_flags == 0, "recvmsg returned %zd, flags %d", n, message.msg_flags);
    text_check(buffer, 2223, 7777, 1);
    side_send(0);
    n = recv(fd, buffer, 100, MSG_WAITALL);
    sock_expect(n == 0, "recv at the end returned %zd", n);
}

/* A part of what is waited for arrives, and then the end: the part is returned. */
static void wait_all_short_client(int fd)
{
    text_send(fd, 0, 10, 10, 1);
}

static void wait_all_short_server(int fd)
{
    char buffer[100];
    ssize_t n = recv(fd, buffer, sizeof buffer, MSG_WAITALL);
    sock_expect(n == 10, "recv of 100 bytes returned %zd, expected the 10 that came", n);
    text_check(buffer, 10, 0, 1);
    text_expect_end(fd);
}

/* MSG_DONTWAIT on a blocking descriptor; MSG_TRUNC throws away what it counts (tcp(7)). */
static void flags_server(int fd)
{
    char buffer[200] = "untouched";
    (void)side_receive();
    (void)sock_wait(fd, POLLIN);
    ssize_t n = recv(fd, buffer, 100, MSG_TRUNC);
    sock_expect(n > 0 && n <= 100 && strcmp(buffer, "untouched") == 0, "recv with MSG_TRUNC returned %zd, \"%.9s\"",
                n, buffer);
    size_t at = (size_t)n;
    n = recv(fd, buffer, 100, MSG_DONTWAIT);
    sock_expect(n > 0, "recv returned %zd", n);
    text_check(buffer, (size_t)n, at, 1);
    at += (size_t)n;
    /* A buffer that is too small cuts nothing off a stream. */
    struct iovec part = {.iov_base = buffer, .iov_len = 10};
    char control[64];
    struct sockaddr_storage from;
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control,
                             .msg_name = &from,
                             .msg_namelen = sizeof from};
    n = recvmsg(fd, &message, 0);
    sock_expect(n > 0 && message.msg_flags == 0 && message.msg_controllen == 0 && message.msg_namelen == 0,
                "recvmsg returned %zd, flags %d, %zu bytes of control", n, message.msg_flags,
                (size_t)message.msg_controllen);
    text_check(buffer, (size_t)n, at, 1);
    at += (size_t)n;
    socklen_t size = sizeof from;
    n = recvfrom(fd, buffer, 10, 0, (struct sockaddr *)&from, &size);
    sock_expect(n > 0 && size == 0, "recvfrom returned %zd, an address of %u bytes", n, size);
    text_check(buffer, (size_t)n, at, 1);
    at += (size_t)n;
    text_receive(fd, at, 10000 - at, 4096, 1);
    sock_expect(recv(fd, buffer, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN, "recv: expected EAGAIN");
    sock_expect(recv(fd, buffer, 1, MSG_ERRQUEUE | MSG_DONTWAIT) == -1 && errno == EAGAIN, "the error queue");
    struct stat status;
    sock_expect(fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode), "fstat: not a socket");
    sock_expect(lseek(fd, 0, SEEK_CUR) == -1 && errno == ESPIPE, "lseek: expected ESPIPE");
    sock_expect(pread(fd, buffer, 1, 0) == -1 && errno == ESPIPE, "pread: expected ESPIPE");
    sock_expect(pwrite(fd, buffer, 1, 0) == -1 && errno == ESPIPE, "pwrite: expected ESPIPE");
    side_send(0);
    text_expect_end(fd);
}

/* MSG_OOB works bare. A sealed connection does not have it and returns an error, without harm. */
static void urgent_client(int fd)
{
    text_send(fd, 0, 100, 100, 1);
    ssize_t n = send(fd, "!", 1, MSG_OOB);
    if (sock_is_sealed())
        sock_expect(n == -1 && errno == EOPNOTSUPP, "send with MSG_OOB returned %zd, expected EOPNOTSUPP", n);
    else
        sock_expect(n == 1, "send with MSG_OOB returned %zd", n);
    text_send(fd, 100, 100, 100, 1);
}

static void urgent_server(int fd)
{
    char byte;
    text_receive(fd, 0, 100, 100, 1);
    sock_expect(!sock_is_sealed() || (recv(fd, &byte, 1, MSG_OOB) == -1 && errno == EINVAL),
                "recv with MSG_OOB: expected EINVAL");
    text_receive(fd, 100, 100, 100, 1);
    text_expect_end(fd);
}

/* SO_RCVLOWAT: readable from that many bytes on; a read still returns fewer. */
static void low_water_server(int fd)
{
    int mark = 5, got = 0;
    socklen_t size = sizeof got;
    (void)side_receive();
    (void)sock_wait(fd, POLLIN);
    sock_expect(setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &mark, sizeof mark) == 0, "SO_RCVLOWAT");
    sock_expect(getsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &got, &size) == 0 && (got == mark || sock_is_sealed()),
                "SO_RCVLOWAT is %d", got);
    char buffer[16];
    for (size_t at = 0; at < 10000;) {
        size_t part = 10000 - at < 10 ? 10000 - at : 10;
        if (part >= (size_t)mark)
            sock_expect(sock_wait(fd, POLLIN) & POLLIN, "readable");
        ssize_t n = recv(fd, buffer, part, 0);
        sock_expect(n > 0, "recv returned %zd", n);
        text_check(buffer, (size_t)n, at, 1);
        at += (size_t)n;
    }
    side_send(0);
    (void)sock_wait(fd, POLLIN);
    text_expect_end(fd);
}

/*
 * The low-water mark is set before there is a connection, at both ends (a listener's mark is inherited). Fewer
 * bytes are reported at the end of the stream at the latest.
 */
static void low_water_before_connect(const struct sock_target *target)
{
    int mark = 100, listener = sock_listen(target), client = sock_open(target, 0);
    char buffer[16];
    sock_expect(setsockopt(listener, SOL_SOCKET, SO_RCVLOWAT, &mark, sizeof mark) == 0 &&
                    setsockopt(client, SOL_SOCKET, SO_RCVLOWAT, &mark, sizeof mark) == 0,
                "SO_RCVLOWAT");
    sock_expect(connect(client, (const struct sockaddr *)&target->address, target->length) == 0, "connect");
    int server = sock_accept(listener);
    for (int way = 0; way < 2; way++) {
        int from = way ? server : client, to = way ? client : server;
        text_send(from, 0, 5000, 5000, 1);
        for (size_t at = 0; at < 5000; at += 10) {
            if (at == 4900)
                sock_expect(shutdown(from, SHUT_WR) == 0, "shutdown");
            sock_expect(sock_wait(to, POLLIN) & POLLIN, "readable");
            ssize_t n = recv(to, buffer, 10, 0);
            sock_expect(n == 10, "recv returned %zd at %zu", n, at);
            text_check(buffer, 10, at, 1);
        }
        sock_expect(sock_wait(to, POLLIN) & POLLIN, "the end is readable");
        text_expect_end(to);
    }
}

/*
 * FIONREAD: above 0 where poll reports readable, 0 after everything is read; reading that many bytes gets
 * everything.
 */
static void how_much_server(int fd)
{
    static char buffer[20000];
    int there = -1;
    (void)side_receive();
    for (size_t at = 0; at < 10000;) {
        (void)sock_wait(fd, POLLIN);
        sock_expect(ioctl(fd, FIONREAD, &there) == 0 && there > 0 && there <= 20000, "readable, and FIONREAD is %d",
                    there);
        ssize_t n = read(fd, buffer, at == 0 ? 3 : (size_t)there);
        sock_expect(n > 0, "read returned %zd", n);
        text_check(buffer, (size_t)n, at, 1);
        at += (size_t)n;
    }
    sock_expect(ioctl(fd, FIONREAD, &there) == 0 && there == 0, "all has been read, and FIONREAD is %d", there);
    side_send(0);
    (void)sock_wait(fd, POLLIN);
    sock_expect(ioctl(fd, FIONREAD, &there) == 0 && there == 0, "at the end FIONREAD is %d", there);
    text_expect_end(fd);
}

/* The bytes in the sender's queue (SIOCOUTQ, here by its older name) decrease to 0. */
static void how_much_out_client(int fd)
{
    int queued = -1;
    text_send(fd, 0, 10000, 100, 1);
    (void)side_receive();
    for (int i = 0; i < SOCK_DEADLINE_MS && queued != 0; i++) {
        sock_expect(ioctl(fd, TIOCOUTQ, &queued) == 0, "TIOCOUTQ");
        if (queued)
            (void)poll(NULL, 0, 1);
    }
    sock_expect(queued == 0, "TIOCOUTQ stays at %d", queued);
}

static void how_much_out_server(int fd)
{
    text_receive(fd, 0, 10000, 1000, 1);
    side_send(0);
    text_expect_end(fd);
}

/* recvmmsg and sendmmsg on a stream; preadv2 and pwritev2 with the offset -1, the current position. */
static void many_client(int fd)
{
    static unsigned char text[10000];
    struct mmsghdr messages[5] = {0};
    struct iovec parts[5];
    text_fill(text, sizeof text, 0, 1);
    for (size_t i = 0; i < 5; i++) {
        parts[i] = (struct iovec){.iov_base = text + i * 1000, .iov_len = 1000};
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    sock_expect(sendmmsg(fd, messages, 5, 0) == 5, "sendmmsg");
    for (size_t i = 0; i < 5; i++)
        sock_expect(messages[i].msg_len == 1000, "message %zu has %u bytes", i, messages[i].msg_len);
    struct iovec two[2] = {{.iov_base = text + 5000, .iov_len = 2000}, {.iov_base = text + 7000, .iov_len = 1000}};
    sock_expect(pwritev2(fd, two, 2, -1, 0) == 3000, "pwritev2");
    sock_expect(pwritev2(fd, two, 2, 0, 0) == -1 && errno == ESPIPE, "pwritev2 with an offset: expected ESPIPE");
    sock_expect(pwritev64v2(fd, &(struct iovec){.iov_base = text + 8000, .iov_len = 2000}, 1, -1, 0) == 2000,
                "pwritev64v2");
    side_send(10000);
    (void)side_receive();
}

static void many_server(int fd)
{
    static unsigned char text[10000];
    struct mmsghdr messages[4] = {0};
    struct iovec parts[4];
    size_t at = 0;
    (void)side_receive();
    (void)sock_wait(fd, POLLIN);
    for (size_t i = 0; i < 4; i++) {
        parts[i] = (struct iovec){.iov_base = text + i * 500, .iov_len = 500};
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    struct timespec second = {.tv_sec = 10};
    int count = recvmmsg(fd, messages, 4, MSG_WAITFORONE, &second);
    sock_expect(count >= 1 && count <= 4, "recvmmsg returned %d", count);
    for (int i = 0; i < count; i++) {
        text_check(text + i * 500, messages[i].msg_len, at, 1);
        at += messages[i].msg_len;
    }
    struct iovec two[2] = {{.iov_base = text, .iov_len = 700}, {.iov_base = text + 700, .iov_len = 700}};
    ssize_t n = preadv2(fd, two, 2, -1, 0);
    sock_expect(n > 0, "preadv2 returned %zd", n);
    text_check(text, (size_t)n, at, 1);
    at += (size_t)n;
    sock_expect(preadv2(fd, two, 2, 5, 0) == -1 && errno == ESPIPE, "preadv2 with an offset: expected ESPIPE");
    take_rest(fd, at);
}

static const struct scenario scenarios[] = {
    {"peek", peek_server, sender_of_hundreds, NULL},
    {"peek_chunk", peek_server, sender_of_one_chunk, NULL},
    {"peek_grows", peek_grows_server, peek_grows_client, NULL},
    {"peek_many", peek_many_server, peek_many_client, NULL},
    {"wait_all", wait_all_server, sender_of_hundreds, NULL},
    {"wait_all_short", wait_all_short_server, wait_all_short_client, NULL},
    {"flags", flags_server, sender_of_one_chunk, NULL},
    {"urgent", urgent_server, urgent_client, NULL},
    {"low_water", low_water_server, sender_of_one_chunk, NULL},
    {"low_water_before_connect", NULL, NULL, low_water_before_connect},
    {"how_much", how_much_server, sender_of_hundreds, NULL},
    {"how_much_chunk", how_much_server, sender_of_one_chunk, NULL},
    {"how_much_out", how_much_out_server, how_much_out_client, NULL},
    {"many", many_server, many_client, NULL},
    {0},
};

int main(int argc, char **argv)
{
    return scenario_main(argc, argv, scenarios);
}
