/*
 * Connections across exec: in the manner of inetd, of daemons that close everything, and of servers that execute
 * themselves. A fifth argument is the program to execute with the connection as descriptors 0, 1 and 2.
 */
#include "../lib/sock.h"

static const char *inetd_program;

/* --- inetd: the connection becomes the standard streams of another program --- */

static void inetd_server(int fd)
{
    pid_t pid = sock_fork();
    if (pid == 0) {
        sock_expect(dup2(fd, 0) == 0 && dup2(fd, 1) == 1 && dup2(fd, 2) == 2, "dup2");
        if (fd > 2)
            (void)close(fd);
        if (strchr(inetd_program, ' '))
            (void)execl("/bin/sh", "sh", "-c", inetd_program, (char *)NULL);
        else
            (void)execl(inetd_program, inetd_program, (char *)NULL);
        _exit(127);
    }
    (void)close(fd);
    sock_expect(sock_reap(pid) == 0, "the executed program");
}

/* The same after bytes have been exchanged: the executed program continues in the middle of both streams. */
static void inetd_later_server(int fd)
{
    text_receive(fd, 0, 1000, 300, 1);
    text_send(fd, 0, 1000, 300, 2);
    inetd_server(fd);
}

static void expect_line(int fd, const char *line)
{
    char text[256];
    size_t length = strlen(line), got = 0;
    while (got < length) {
        ssize_t n = read(fd, text + got, length - got);
        sock_expect(n > 0, "read returned %zd where \"%s\" is due", n, line);
        got += (size_t)n;
    }
    sock_expect(memcmp(text, line, length) == 0, "read \"%.*s\", expected \"%s\"", (int)length, text, line);
}

/* Lines in both directions, in order; the program says "bye" when the stream ends. */
static void line_client(int fd)
{
    char line[128], answer[160];
    expect_line(fd, "PFSMARK:hello\n");
    for (int i = 0; i < 50; i++) {
        (void)snprintf(line, sizeof line, "PFSMARK:line %d\n", i);
        (void)snprintf(answer, sizeof answer, "got %s", line);
        sock_expect(write(fd, line, strlen(line)) == (ssize_t)strlen(line), "write");
        expect_line(fd, answer);
    }
    sock_expect(shutdown(fd, SHUT_WR) == 0, "shutdown");
    expect_line(fd, "PFSMARK:bye\n");
    text_expect_end(fd);
}

static void line_later_client(int fd)
{
    text_send(fd, 0, 1000, 300, 1);
    text_receive(fd, 0, 1000, 300, 2);
    line_client(fd);
}

/* For a program that only writes: what it wrote arrives although it has ended. */
static void reading_client(int fd)
{
    text_receive(fd, 0, 16, 16, 0);
    char byte;
    size_t total = 16;
    static char buffer[65536];
    ssize_t n;
    while ((n = read(fd, buffer, sizeof buffer)) > 0)
        total += (size_t)n;
    sock_expect(n == 0 && total == 1000000, "%zu bytes and then %zd", total, n);
    (void)byte;
}

/* --- a server that executes itself, with the connection at a known descriptor number --- */

static void again_server(int fd)
{
    char number[16], port[16], address[64];
    text_receive(fd, 0, 5000, 700, 1);
    text_send(fd, 0, 5000, 700, 2);
    sock_expect(dup2(fd, 7) == 7, "dup2");
    (void)snprintf(number, sizeof number, "%d", 7);
    (void)snprintf(port, sizeof port, "%d", (int)getpid());
    (void)snprintf(address, sizeof address, "%d", (int)sock_peer_pid);
    (void)execl(sock_program(), "sock_exec", "continue", number, port, address, (char *)NULL);
    sock_fail("execl");
}

static void again_client(int fd)
{
    text_send(fd, 0, 5000, 700, 1);
    text_receive(fd, 0, 5000, 700, 2);
    text_send(fd, 5000, 50000, 7000, 1);
    text_receive(fd, 5000, 50000, 7000, 2);
    text_send(fd, 55000, 5000, 7000, 1);
    sock_expect(shutdown(fd, SHUT_WR) == 0, "shutdown");
    text_receive(fd, 55000, 5000, 7000, 2);
    text_expect_end(fd);
}

/* After the exec: the same process, with nothing but the descriptor. It forks, to show that this still works. */
static int continue_server(const char *number, const char *pid, const char *peer)
{
    int fd = (int)strtol(number, NULL, 10);
    sock_expect(getpid() == (pid_t)strtol(pid, NULL, 10), "the process is another");
    /* The other descriptors from before the exec are still open; sshd closes them like this. */
    sock_expect(close_range(3, (unsigned)fd - 1, 0) == 0 && close_range((unsigned)fd + 1, ~0U, 0) == 0,
                "close_range");
    text_receive(fd, 5000, 50000, 7000, 1);
    text_send(fd, 5000, 50000, 7000, 2);
    pid_t child = fork();
    sock_expect(child >= 0, "fork");
    if (child == 0) {
        text_receive(fd, 55000, 5000, 7000, 1);
        text_send(fd, 55000, 5000, 7000, 2);
        _exit(0);
    }
    sock_expect(sock_reap(child) == 0, "the forked child");
    text_expect_end(fd);
    sock_expect(close(fd) == 0, "close");
    sock_expect(sock_reap((pid_t)strtol(peer, NULL, 10)) == 0, "the client's process");
    (void)printf("ok\n");
    return 0;
}

/* --- a failed exec changes nothing --- */

static void failed_exec_client(int fd)
{
    sock_set_nodelay(fd);
    text_send(fd, 0, 1000, 300, 1);
    for (int i = 0; i < 3; i++) {
        sock_expect(fcntl(fd, F_SETFD, i == 1 ? FD_CLOEXEC : 0) == 0, "FD_CLOEXEC");
        sock_expect(execl("/nonexistent/program", "program", (char *)NULL) == -1 && errno == ENOENT, "execl");
        text_send(fd, 1000 + (size_t)i * 1000, 1000, 300, 1);
        text_receive(fd, (size_t)i * 1000, 1000, 300, 2);
    }
}

static void failed_exec_server(int fd)
{
    sock_set_nodelay(fd);
    text_receive(fd, 0, 1000, 300, 1);
    for (size_t at = 0; at < 3000; at += 1000) {
        text_receive(fd, 1000 + at, 1000, 300, 1);
        text_send(fd, at, 1000, 300, 2);
    }
    text_expect_end(fd);
}

/* --- daemons that close every descriptor --- */

static void close_everything(int way, int but)
{
    if (way == 0) {
        for (int fd = 3; fd < 20000; fd++)
            if (fd != but)
                (void)close(fd);
    } else if (way == 1) {
        if (but > 3)
            (void)close_range(3, (unsigned)but - 1, 0);
        (void)close_range((unsigned)but + 1, ~0U, 0);
    } else {
        sock_expect(dup2(but, 3) == 3, "dup2");
        closefrom(4);
    }
}

/* Closes all descriptors before it listens, and all but the connection when it serves; the log goes on. */
static void daemon_closes(const struct sock_target *target)
{
    for (int way = 0; way < 3; way++) {
        closefrom(3);
        (void)close_range(3, ~0U, 0);
        int listener = sock_listen(target);
        pid_t pid = sock_fork();
        if (pid == 0) {
            (void)close(listener);
            int fd = sock_connect(target);
            sock_echo_client(fd);
            exit(0);
        }
        int fd = sock_accept(listener);
        sock_set_nodelay(fd);
        text_receive(fd, 0, 5000, 5000, 1);
        text_send(fd, 0, 5000, 5000, 1);
        close_everything(way, fd);
        fd = way == 2 ? 3 : fd;
        for (size_t at = 5000; at < 300000; at += 5000) {
            text_receive(fd, at, 5000, 5000, 1);
            text_send(fd, at, 5000, 5000, 1);
        }
        text_expect_end(fd);
        (void)close(fd);
        sock_expect(sock_reap(pid) == 0, "the client's process");
    }
}

/* 0, 1 and 2 are closed: the connection becomes 0, and the next descriptors are 1 and 2, as on bare TCP. */
static void low_descriptors(const struct sock_target *target)
{
    int out = dup(1), err = dup(2);
    int listener = sock_listen(target);
    pid_t pid = sock_fork();
    if (pid == 0) {
        sock_echo_client(sock_connect(target));
        exit(0);
    }
    for (int i = 0; i < 3; i++)
        (void)close(i);
    int fd = accept(listener, NULL, NULL), one = open("/dev/null", O_RDWR), two = dup(one);
    if (fd != 0 || one != 1 || two != 2) {
        (void)dup2(err, 2);
        sock_fail("accept gave %d, then open %d and dup %d; expected 0, 1, 2", fd, one, two);
    }
    (void)dup2(err, 2);
    sock_set_nodelay(fd);
    for (size_t at = 0; at < 300000; at += 5000) {
        text_receive(fd, at, 5000, 5000, 1);
        text_send(fd, at, 5000, 5000, 1);
    }
    text_expect_end(fd);
    (void)close(fd);
    sock_expect(dup2(out, 1) == 1, "dup2");
    sock_expect(sock_reap(pid) == 0, "the client's process");
}

/* A program that inherits the connection by accident does not disturb the stream. */
static void inherited_server(int fd)
{
    text_receive(fd, 0, 1000, 1000, 1);
    pid_t pid = fork();
    if (pid == 0) {
        (void)execl("/bin/true", "true", (char *)NULL);
        _exit(127);
    }
    sock_expect(sock_reap(pid) == 0, "true");
    text_send(fd, 0, 1000, 1000, 2);
    text_receive(fd, 1000, 1000, 1000, 1);
    text_expect_end(fd);
}

static void inherited_client(int fd)
{
    text_send(fd, 0, 1000, 1000, 1);
    text_receive(fd, 0, 1000, 1000, 2);
    text_send(fd, 1000, 1000, 1000, 1);
}

static const struct scenario scenarios[] = {
    {"lines", inetd_server, line_client, NULL},
    {"lines_later", inetd_later_server, line_later_client, NULL},
    {"echo", inetd_server, sock_echo_client, NULL},
    {"writes", inetd_server, reading_client, NULL},
    {"again", again_server, again_client, NULL},
    {"failed_exec", failed_exec_server, failed_exec_client, NULL},
    {"daemon_closes", NULL, NULL, daemon_closes},
    {"low_descriptors", NULL, NULL, low_descriptors},
    {"inherited", inherited_server, inherited_client, NULL},
    {0},
};

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "continue") == 0)
        return continue_server(argv[2], argv[3], argv[4]);
    inetd_program = argc > 5 ? argv[5] : "/bin/cat";
    return scenario_main(argc, argv, scenarios);
}
