/*
 * A process is killed at either end of a relayed connection: the peer, or the program behind the relay. The stream
 * must not look complete then.
 */
#include "../lib/sock.h"

static const char *executed;

static void killed_peer_server(int fd)
{
    pid_t pid = fork();
    if (pid == 0) {
        (void)dup2(fd, 0);
        (void)dup2(fd, 1);
        (void)dup2(fd, 2);
        (void)execl(executed, executed, (char *)NULL);
        _exit(127);
    }
    sock_expect(close(fd) == 0, "close");
    sock_expect(sock_reap(pid) == (sock_is_sealed() ? 1 : 0), "what the program made of the end");
    sock_expect(sock_reap(sock_peer_pid) == 128 + SIGKILL, "the client");
    sock_peer_pid = 0;
}

static void killed_peer_client(int fd)
{
    char text[14];
    sock_expect(recv(fd, text, sizeof text, MSG_WAITALL) == sizeof text, "recv");
    text_send(fd, 0, 8, 8, 0);
    (void)raise(SIGKILL);
}

/* The same with read and with write, in a process that goes on. */
static void killed_peer_calls_server(int fd)
{
    char text[16];
    sock_expect(dup2(fd, 0) == 0 && close(fd) == 0, "dup2");
    (void)signal(SIGPIPE, SIG_IGN);
    text_send(0, 0, 14, 14, 0);
    ssize_t n = recv(0, text, 8, MSG_WAITALL);
    sock_expect(n == 8, "recv returned %zd", n);
    n = read(0, text, sizeof text);
    sock_expect(sock_is_sealed() ? n == -1 && errno == ECONNRESET : n == 0, "the end: %zd", n);
    do
        n = write(0, "x", 1);
    while (n == 1);
    sock_expect(errno == EPIPE || errno == ECONNRESET, "write");
    sock_expect(sock_reap(sock_peer_pid) == 128 + SIGKILL, "the client");
    sock_peer_pid = 0;
}

/* --- the program behind a relay is killed, or a process that it has started continues without it --- */

/* The process that has the connection as 0 and 1: the program, or one that only waits. */
static pid_t start_low(int fd, const char *program)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    (void)dup2(fd, 0);
    (void)dup2(fd, 1);
    (void)close(fd);
    (void)close(sock_side);
    if (program != NULL)
        (void)execl(program, program, (char *)NULL);
    text_send(1, 0, 14, 14, 0);
    for (;;)
        (void)pause();
}

static void killed_program_server(int fd)
{
    const char *const programs[] = {executed, NULL};
    pid_t pid = start_low(fd, programs[strcmp(executed, "none") == 0]);
    sock_expect(close(fd) == 0, "close");
    sock_expect(side_receive() == 1, "the client has its bytes");
    sock_expect(kill(pid, SIGKILL) == 0 && sock_reap(pid) == 128 + SIGKILL, "the program");
}

static void killed_program_client(int fd)
{
    char text[16];
    sock_expect(recv(fd, text, 14, MSG_WAITALL) == 14, "recv");
    side_send(1);
    ssize_t n = recv(fd, text, sizeof text, 0);
    sock_expect(sock_is_sealed() ? n == -1 && errno == ECONNRESET : n == 0, "the end: %zd", n);
}

static void survived_program_server(int fd)
{
    int go[2];
    sock_expect(pipe(go) == 0, "pipe");
    pid_t pid = fork();
    if (pid == 0) {
        (void)dup2(fd, 0);
        (void)close(fd);
        if (fork() == 0) {
            (void)close(go[1]);
            sock_expect(read(go[0], &pid, 1) == 0, "the pipe ends");
            text_send(0, 14, 100, 100, 0);
            _exit(0);
        }
        (void)close(go[1]);
        text_send(0, 0, 14, 14, 0);
        for (;;)
            (void)pause();
    }
    sock_expect(close(fd) == 0 && close(go[0]) == 0, "close");
    sock_expect(side_receive() == 1, "the client has its bytes");
    sock_expect(kill(pid, SIGKILL) == 0 && sock_reap(pid) == 128 + SIGKILL, "the program");
    side_send(2);
    sock_expect(side_receive() == 3 && close(go[1]) == 0, "go on");
}

static void survived_program_client(int fd)
{
    text_receive(fd, 0, 14, 14, 0);
    side_send(1);
    sock_expect(side_receive() == 2, "the program is dead");
    struct pollfd end = {.fd = fd, .events = POLLIN | POLLRDHUP};
    sock_expect(poll(&end, 1, 100) == 0, "the stream goes on, since another process has the descriptor");
    side_send(3);
    text_receive(fd, 14, 100, 100, 0);
    text_expect_end(fd);
}

static const struct scenario scenarios[] = {
    {"killed_peer", killed_peer_server, killed_peer_client, NULL},
    {"killed_peer_calls", killed_peer_calls_server, killed_peer_client, NULL},
    {"killed_program", killed_program_server, killed_program_client, NULL},
    {"survived_program", survived_program_server, survived_program_client, NULL},
    {0},
};

int main(int argc, char **argv)
{
    executed = argc > 5 ? argv[5] : "/bin/cat";
    return scenario_main(argc, argv, scenarios);
}
