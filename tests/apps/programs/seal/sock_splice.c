/*
 * splice(2), tee(2), vmsplice(2) and sendfile(2) on a connection: between it and pipes that are empty, nearly full,
 * full or closed, blocking and not, in an event loop, and with arguments that the kernel refuses.
 */
#include "../lib/sock.h"

#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

enum { TOTAL = 700001, PAGE = 4096, PIECE = 30000 };

static void make_pipe(int ends[2], int flags, int size)
{
    sock_expect(pipe2(ends, flags | O_CLOEXEC) == 0, "pipe2");
    sock_expect(size == 0 || fcntl(ends[1], F_SETPIPE_SZ, size) >= 0, "F_SETPIPE_SZ");
}

static void expect_error(ssize_t result, int error, const char *what)
{
    sock_expect(result == -1 && errno == error, "%s: returned %zd, expected %s", what, result, strerror(error));
}

/* Takes what is in the pipe, and compares it with stream 1 from offset `at`. Returns the next offset. */
static size_t drain(int pipe, size_t at)
{
    static char bytes[65536];
    ssize_t count;
    while ((count = read(pipe, bytes, sizeof bytes)) > 0) {
        text_check(bytes, (size_t)count, at, 1);
        at += (size_t)count;
    }
    sock_expect(count == 0 || errno == EAGAIN, "read from the pipe");
    return at;
}

static void send_all(int fd)
{
    text_send(fd, 0, TOTAL, PIECE, 1);
    sock_expect(shutdown(fd, SHUT_WR) == 0, "shutdown");
    text_expect_end(fd);
}

static void receive_all(int fd)
{
    text_receive(fd, 0, TOTAL, PIECE, 1);
    text_expect_end(fd);
    (void)close(fd);
}

/* From the connection into a pipe of one size, until the end of the stream. */
static void into(int fd, int flags, int size, bool by_sendfile)
{
    int ends[2];
    size_t at = 0;
    ssize_t count;
    make_pipe(ends, flags, size);
    sock_set_nonblocking(ends[0], true);
    while ((count = by_sendfile ? sendfile(ends[1], fd, NULL, PIECE)
                                : splice(fd, NULL, ends[1], NULL, PIECE, SPLICE_F_MOVE)) > 0) {
        const size_t before = at;
        at = drain(ends[0], at);
        sock_expect(at == before + (size_t)count, "splice returned %zd, %zu bytes are in the pipe", count,
                    at - before);
    }
    sock_expect(count == 0 && at == TOTAL, "it returned %zd after %zu bytes", count, at);
    (void)close(fd);
}

static void into_large(int fd)
{
    into(fd, 0, 0, false);
}

static void into_small(int fd)
{
    into(fd, O_NONBLOCK, PAGE, false);
}

static void into_by_sendfile(int fd)
{
    into(fd, 0, 0, true);
}

/* An empty pipe takes all that has come, not a chunk of the seal only. */
static void into_at_once(int fd)
{
    enum { CHUNK = 16384 };
    int ends[2];
    size_t at = 0;
    ssize_t count, most = 0;
    make_pipe(ends, 0, 0);
    sock_set_nonblocking(ends[0], true);
    while ((count = splice(fd, NULL, ends[1], NULL, TOTAL, 0)) > 0) {
        most = count > most ? count : most;
        at = drain(ends[0], at);
    }
    sock_expect(count == 0 && at == TOTAL, "splice returned %zd after %zu bytes", count, at);
    sock_expect(most > CHUNK, "no call moved more than %zd bytes", most);
    (void)close(fd);
}

/* The pipe keeps what is in it already: it takes only a part of what has come, and the rest stays in the socket. */
static void into_filled(int fd)
{
    int ends[2];
    size_t at = 0;
    make_pipe(ends, O_NONBLOCK, 2 * PAGE);
    while (at < TOTAL) {
        ssize_t count, done = 0;
        while ((count = splice(fd, NULL, ends[1], NULL, TOTAL, SPLICE_F_NONBLOCK)) > 0)
            done += count;
        sock_expect(count == 0 || errno == EAGAIN, "splice");
        sock_expect(count == 0 || sock_ready(ends[1], POLLOUT) == 0, "the pipe is not full after %zd bytes", done);
        at = drain(ends[0], at);
        if (count == 0)
            break;
    }
    sock_expect(at == TOTAL, "%zu bytes came", at);
    (void)close(fd);
}

/* From a pipe with stream 1, which another process writes, to the connection. */
static void out_of(int fd, int size)
{
    int ends[2];
    size_t done = 0;
    ssize_t count;
    make_pipe(ends, 0, size);
    const pid_t writer = sock_fork();
    if (writer == 0) {
        text_send(ends[1], 0, TOTAL, 12345, 1);
        _exit(0);
    }
    (void)close(ends[1]);
    while ((count = splice(ends[0], NULL, fd, NULL, PIECE, SPLICE_F_MORE)) > 0)
        done += (size_t)count;
    sock_expect(count == 0 && done == TOTAL, "splice returned %zd after %zu bytes", count, done);
    sock_expect(sock_reap(writer) == 0, "the writer");
    sock_expect(shutdown(fd, SHUT_WR) == 0, "shutdown");
    text_expect_end(fd);
}

static void out_of_large(int fd)
{
    out_of(fd, 0);
}

static void out_of_small(int fd)
{
    out_of(fd, PAGE);
}

/* A full connection takes a part, and what it does not take stays in the pipe. */
static void out_into_full(int fd)
{
    int ends[2];
    size_t written = 0, sent = 0;
    ssize_t count = 0;
    static char text[PAGE];
    make_pipe(ends, O_NONBLOCK, 0);
    sock_greet(fd);
    sock_set_nonblocking(fd, true);
    while (count >= 0) {
        text_fill(text, sizeof text, written, 1);
        for (ssize_t put; (put = write(ends[1], text, sizeof text)) > 0; text_fill(text, sizeof text, written, 1))
            written += (size_t)put;
        count = splice(ends[0], NULL, fd, NULL, 1 << 20, SPLICE_F_NONBLOCK);
        sock_expect(count != 0 && (count > 0 || errno == EAGAIN), "splice returned %zd", count);
        sent += count > 0 ? (size_t)count : 0;
    }
    side_send(sent);
    sock_set_nonblocking(fd, false);
    (void)close(ends[1]);
    while ((count = splice(ends[0], NULL, fd, NULL, 1 << 20, 0)) > 0)
        sent += (size_t)count;
    sock_expect(count == 0 && sent == written, "%zu of %zu bytes left the pipe", sent, written);
    side_send(sent);
    sock_expect(shutdown(fd, SHUT_WR) == 0, "shutdown");
    text_expect_end(fd);
}

static void out_into_full_reader(int fd)
{
    sock_greet(fd);
    const size_t first = (size_t)side_receive();
    text_receive(fd, 0, first, 65536, 1);
    const size_t all = (size_t)side_receive();
    text_receive(fd, first, all - first, 65536, 1);
    text_expect_end(fd);
    (void)close(fd);
}

/* An event loop that returns everything through a pipe, and never waits anywhere else than in epoll_wait(2). */
static void loop(int fd)
{
    int ends[2], epoll = epoll_create1(EPOLL_CLOEXEC);
    size_t held = 0;
    bool ended = false;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET};
    make_pipe(ends, O_NONBLOCK, 0);
    sock_set_nonblocking(fd, true);
    sock_expect(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "EPOLL_CTL_ADD");
    while (!ended || held > 0) {
        ssize_t in = -1, out = -1;
        if (!ended && (in = splice(fd, NULL, ends[1], NULL, PIECE, SPLICE_F_NONBLOCK)) > 0)
            held += (size_t)in;
        sock_expect(in >= 0 || ended || errno == EAGAIN, "splice from the connection");
        ended = ended || in == 0;
        if (held > 0 && (out = splice(ends[0], NULL, fd, NULL, held, SPLICE_F_NONBLOCK)) > 0)
            held -= (size_t)out;
        sock_expect(out > 0 || held == 0 || errno == EAGAIN, "splice to the connection");
        if (in <= 0 && out <= 0 && !ended)
            sock_expect(epoll_wait(epoll, &event, 1, SOCK_DEADLINE_MS) == 1, "no event, with %zu bytes held", held);
    }
    sock_expect(shutdown(fd, SHUT_WR) == 0, "shutdown");
}

/* What the kernel refuses, or answers without moving anything. The peer has sent nothing. */
static void refused(int fd)
{
    int ends[2], file = memfd_create("file", MFD_CLOEXEC), null = open("/dev/null", O_RDWR | O_CLOEXEC);
    char bytes[PAGE] = "";
    const struct iovec vector = {.iov_base = bytes, .iov_len = sizeof bytes};
    loff_t at = 0;
    off_t offset = 0;
    (void)signal(SIGPIPE, SIG_IGN);
    make_pipe(ends, 0, PAGE);
    sock_greet(fd);
    sock_set_nonblocking(fd, true);
    expect_error(splice(fd, NULL, ends[1], NULL, 1, 0), EAGAIN, "nothing has come");
    expect_error(splice(ends[0], NULL, fd, NULL, 1, SPLICE_F_NONBLOCK), EAGAIN, "the pipe is empty");
    sock_expect(splice(fd, NULL, ends[1], NULL, 0, 0) == 0, "splice of no bytes");
    expect_error(splice(fd, NULL, ends[1], NULL, 1, 0x80), EINVAL, "a flag that does not exist");
    expect_error(splice(fd, &at, ends[1], NULL, 1, 0), EINVAL, "an offset for a socket");
    expect_error(splice(fd, NULL, ends[1], &at, 1, 0), ESPIPE, "an offset for a pipe");
    expect_error(splice(ends[0], NULL, fd, &at, 1, 0), EINVAL, "an offset for a socket that sends");
    expect_error(splice(fd, NULL, fd, NULL, 1, 0), EINVAL, "splice without a pipe");
    expect_error(splice(fd, NULL, null, NULL, 1, 0), EINVAL, "splice to a file");
    expect_error(splice(null, NULL, fd, NULL, 1, 0), EINVAL, "splice from a file");
    expect_error(tee(fd, ends[1], 1, 0), EINVAL, "tee from a socket");
    expect_error(tee(ends[0], fd, 1, 0), EINVAL, "tee to a socket");
    expect_error(vmsplice(fd, &vector, 1, 0), EBADF, "vmsplice to a socket");
    expect_error(sendfile(file, fd, NULL, 1), EINVAL, "sendfile from a socket to a file");
    expect_error(sendfile(ends[1], fd, &offset, 1), ESPIPE, "sendfile from a socket with an offset");
    expect_error(sendfile(ends[1], fd, NULL, 1), EAGAIN, "sendfile from a socket without data");
    expect_error(copy_file_range(file, NULL, fd, NULL, 1, 0), EINVAL, "copy_file_range to a socket");
    sock_expect(write(ends[1], bytes, sizeof bytes) == sizeof bytes, "filling the pipe");
    side_send(0);
    sock_expect(sock_wait(fd, POLLIN) & POLLIN, "readable");
    expect_error(splice(fd, NULL, ends[1], NULL, 1, SPLICE_F_NONBLOCK), EAGAIN, "the pipe is full");
    (void)close(ends[0]);
    expect_error(splice(fd, NULL, ends[1], NULL, 1, 0), EPIPE, "nobody reads the pipe");
    (void)close(ends[1]);
    make_pipe(ends, 0, 0);
    text_receive(fd, 0, 100, 100, 1);
    side_send(0);
    sock_expect(sock_wait(fd, POLLIN) & POLLIN, "readable");
    sock_expect(splice(fd, NULL, ends[1], NULL, 1, 0) == 0, "splice at the end of the stream");
    (void)close(ends[1]);
    sock_expect(splice(ends[0], NULL, fd, NULL, 1, 0) == 0, "splice from a pipe that nobody writes to");
}

static void refused_peer(int fd)
{
    sock_greet(fd);
    (void)side_receive();
    text_send(fd, 0, 100, 100, 1);
    (void)side_receive();
    sock_expect(shutdown(fd, SHUT_WR) == 0, "shutdown");
    text_expect_end(fd);
}

static const struct scenario scenarios[] = {
    {"into_large", into_large, send_all, NULL},
    {"into_small", into_small, send_all, NULL},
    {"into_at_once", into_at_once, send_all, NULL},
    {"into_filled", into_filled, send_all, NULL},
    {"into_by_sendfile", into_by_sendfile, send_all, NULL},
    {"out_of_large", receive_all, out_of_large, NULL},
    {"out_of_small", receive_all, out_of_small, NULL},
    {"out_into_full", out_into_full_reader, out_into_full, NULL},
    {"loop", loop, sock_echo_client, NULL},
    {"refused", refused_peer, refused, NULL},
    {0},
};

int main(int argc, char **argv)
{
    return scenario_main(argc, argv, scenarios);
}
