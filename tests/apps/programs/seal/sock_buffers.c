/*
 * Buffers: what a receive writes, which is as many bytes as it returns, and a kernel buffer that a peer keeps full.
 */
#include "../lib/sock.h"

#include <sys/uio.h>

enum { ROOM = 20000, ROUNDS = 200, GUARD = 0xEE, PEEKED = 40000, FILLING = 2000000 };

static ssize_t receive(int fd, int way, uint8_t *buffer, size_t size)
{
    struct iovec pieces[] = {{buffer, size / 2}, {buffer + size / 2, size - size / 2}};
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
    switch (way % 6) {
    case 0:
        return read(fd, buffer, size);
    case 1:
        return recv(fd, buffer, size, 0);
    case 2:
        return recvfrom(fd, buffer, size, 0, NULL, NULL);
    case 3:
        return readv(fd, pieces, 2);
    case 4:
        return recvmsg(fd, &message, 0);
    default:
        return recv(fd, buffer, size, MSG_PEEK) > 0 ? recv(fd, buffer, size, 0) : -1;
    }
}

/* Receives messages of 1 to 100 bytes, each answered, into large buffers. */
static void untouched_server(int fd)
{
    static uint8_t buffer[ROOM];
    for (int round = 0; round < ROUNDS; round++) {
        memset(buffer, GUARD, sizeof buffer);
        const ssize_t got = receive(fd, round, buffer, sizeof buffer);
        sock_expect(got == 1 + round % 100, "round %d: received %zd bytes, expected %d", round, got,
                    1 + round % 100);
        for (ssize_t i = 0; i < (ssize_t)sizeof buffer; i++)
            sock_expect(buffer[i] == (i < got ? 'x' : GUARD), "round %d: byte %zd of the buffer is %02x", round, i,
                        buffer[i]);
        sock_expect(write(fd, "a", 1) == 1, "write");
    }
}

static void untouched_client(int fd)
{
    char text[100], answer;
    memset(text, 'x', sizeof text);
    for (int round = 0; round < ROUNDS; round++) {
        const size_t length = 1 + (size_t)round % 100;
        sock_expect(write(fd, text, length) == (ssize_t)length, "write");
        sock_expect(read(fd, &answer, 1) == 1 && answer == 'a', "round %d: the answer", round);
    }
}

/* Peeks until a large part has come, while the peer sends as much as the kernel takes. */
static void peek_filled_server(int fd)
{
    static char buffer[PEEKED];
    ssize_t n;
    do {
        (void)sock_wait(fd, POLLIN);
        n = recv(fd, buffer, sizeof buffer, MSG_PEEK);
        sock_expect(n > 0, "peek returned %zd", n);
    } while (n < PEEKED);
    text_check(buffer, PEEKED, 0, 1);
    text_receive(fd, 0, FILLING, 10000, 1);
    side_send(0);
    text_expect_end(fd);
}

static void peek_filled_client(int fd)
{
    sock_set_nodelay(fd);
    text_send(fd, 0, FILLING, 700, 1);
    (void)side_receive();
}

static const struct scenario scenarios[] = {
    {"untouched", untouched_server, untouched_client, NULL},
    {"peek_filled", peek_filled_server, peek_filled_client, NULL},
    {0},
};

int main(int argc, char **argv)
{
    return scenario_main(argc, argv, scenarios);
}
