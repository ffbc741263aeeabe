/*
 * Reads, writes, sends, receives, shutdown and close by syscall(2), which passes no function of libc of that name.
 */
#include "../lib/sock.h"

#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

/* System calls by number, as runtimes and sandboxed code make them. */
static void by_number_client(int fd)
{
    static unsigned char text[4000];
    text_fill(text, sizeof text, 0, 1);
    struct iovec part = {.iov_base = text + 1000, .iov_len = 1000};
    struct iovec last = {.iov_base = text + 3000, .iov_len = 1000};
    struct msghdr message = {.msg_iov = &last, .msg_iovlen = 1};
    sock_expect(syscall(SYS_write, fd, text, 1000) == 1000, "write by number");
    sock_expect(syscall(SYS_writev, fd, &part, 1) == 1000, "writev by number");
    sock_expect(syscall(SYS_sendto, fd, text + 2000, 1000, 0, NULL, 0) == 1000, "sendto by number");
    sock_expect(syscall(SYS_sendmsg, fd, &message, 0) == 1000, "sendmsg by number");
    sock_expect(syscall(SYS_shutdown, fd, SHUT_WR) == 0, "shutdown by number");
    text_receive(fd, 0, 100, 100, 2);
    sock_expect(syscall(SYS_close, fd) == 0, "close by number");
    sock_expect(write(fd, "x", 1) == -1 && errno == EBADF, "the number is closed: expected EBADF");
}

static void by_number_server(int fd)
{
    unsigned char buffer[100];
    struct iovec part = {.iov_base = buffer, .iov_len = 100};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    size_t at = 0;
    for (int turn = 0; at < 4000; turn++) {
        ssize_t n = turn % 4 == 0   ? syscall(SYS_read, fd, buffer, 100)
                    : turn % 4 == 1 ? syscall(SYS_readv, fd, &part, 1)
                    : turn % 4 == 2 ? syscall(SYS_recvfrom, fd, buffer, 100, 0, NULL, NULL)
                                    : syscall(SYS_recvmsg, fd, &message, 0);
        sock_expect(n > 0, "call %d by number returned %zd", turn % 4, n);
        text_check(buffer, (size_t)n, at, 1);
        at += (size_t)n;
    }
    text_expect_end(fd);
    text_send(fd, 0, 100, 100, 2);
    (void)close(fd);
}

static const struct scenario scenarios[] = {
    {"by_number", by_number_server, by_number_client, NULL},
    {0},
};

int main(int argc, char **argv)
{
    return scenario_main(argc, argv, scenarios);
}
