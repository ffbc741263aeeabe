#include "sock.h"

#include <sys/syscall.h>

struct sock_target sock_target_global;
int sock_side = -1;
pid_t sock_peer_pid;

void sock_fail_at(const char *file, int line, const char *format, ...)
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

bool sock_is_sealed(void)
{
    return getenv("SOCK_SEALED") != NULL;
}

unsigned char text_byte(uint64_t at, unsigned seed)
{
    unsigned place = (unsigned)(at & 15);
    if (place < 8)
        return (unsigned char)"PFSMARK:"[place];
    uint32_t word = (uint32_t)((at >> 4) * 2654435761U) ^ (seed * 0x9e3779b9U);
    return (unsigned char)"0123456789abcdef"[(word >> (4 * (15 - place))) & 15];
}

void text_fill(void *buffer, size_t size, uint64_t at, unsigned seed)
{
    unsigned char *bytes = buffer;
    for (size_t i = 0; i < size; i++)
        bytes[i] = text_byte(at + i, seed);
}

void text_check(const void *buffer, size_t size, uint64_t at, unsigned seed)
{
    const unsigned char *bytes = buffer;
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != text_byte(at + i, seed))
            sock_fail("byte %" PRIu64 " of stream %u is 0x%02x, expected 0x%02x", at + i, seed, bytes[i],
                      text_byte(at + i, seed));
}

void text_send(int fd, uint64_t at, size_t size, size_t step, unsigned seed)
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

void text_receive(int fd, uint64_t at, size_t size, size_t step, unsigned seed)
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

void text_expect_end(int fd)
{
    char byte;
    for (int i = 0; i < 3; i++) {
        ssize_t n = read(fd, &byte, 1);
        sock_expect(n == 0, "read at the end of the stream returned %zd, expected 0", n);
    }
}

void text_expect_end_at(int fd, uint64_t at, unsigned seed)
{
    unsigned char byte;
    ssize_t n = sock_is_sealed() ? read(fd, &byte, 1) : 0;
    sock_expect(n >= 0, "read at byte %" PRIu64 ", near the end", at);
    if (n == 1)
        text_check(&byte, 1, at, seed);
    text_expect_end(fd);
}

void text_take_turn(int fd, size_t size, size_t piece)
{
    text_receive(fd, piece * size, size, 300, 1);
    text_send(fd, piece * size, size, 300, 2);
}

struct sock_target sock_target_parse(const char *address, const char *port)
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

/* To be called before the socket is connected. */
static void sock_set_small(int fd)
{
    const char *text = getenv("SOCK_SMALL");
    int size = text ? (int)strtol(text, NULL, 10) : 0, segment = 536;
    if (size)
        sock_expect(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size) == 0 &&
                        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) == 0 &&
                        setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment) == 0,
                    "SO_SNDBUF, SO_RCVBUF and TCP_MAXSEG");
}

int sock_listen(const struct sock_target *target)
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

int sock_open(const struct sock_target *target, int flags)
{
    int fd = socket(target->address.ss_family, SOCK_STREAM | flags, 0);
    sock_expect(fd >= 0, "socket");
    sock_set_small(fd);
    return fd;
}

int sock_connect(const struct sock_target *target)
{
    int fd = sock_open(target, 0);
    sock_expect(connect(fd, (const struct sockaddr *)&target->address, target->length) == 0, "connect");
    return fd;
}

int sock_accept(int listener)
{
    int fd = accept(listener, NULL, NULL);
    sock_expect(fd >= 0, "accept");
    return fd;
}

void sock_set_nonblocking(int fd, bool on)
{
    int flags = fcntl(fd, F_GETFL);
    sock_expect(flags >= 0 && fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) == 0, "fcntl");
}

void sock_set_nodelay(int fd)
{
    int on = 1;
    sock_expect(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0, "TCP_NODELAY");
}

int sock_wait(int fd, int events)
{
    struct pollfd wait = {.fd = fd, .events = (short)events};
    int n;
    do
        n = poll(&wait, 1, SOCK_DEADLINE_MS);
    while (n < 0 && errno == EINTR);
    sock_expect(n == 1, "poll for 0x%x returned %d", (unsigned)events, n);
    return wait.revents;
}

int sock_ready(int fd, int events)
{
    struct pollfd wait = {.fd = fd, .events = (short)events};
    int n = poll(&wait, 1, 0);
    sock_expect(n >= 0, "poll");
    return n == 0 ? 0 : wait.revents;
}

size_t sock_stuff(int fd, size_t limit, unsigned seed)
{
    static unsigned char buffer[16384];
    size_t done = 0;
    while (done < limit) {
        size_t part = limit - done < sizeof buffer ? limit - done : sizeof buffer;
        text_fill(buffer, part, done, seed);
        ssize_t n = write(fd, buffer, part);
        if (n < 0 && errno == EAGAIN) {
            /* A sealed connection takes nothing before its handshake. It is full only after it has taken something.
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

void sock_greet(int fd)
{
    char byte = 'g';
    sock_expect(write(fd, &byte, 1) == 1 && read(fd, &byte, 1) == 1 && byte == 'g', "a greeting");
}

void sock_echo_client(int fd)
{
    sock_set_nodelay(fd);
    for (size_t at = 0; at < 300000; at += 50000) {
        text_send(fd, at, 50000, 7000, 1);
        text_receive(fd, at, 50000, 7000, 1);
    }
    sock_expect(shutdown(fd, SHUT_WR) == 0, "shutdown");
    text_expect_end(fd);
}

void side_send(uint64_t word)
{
    sock_expect(write(sock_side, &word, sizeof word) == sizeof word, "sending to the other side");
}

uint64_t side_receive(void)
{
    uint64_t word = 0;
    ssize_t n;
    do
        n = read(sock_side, &word, sizeof word);
    while (n < 0 && errno == EINTR);
    sock_expect(n == sizeof word, "receiving from the other side: %zd", n);
    return word;
}

static pid_t child_of(pid_t pid)
{
    sock_expect(pid >= 0, "fork");
    if (pid == 0)
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    return pid;
}

pid_t sock_fork(void)
{
    return child_of(fork());
}

pid_t sock_fork_by_clone(void)
{
    return child_of((pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL));
}

int sock_reap(pid_t pid)
{
    int status = 0;
    pid_t got;
    do
        got = waitpid(pid, &status, 0);
    while (got < 0 && errno == EINTR);
    sock_expect(got == pid, "waitpid(%d) returned %d", pid, got);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

const char *sock_program(void)
{
    const char *other = getenv("SOCK_PROGRAM");
    return other ? other : "/proc/self/exe";
}

char sock_state_of(pid_t pid)
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

/* For the client's end of a link between two network namespaces. NULL: both ends are in this one. */
static void sock_enter_namespace(const char *path)
{
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    sock_expect(!path || (fd >= 0 && setns(fd, CLONE_NEWNET) == 0), "entering the network namespace %s", path);
    if (fd >= 0)
        (void)close(fd);
}

static void scenario_run_pair(const struct scenario *scenario, const struct sock_target *target)
{
    int side[2];
    int listener = sock_listen(target);
    sock_expect(socketpair(AF_UNIX, SOCK_STREAM, 0, side) == 0, "socketpair");
    pid_t pid = sock_fork();
    if (pid == 0) {
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

/* The two ends are programs of their own, which share a Unix socket: SOCK_SIDE is its number. */
static void sock_take_side(void)
{
    const char *number = getenv("SOCK_SIDE");
    if (number)
        sock_side = atoi(number);
}

int scenario_main(int argc, char **argv, const struct scenario *scenarios)
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
        sock_take_side();
        scenario->client(sock_connect(&target));
    } else if (strcmp(role, "server") == 0) {
        sock_take_side();
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
