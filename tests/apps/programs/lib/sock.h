/*
 * What the sock_*.c programs share. A scenario is a sentence about a TCP connection, told as two functions, one for
 * each end, or as one function that holds both ends. Each program runs one of its scenarios:
 *
 *     sock_X SCENARIO PORT [ADDRESS [both|client|server]]
 *
 * and prints "ok" if everything it expects came true. The programs know nothing of pfswrap: what they expect holds
 * on bare TCP. Where a sealed connection must differ (a truncated stream is an error), they ask sock_is_sealed().
 */
#ifndef PFSWRAP_TESTS_SOCK_H
#define PFSWRAP_TESTS_SOCK_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#define SOCK_UNUSED __attribute__((unused))

enum { SOCK_DEADLINE_MS = 50000 }; /* what waits longer than this has hung, on a busy machine too */

struct sock_target {
    struct sockaddr_storage address;
    socklen_t length;
};

struct scenario {
    const char *name;
    void (*server)(int fd);                          /* with the accepted connection */
    void (*client)(int fd);                          /* with the connected one, in a child process */
    void (*alone)(const struct sock_target *target); /* or: one function that makes its own connections */
};

static struct sock_target sock_target_global; /* for scenarios that open further connections */
static int sock_side = -1;                    /* a Unix socket to the other end's process, for "now you" */
static pid_t sock_peer_pid;                   /* the client's process, in the server's */

/* Says what was expected and ends the process with status 1. */
#define sock_fail(...) sock_fail_at(__FILE__, __LINE__, __VA_ARGS__)
#define sock_expect(condition, ...)                                                                                \
    do {                                                                                                           \
        if (!(condition))                                                                                          \
            sock_fail_at(__FILE__, __LINE__, __VA_ARGS__);                                                         \
    } while (0)

SOCK_UNUSED __attribute__((noreturn, format(printf, 3, 4))) static void sock_fail_at(const char *file, int line,
                                                                                     const char *format, ...)
{
    char text[512];
    int error = errno;
    va_list list;
    va_start(list, format);
    (void)vsnprintf(text, sizeof text, format, list);
    va_end(list);
    (void)fprintf(stderr, "%s:%d: pid %d: %s (errno %d, %s)\n", file, line, getpid(), text, error, strerror(error));
    (void)fflush(stderr);
    _exit(1);
}

/* Whether the connections of this run are sealed: the test that started us knows. */
SOCK_UNUSED static bool sock_is_sealed(void)
{
    return getenv("SOCK_SEALED") != NULL;
}

/* --- what is sent: text whose every byte tells its place, and that a look at the wire would recognise --- */

SOCK_UNUSED static unsigned char text_byte(uint64_t at, unsigned seed)
{
    unsigned place = (unsigned)(at & 15);
    if (place < 8)
        return (unsigned char)"PFSMARK:"[place];
    uint32_t word = (uint32_t)((at >> 4) * 2654435761U) ^ (seed * 0x9e3779b9U);
    return (unsigned char)"0123456789abcdef"[(word >> (4 * (15 - place))) & 15];
}

SOCK_UNUSED static void text_fill(void *buffer, size_t size, uint64_t at, unsigned seed)
{
    unsigned char *bytes = buffer;
    for (size_t i = 0; i < size; i++)
        bytes[i] = text_byte(at + i, seed);
}

SOCK_UNUSED static void text_check(const void *buffer, size_t size, uint64_t at, unsigned seed)
{
    const unsigned char *bytes = buffer;
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != text_byte(at + i, seed))
            sock_fail("byte %" PRIu64 " of stream %u is 0x%02x, expected 0x%02x", at + i, seed, bytes[i],
                      text_byte(at + i, seed));
}

/* Sends `size` bytes of stream `seed`, from place `at`, in writes of at most `step`. */
SOCK_UNUSED static void text_send(int fd, uint64_t at, size_t size, size_t step, unsigned seed)
{
    unsigned char *buffer = malloc(step);
    sock_expect(buffer != NULL, "malloc");
    for (size_t done = 0; done < size;) {
        size_t part = size - done < step ? size - done : step;
        text_fill(buffer, part, at + done, seed);
        for (size_t sent = 0; sent < part;) {
            ssize_t n = write(fd, buffer + sent, part - sent);
            if (n < 0 && errno == EINTR)
                continue;
            sock_expect(n > 0, "write of %zu bytes at %zu returned %zd", part - sent, done + sent, n);
            sent += (size_t)n;
        }
        done += part;
    }
    free(buffer);
}

/* Receives exactly `size` bytes of stream `seed` from place `at`, in reads of at most `step`, and compares. */
SOCK_UNUSED static void text_receive(int fd, uint64_t at, size_t size, size_t step, unsigned seed)
{
    unsigned char *buffer = malloc(step);
    sock_expect(buffer != NULL, "malloc");
    for (size_t done = 0; done < size;) {
        size_t part = size - done < step ? size - done : step;
        ssize_t n = read(fd, buffer, part);
        if (n < 0 && errno == EINTR)
            continue;
        sock_expect(n > 0, "read at byte %zu of %zu returned %zd", done, size, n);
        text_check(buffer, (size_t)n, at + done, seed);
        done += (size_t)n;
    }
    free(buffer);
}

/* The stream must be at its orderly end, and stay there. */
SOCK_UNUSED static void text_expect_end(int fd)
{
    char byte;
    for (int i = 0; i < 3; i++) {
        ssize_t n = read(fd, &byte, 1);
        sock_expect(n == 0, "read at the end of the stream returned %zd, expected 0", n);
    }
}

/*
 * The end of a stream whose sender gave up on a full socket: `at` bytes were reported as sent. A sealed one may
 * have one more, the next of what the sender had offered: a frame of which the kernel took a part has to be
 * finished.
 */
SOCK_UNUSED static void text_expect_end_at(int fd, uint64_t at, unsigned seed)
{
    unsigned char byte;
    ssize_t n = sock_is_sealed() ? read(fd, &byte, 1) : 0;
    sock_expect(n >= 0, "read at byte %" PRIu64 ", near the end", at);
    if (n == 1)
        text_check(&byte, 1, at, seed);
    text_expect_end(fd);
}

/* --- connections --- */

SOCK_UNUSED static struct sock_target sock_target_parse(const char *address, const char *port)
{
    struct sock_target target = {0};
    struct sockaddr_in *four = (struct sockaddr_in *)&target.address;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&target.address;
    uint16_t number = htons((uint16_t)strtoul(port, NULL, 10));
    if (inet_pton(AF_INET, address, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = number;
        target.length = sizeof *four;
    } else if (inet_pton(AF_INET6, address, &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        six->sin6_port = number;
        target.length = sizeof *six;
    } else {
        sock_fail("no address: %s", address);
    }
    return target;
}

/*
 * With SOCK_SMALL=BYTES in the environment the kernel's buffers are that small, and segments fit them, as they do
 * on a network: the loopback's segments of 64 KiB would stop and start by timers. To be set before a connection is
 * there.
 */
SOCK_UNUSED static void sock_set_small(int fd)
{
    const char *text = getenv("SOCK_SMALL");
    int size = text ? (int)strtol(text, NULL, 10) : 0, segment = 536;
    if (size)
        sock_expect(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size) == 0 &&
                        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) == 0 &&
                        setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment) == 0,
                    "SO_SNDBUF, SO_RCVBUF and TCP_MAXSEG");
}

SOCK_UNUSED static int sock_listen(const struct sock_target *target)
{
    int on = 1;
    int fd = socket(target->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sock_set_small(fd);
    sock_expect(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
                    bind(fd, (const struct sockaddr *)&target->address, target->length) == 0 &&
                    listen(fd, 128) == 0,
                "listen");
    return fd;
}

/* A socket for the target that is not connected yet; `flags` as SOCK_NONBLOCK. */
SOCK_UNUSED static int sock_open(const struct sock_target *target, int flags)
{
    int fd = socket(target->address.ss_family, SOCK_STREAM | flags, 0);
    sock_expect(fd >= 0, "socket");
    sock_set_small(fd);
    return fd;
}

SOCK_UNUSED static int sock_connect(const struct sock_target *target)
{
    int fd = sock_open(target, 0);
    sock_expect(connect(fd, (const struct sockaddr *)&target->address, target->length) == 0, "connect");
    return fd;
}

SOCK_UNUSED static int sock_accept(int listener)
{
    int fd = accept(listener, NULL, NULL);
    sock_expect(fd >= 0, "accept");
    return fd;
}

SOCK_UNUSED static void sock_set_nonblocking(int fd, bool on)
{
    int flags = fcntl(fd, F_GETFL);
    sock_expect(flags >= 0 && fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) == 0, "fcntl");
}

SOCK_UNUSED static void sock_set_nodelay(int fd)
{
    int on = 1;
    sock_expect(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0, "TCP_NODELAY");
}

/* Waits for `events` on one descriptor by poll; returns what came. */
SOCK_UNUSED static int sock_wait(int fd, int events)
{
    struct pollfd wait = {.fd = fd, .events = (short)events};
    int n;
    do
        n = poll(&wait, 1, SOCK_DEADLINE_MS);
    while (n < 0 && errno == EINTR);
    sock_expect(n == 1, "poll for 0x%x returned %d", (unsigned)events, n);
    return wait.revents;
}

/* Whether `events` are there now. */
SOCK_UNUSED static int sock_ready(int fd, int events)
{
    struct pollfd wait = {.fd = fd, .events = (short)events};
    int n = poll(&wait, 1, 0);
    sock_expect(n >= 0, "poll");
    return n == 0 ? 0 : wait.revents;
}

/* Sends stream `seed` on a non-blocking descriptor until it takes no more, or `limit` bytes. Returns how many. */
SOCK_UNUSED static size_t sock_stuff(int fd, size_t limit, unsigned seed)
{
    static unsigned char buffer[16384];
    size_t done = 0;
    while (done < limit) {
        size_t part = limit - done < sizeof buffer ? limit - done : sizeof buffer;
        text_fill(buffer, part, done, seed);
        ssize_t n = write(fd, buffer, part);
        if (n < 0 && errno == EAGAIN) {
            /* Before the handshake of a sealed connection nothing is taken; it is full once it has taken something.
             */
            if (done == 0)
                (void)sock_wait(fd, POLLOUT);
            else
                return done;
            continue;
        }
        sock_expect(n > 0, "write returned %zd after %zu bytes", n, done);
        done += (size_t)n;
    }
    return done;
}

/* A byte each way: after this nothing is left to do for a connection to be complete, of whatever kind it is. */
SOCK_UNUSED static void sock_greet(int fd)
{
    char byte = 'g';
    sock_expect(write(fd, &byte, 1) == 1 && read(fd, &byte, 1) == 1 && byte == 'g', "a greeting");
}

/* --- the other end's process, told by a Unix socket what no connection under test should carry --- */

SOCK_UNUSED static void side_tell(uint64_t word)
{
    sock_expect(write(sock_side, &word, sizeof word) == sizeof word, "telling the other side");
}

SOCK_UNUSED static uint64_t side_hear(void)
{
    uint64_t word = 0;
    ssize_t n;
    do
        n = read(sock_side, &word, sizeof word);
    while (n < 0 && errno == EINTR);
    sock_expect(n == sizeof word, "hearing from the other side: %zd", n);
    return word;
}

/* The exit status of a child, which must have ended by itself; signals count as 128 + their number. */
SOCK_UNUSED static int sock_reap(pid_t pid)
{
    int status = 0;
    pid_t got;
    do
        got = waitpid(pid, &status, 0);
    while (got < 0 && errno == EINTR);
    sock_expect(got == pid, "waitpid(%d) returned %d", pid, got);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* The state letter of a process or thread (proc(5), stat, field 3): S is asleep, Z has ended. */
SOCK_UNUSED static char sock_state_of(pid_t pid)
{
    char path[64], line[512];
    (void)snprintf(path, sizeof path, "/proc/%d/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 'X';
    ssize_t n = read(fd, line, sizeof line - 1);
    (void)close(fd);
    line[n > 0 ? n : 0] = 0;
    char *end = strrchr(line, ')');
    return end && end[1] ? end[2] : 'X';
}

/* --- running --- */

/* The client's end of a link between two network namespaces; NULL: both are here. */
SOCK_UNUSED static void sock_enter_namespace(const char *path)
{
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    sock_expect(!path || (fd >= 0 && setns(fd, CLONE_NEWNET) == 0), "entering the network namespace %s", path);
    if (fd >= 0)
        (void)close(fd);
}

SOCK_UNUSED static void scenario_run_pair(const struct scenario *scenario, const struct sock_target *target)
{
    int side[2];
    int listener = sock_listen(target);
    sock_expect(socketpair(AF_UNIX, SOCK_STREAM, 0, side) == 0, "socketpair");
    pid_t pid = fork();
    sock_expect(pid >= 0, "fork");
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)close(listener);
        (void)close(side[0]);
        sock_side = side[1];
        sock_enter_namespace(getenv("SOCK_CLIENT_NAMESPACE"));
        scenario->client(sock_connect(target));
        exit(0);
    }
    (void)close(side[1]);
    sock_side = side[0];
    sock_peer_pid = pid;
    int fd = sock_accept(listener);
    (void)close(listener);
    scenario->server(fd);
    if (sock_peer_pid) {
        int status = sock_reap(pid);
        sock_expect(status == 0, "the client's process ended with %d", status);
    }
}

SOCK_UNUSED static int scenario_main(int argc, char **argv, const struct scenario *scenarios)
{
    if (argc < 3) {
        (void)fprintf(stderr, "usage: %s SCENARIO PORT [ADDRESS [both|client|server]]\n", argv[0]);
        return 64;
    }
    const struct scenario *scenario = scenarios;
    while (scenario->name && strcmp(scenario->name, argv[1]) != 0)
        scenario++;
    if (!scenario->name) {
        (void)fprintf(stderr, "no scenario is called %s\n", argv[1]);
        return 64;
    }
    const char *role = argc > 4 ? argv[4] : "both";
    struct sock_target target = sock_target_parse(argc > 3 ? argv[3] : "127.0.0.1", argv[2]);
    sock_target_global = target;
    if (scenario->alone) {
        scenario->alone(&target);
    } else if (strcmp(role, "client") == 0) {
        scenario->client(sock_connect(&target));
    } else if (strcmp(role, "server") == 0) {
        int listener = sock_listen(&target);
        int fd = sock_accept(listener);
        (void)close(listener);
        scenario->server(fd);
    } else {
        scenario_run_pair(scenario, &target);
    }
    (void)printf("ok\n");
    return 0;
}

#endif
