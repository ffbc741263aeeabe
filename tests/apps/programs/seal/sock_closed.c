/*
 * What the end of a connection leaves: a reset is an error, a peer that has closed is one in the end, a stream goes
 * on while one duplicate is open, and a closed descriptor number is free.
 */
#include "../lib/sock.h"

#include <sys/resource.h>

enum { MEGABYTE = 1 << 20 };

/* An abortive close resets the connection: SO_LINGER with a time of zero. */
static void abort_client(int fd)
{
    struct linger none = {.l_onoff = 1, .l_linger = 0};
    text_send(fd, 0, 1000, 1000, 1);
    (void)side_receive();
    sock_expect(setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none) == 0, "SO_LINGER");
    (void)close(fd);
    side_send(0);
}

static void abort_server(int fd)
{
    char byte;
    text_receive(fd, 0, 1000, 1000, 1);
    side_send(0);
    (void)side_receive();
    sock_expect(read(fd, &byte, 1) == -1 && errno == ECONNRESET, "read: expected ECONNRESET");
}

/* What came before the reset is returned first, also the rest of a chunk that was read in part. */
static void abort_late_client(int fd)
{
    struct linger none = {.l_onoff = 1, .l_linger = 0};
    text_send(fd, 0, 5000, 5000, 1);
    text_send(fd, 5000, 100, 100, 1);
    (void)side_receive();
    sock_expect(setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none) == 0, "SO_LINGER");
    (void)close(fd);
    side_send(0);
}

static void abort_late_server(int fd)
{
    char byte;
    text_receive(fd, 0, 10, 10, 1);
    side_send(0);
    (void)side_receive();
    sock_expect(sock_wait(fd, POLLIN) & POLLIN, "readable");
    text_receive(fd, 10, 5090, 500, 1);
    sock_expect(read(fd, &byte, 1) == -1 && errno == ECONNRESET, "read: expected ECONNRESET");
}

/* Writing to a peer that has closed fails in the end, with SIGPIPE unless the program ignores it. */
static volatile sig_atomic_t pipe_signals;

static void count_pipe(int number)
{
    pipe_signals += number == SIGPIPE;
}

static void to_the_closed_server(int fd)
{
    struct sigaction action = {.sa_handler = count_pipe};
    sock_expect(sigaction(SIGPIPE, &action, NULL) == 0, "sigaction");
    text_expect_end(fd);
    (void)side_receive();
    ssize_t n;
    int sends = 0;
    do {
        (void)poll(NULL, 0, 1);
        n = send(fd, "0123456789", 10, MSG_NOSIGNAL);
    } while (n > 0 && ++sends < 10000);
    sock_expect(sends < 5000, "a closed peer took %d sends, a millisecond apart",
                sends); /* bare: 1; idle: below 10 */
    sock_expect(n == -1 && (errno == EPIPE || errno == ECONNRESET), "send returned %zd, expected EPIPE", n);
    sock_expect(pipe_signals == 0, "a SIGPIPE though MSG_NOSIGNAL asked for none");
    sock_expect(write(fd, "x", 1) == -1 && errno == EPIPE && pipe_signals == 1, "expected EPIPE and SIGPIPE, once");
    sock_expect(send(fd, "x", 1, MSG_NOSIGNAL) == -1 && errno == EPIPE && pipe_signals == 1,
                "expected EPIPE alone");
}

static void closed_client(int fd)
{
    (void)close(fd);
    side_send(0);
}

/*
 * One end closes with a megabyte on its way and data unread. After the other end has received it all, its sends
 * fail. Nothing that was sent may be missing, though the closed end sends a reset at last.
 */
static void closes_unread_server(int fd)
{
    text_receive(fd, 0, 10, 10, 2);
    (void)side_receive();
    text_send(fd, 0, MEGABYTE / 8, 16384, 1);
    (void)close(fd);
    side_send(0);
}

static void closes_unread_client(int fd)
{
    int sends = 0;
    text_send(fd, 0, 20000, 20000, 2);
    side_send(0);
    (void)side_receive();
    if (sock_is_sealed()) { /* bare, the kernel resets before all of it has arrived */
        text_receive(fd, 0, MEGABYTE / 8, 65536, 1);
        text_expect_end(fd);
    }
    ssize_t n;
    do {
        (void)poll(NULL, 0, 1);
        n = send(fd, "0123456789", 10, MSG_NOSIGNAL);
    } while (n > 0 && ++sends < 10000);
    sock_expect(n == -1 && (errno == EPIPE || errno == ECONNRESET), "send returned %zd, expected EPIPE", n);
}

/* Duplicates of all kinds: each of them can use the stream, which ends when the last one is closed. */
static void duplicates_client(int fd)
{
    int copy[6];
    size_t at = 0;
    sock_set_nodelay(fd);
    copy[0] = dup(fd);
    copy[1] = dup2(fd, 100);
    copy[2] = dup3(fd, 101, O_CLOEXEC);
    copy[3] = fcntl(fd, F_DUPFD, 200);
    copy[4] = fcntl(fd, F_DUPFD_CLOEXEC, 300);
    copy[5] = dup2(fd, fd);
    sock_expect(copy[1] == 100 && copy[2] == 101 && copy[3] >= 200 && copy[4] >= 300 && copy[5] == fd,
                "duplicates");
    sock_expect(fcntl(copy[4], F_GETFD) == FD_CLOEXEC && fcntl(copy[3], F_GETFD) == 0, "FD_CLOEXEC");
    for (int i = 0; i < 6; i++, at += 3000) {
        text_send(copy[i], at, 3000, 1000, 1);
        text_receive(copy[i < 5 ? i + 1 : 4], at, 3000, 1000, 2);
        if (i != 4)
            (void)close(copy[i]);
    }
    sock_expect(write(fd, "x", 1) == -1 && errno == EBADF, "a closed number: expected EBADF");
    side_send(at);
    (void)side_receive();
    text_send(copy[4], at, 3000, 1000, 1);
    (void)close(copy[4]);
}

/* copy[5] is fd itself, closed in round 5; copy[0] to copy[3] are closed before. */
static void duplicates_server(int fd)
{
    sock_set_nodelay(fd);
    for (size_t at = 0; at < 18000; at += 3000) {
        text_receive(fd, at, 3000, 1000, 1);
        text_send(fd, at, 3000, 1000, 2);
    }
    (void)side_receive();
    sock_expect(sock_ready(fd, POLLIN) == 0, "the end, though a duplicate is open");
    side_send(0);
    text_receive(fd, 18000, 3000, 3000, 1);
    text_expect_end(fd);
}

/* dup2, close_range and closefrom close connections, and the peer is notified. */
static void closed_by_client(int fd)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int second = sock_connect(&sock_target_global), third = sock_connect(&sock_target_global);
    text_send(fd, 0, 100, 100, 1);
    text_send(second, 0, 100, 100, 2);
    text_send(third, 0, 100, 100, 3);
    sock_expect(dup2(null, fd) == fd, "dup2");
    sock_expect(write(fd, "plain to nowhere", 16) == 16, "the number is /dev/null now");
    side_send(0);
    (void)side_receive();
    sock_expect(close_range((unsigned)second, (unsigned)second, 0) == 0, "close_range");
    side_send(0);
    (void)side_receive();
    sock_expect(dup2(sock_side, 3) == 3 && third > 3, "dup2");
    sock_side = 3;
    closefrom(4);
    side_send(0);
    (void)side_receive();
}

/*
 * Needs the listener again, which the runner has closed: with SO_REUSEADDR it can be made before the client
 * connects.
 */
static void closed_by(const struct sock_target *target)
{
    int side[2], listener = sock_listen(target), fd[3];
    sock_expect(socketpair(AF_UNIX, SOCK_STREAM, 0, side) == 0, "socketpair");
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)close(listener);
        (void)close(side[0]);
        sock_side = side[1];
        closed_by_client(sock_connect(target));
        _exit(0);
    }
    (void)close(side[1]);
    sock_side = side[0];
    for (unsigned i = 0; i < 3; i++) {
        fd[i] = sock_accept(listener);
        text_receive(fd[i], 0, 100, 100, i + 1);
    }
    for (unsigned i = 0; i < 3; i++) {
        (void)side_receive();
        text_expect_end(fd[i]);
        for (unsigned other = i + 1; other < 3; other++)
            sock_expect(sock_ready(fd[other], POLLIN) == 0, "connection %u ended with connection %u", other, i);
        side_send(0);
    }
    sock_expect(sock_reap(pid) == 0, "the client's process");
}

/* A new file may get the number of a closed connection, and is not sealed. */
static void number_reused_client(int fd)
{
    text_send(fd, 0, 100, 100, 1);
    (void)close(fd);
    char path[] = "/tmp/pfswrap-number-XXXXXX", text[64];
    int file = mkstemp(path);
    sock_expect(file == fd, "the next descriptor is %d, expected %d", file, fd);
    sock_expect(write(file, "a line", 6) == 6 && pread(file, text, sizeof text, 0) == 6 && unlink(path) == 0 &&
                    memcmp(text, "a line", 6) == 0,
                "a file with the number of a connection");
    (void)close(file);
    int datagrams = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof own;
    sock_expect(datagrams == fd && bind(datagrams, (struct sockaddr *)&own, size) == 0 &&
                    getsockname(datagrams, (struct sockaddr *)&own, &size) == 0 &&
                    sendto(datagrams, "a datagram", 10, 0, (struct sockaddr *)&own, size) == 10 &&
                    recv(datagrams, text, sizeof text, 0) == 10 && memcmp(text, "a datagram", 10) == 0,
                "a datagram socket with the number of a connection");
}

static void number_reused_server(int fd)
{
    text_receive(fd, 0, 100, 100, 1);
    text_expect_end(fd);
}

/* shutdown for reading: a read returns the end of the stream, and writing goes on. */
static void no_reading_client(int fd)
{
    text_send(fd, 0, 1000, 1000, 1);
    text_receive(fd, 0, 500, 500, 2);
    sock_expect(shutdown(fd, SHUT_RD) == 0, "shutdown");
    text_expect_end(fd);
    text_send(fd, 1000, 1000, 1000, 1);
}

static void no_reading_server(int fd)
{
    text_receive(fd, 0, 1000, 1000, 1);
    text_send(fd, 0, 500, 500, 2);
    text_receive(fd, 1000, 1000, 1000, 1);
    text_expect_end(fd);
}

/*
 * An event loop that is out of descriptors closes one that it keeps for this, accepts, closes, and opens the spare
 * again. Its client is in the same thread.
 */
static void no_descriptor_left(const struct sock_target *target)
{
    const struct rlimit limit = {64, 64};
    int listener = sock_listen(target), client = sock_open(target, SOCK_NONBLOCK), kept = -1, error = -1;
    socklen_t length = sizeof error;
    char byte;
    sock_expect(connect(client, (const struct sockaddr *)&target->address, target->length) == 0 ||
                    errno == EINPROGRESS,
                "connect");
    sock_expect(setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit");
    for (int fd = 0; fd >= 0; fd = open("/dev/null", O_RDONLY | O_CLOEXEC))
        kept = fd;
    sock_expect(errno == EMFILE && close(kept) == 0, "no descriptor is left");
    sock_expect(sock_accept(listener) == kept && close(kept) == 0, "accepted, and closed");
    sock_expect(open("/dev/null", O_RDONLY | O_CLOEXEC) == kept, "the number is free again");
    sock_expect(sock_wait(client, POLLOUT) & POLLOUT, "the client is writable");
    sock_expect(getsockopt(client, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error == 0, "SO_ERROR: %d",
                error);
    (void)sock_wait(client, POLLIN);
    sock_expect(recv(client, &byte, 1, 0) == 0, "the client finds the end");
}

static const struct scenario scenarios[] = {
    {"abort", abort_server, abort_client, NULL},
    {"abort_late", abort_late_server, abort_late_client, NULL},
    {"to_the_closed", to_the_closed_server, closed_client, NULL},
    {"closes_unread", closes_unread_server, closes_unread_client, NULL},
    {"duplicates", duplicates_server, duplicates_client, NULL},
    {"closed_by", NULL, NULL, closed_by},
    {"no_descriptor_left", NULL, NULL, no_descriptor_left},
    {"number_reused", number_reused_server, number_reused_client, NULL},
    {"no_reading", no_reading_server, no_reading_client, NULL},
    {0},
};

int main(int argc, char **argv)
{
    return scenario_main(argc, argv, scenarios);
}
