/*
 * Connections that other programs use without the shim: as descriptors 0, 1 and 2, in children of vfork and
 * posix_spawn, in messages, across exec. They must look like TCP.
 */
#include "../lib/sock.h"

#include <spawn.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

extern char **environ;

enum { MEGABYTE = 1 << 20, PIECE = 1000 };

/* Only the client's process is a child of this one, whatever became of the connection. */
static void expect_no_other_child(void)
{
    int status;
    pid_t pid = waitpid(-1, &status, WNOHANG);
    sock_expect(pid == 0 || pid == sock_peer_pid, "waitpid(-1) returned %d", pid);
    if (pid == sock_peer_pid)
        sock_peer_pid = 0;
}

/* --- one order of bytes on all descriptors --- */

static void all_descriptors_server(int fd)
{
    int numbers[6] = {fd, dup(fd), fcntl(fd, F_DUPFD, 40), 41, 0, 1};
    int out = dup(1);
    sock_set_nodelay(fd);
    text_receive(fd, 0, PIECE, 300, 1);
    text_send(fd, 0, PIECE, 300, 2);
    sock_expect(dup2(fd, 41) == 41 && dup2(fd, 0) == 0 && dup2(numbers[2], 1) == 1, "dup2");
    for (size_t i = 0; i < 60; i++) {
        text_receive(numbers[i % 6], PIECE + i * 100, 100, 33, 1);
        text_send(numbers[(i + 3) % 6], PIECE + i * 100, 100, 33, 2);
    }
    expect_no_other_child();
    for (size_t i = 0; i < 5; i++)
        sock_expect(close(numbers[i]) == 0, "close");
    text_send(1, PIECE + 6000, PIECE, 77, 2);
    sock_expect(shutdown(1, SHUT_WR) == 0, "shutdown");
    text_receive(1, PIECE + 6000, PIECE, 77, 1);
    text_expect_end(1);
    sock_expect(dup2(out, 1) == 1 && close(out) == 0, "dup2");
    sock_expect(read(fd, &fd, 1) == -1 && errno == EBADF, "the numbers are closed");
    expect_no_other_child();
}

static void all_descriptors_client(int fd)
{
    sock_set_nodelay(fd);
    text_send(fd, 0, PIECE, PIECE, 1);
    text_receive(fd, 0, PIECE, PIECE, 2);
    for (size_t i = 0; i < 60; i++) {
        text_send(fd, PIECE + i * 100, 100, 100, 1);
        text_receive(fd, PIECE + i * 100, 100, 100, 2);
    }
    text_receive(fd, PIECE + 6000, PIECE, 50, 2);
    text_expect_end(fd);
    text_send(fd, PIECE + 6000, PIECE, 50, 1);
}

/* --- settings of the program remain: epoll, O_NONBLOCK, close-on-exec; and it is a TCP socket --- */

static void expect_tcp(int fd, const struct sockaddr *peer, const struct sockaddr *self)
{
    struct sockaddr_storage name;
    socklen_t length = sizeof name;
    int value = -1;
    socklen_t size = sizeof value;
    sock_expect(getpeername(fd, (struct sockaddr *)&name, &length) == 0 && memcmp(&name, peer, length) == 0 &&
                    length >= sizeof(struct sockaddr_in) && name.ss_family == peer->sa_family,
                "getpeername");
    length = sizeof name;
    sock_expect(getsockname(fd, (struct sockaddr *)&name, &length) == 0 && memcmp(&name, self, length) == 0 &&
                    length >= sizeof(struct sockaddr_in) && name.ss_family == self->sa_family,
                "getsockname");
    length = sizeof name;
    sock_expect(syscall(SYS_getpeername, fd, &name, &length) == 0 && name.ss_family == peer->sa_family,
                "getpeername by its number");
    length = sizeof name;
    sock_expect(syscall(SYS_getsockname, fd, &name, &length) == 0 && name.ss_family == self->sa_family,
                "getsockname by its number");
    size = sizeof value;
    sock_expect(syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_DOMAIN, &value, &size) == 0 && value == peer->sa_family,
                "SO_DOMAIN by its number");
    length = 4;
    sock_expect(getpeername(fd, (struct sockaddr *)&name, &length) == 0 && length > 4, "a short getpeername");
    sock_expect(getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &value, &size) == 0 && value == peer->sa_family, "SO_DOMAIN");
    sock_expect(getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &value, &size) == 0 && value == IPPROTO_TCP, "SO_PROTOCOL");
    sock_expect(getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &size) == 0 && value == SOCK_STREAM, "SO_TYPE");
    sock_expect(getsockopt(fd, SOL_SOCKET, SO_ERROR, &value, &size) == 0 && value == 0, "SO_ERROR");
    sock_set_nodelay(fd);
    sock_expect(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &(int){1}, sizeof(int)) == 0, "SO_KEEPALIVE");
    sock_expect(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &(int){4608}, sizeof(int)) == 0, "SO_SNDBUF");
    sock_expect(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &size) == 0, "reading TCP_NODELAY");
    sock_expect(setsockopt(fd, IPPROTO_IP, IP_TOS, &(int){0x10}, sizeof(int)) == 0 || peer->sa_family != AF_INET,
                "IP_TOS");
}

static void settings_server(int fd)
{
    struct sockaddr_storage peer, self;
    socklen_t length = sizeof peer;
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 0x123456789abcdefULL}, came;
    int epoll = epoll_create1(EPOLL_CLOEXEC), copy = fcntl(fd, F_DUPFD_CLOEXEC, 30);
    sock_expect(getpeername(fd, (struct sockaddr *)&peer, &length) == 0, "getpeername");
    length = sizeof self;
    sock_expect(getsockname(fd, (struct sockaddr *)&self, &length) == 0, "getsockname");
    sock_set_nonblocking(fd, true);
    sock_expect(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
    side_send(0);
    sock_expect(epoll_wait(epoll, &came, 1, SOCK_DEADLINE_MS) == 1, "epoll_wait");
    text_receive(fd, 0, 100, 100, 1);
    sock_expect(dup2(fd, 0) == 0, "dup2");
    expect_tcp(0, (struct sockaddr *)&peer, (struct sockaddr *)&self);
    expect_tcp(fd, (struct sockaddr *)&peer, (struct sockaddr *)&self);
    sock_expect((fcntl(0, F_GETFL) & O_NONBLOCK) != 0, "O_NONBLOCK");
    sock_expect(fcntl(0, F_GETFD) == 0 && fcntl(fd, F_GETFD) == 0 && fcntl(copy, F_GETFD) == FD_CLOEXEC, "F_GETFD");
    sock_expect(read(0, &came, 1) == -1 && errno == EAGAIN, "nothing to read: expected EAGAIN");
    sock_expect(epoll_wait(epoll, &came, 1, 0) == 0, "nothing to report");
    side_send(1);
    sock_expect(epoll_wait(epoll, &came, 1, SOCK_DEADLINE_MS) == 1 && came.data.u64 == event.data.u64 &&
                    came.events == EPOLLIN,
                "the event");
    text_receive(copy, 100, 100, 100, 1);
    side_send(2);
    sock_expect(epoll_wait(epoll, &came, 1, SOCK_DEADLINE_MS) == 1 && (came.events & EPOLLIN) != 0,
                "the end's event");
    text_expect_end(0);
}

static void settings_client(int fd)
{
    sock_set_nodelay(fd);
    for (uint64_t i = 0; i < 2; i++) {
        sock_expect(side_receive() == i, "in turn");
        text_send(fd, i * 100, 100, 100, 1);
    }
    sock_expect(side_receive() == 2, "in turn");
}

/* --- a full connection becomes writable again, and the last byte of every piece arrives --- */

static void full_server(int fd)
{
    size_t done = 0;
    sock_expect(dup2(fd, 0) == 0 && close(fd) == 0, "dup2");
    sock_set_nonblocking(0, true);
    while (done < 5 * MEGABYTE) {
        static unsigned char buffer[300000];
        size_t part = 1 + (done * 7919) % sizeof buffer;
        part = part < 5 * MEGABYTE - done ? part : 5 * MEGABYTE - done;
        text_fill(buffer, part, done, 2);
        ssize_t n = write(0, buffer, part);
        if (n < 0 && errno == EAGAIN) {
            (void)sock_wait(0, POLLOUT);
            continue;
        }
        sock_expect(n > 0, "write returned %zd after %zu bytes", n, done);
        done += (size_t)n;
    }
    side_send(done);
    (void)sock_wait(0, POLLIN);
    sock_set_nonblocking(0, false);
    text_receive(0, 0, 3 * MEGABYTE, 50000, 1);
    text_expect_end(0);
}

static void full_client(int fd)
{
    sock_set_nodelay(fd);
    (void)sock_wait(fd, POLLIN);
    text_receive(fd, 0, 5 * MEGABYTE, 70000, 2);
    (void)side_receive();
    text_send(fd, 0, 3 * MEGABYTE, 123456, 1);
}

/* --- children that share the parent's memory: they have the connection as 0 and 1, and here nothing has changed
 * --- */

static void vfork_server(int fd)
{
    int copy = dup(fd);
    pid_t pid = vfork();
    if (pid == 0) {
        if (dup2(fd, 0) == 0 && dup2(copy, 1) == 1)
            (void)execl("/bin/cat", "cat", (char *)NULL);
        _exit(127);
    }
    sock_expect(fcntl(fd, F_GETFD) == 0 && close(copy) == 0 && close(fd) == 0, "the parent's descriptors");
    sock_expect(sock_reap(pid) == 0, "cat");
    expect_no_other_child();
}

static void spawn_server(int fd)
{
    char *arguments[] = {(char *)"cat", NULL};
    posix_spawn_file_actions_t actions;
    pid_t pid;
    sock_expect(posix_spawn_file_actions_init(&actions) == 0 &&
                    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0) == 0 &&
                    posix_spawn_file_actions_adddup2(&actions, fd, 0) == 0 &&
                    posix_spawn_file_actions_adddup2(&actions, 0, 1) == 0 &&
                    posix_spawn_file_actions_addclose(&actions, fd) == 0,
                "the actions");
    sock_expect(posix_spawn(&pid, "/bin/cat", &actions, NULL, arguments, environ) == 0, "posix_spawn");
    sock_expect(posix_spawn_file_actions_destroy(&actions) == 0 && close(fd) == 0, "close");
    sock_expect(sock_reap(pid) == 0, "cat");
    expect_no_other_child();
}

/* A child of vfork() that leaves the descriptor to the next program at the same number. */
static void vfork_passes_server(int fd)
{
    int at = fcntl(fd, F_DUPFD_CLOEXEC, 9);
    pid_t pid = vfork();
    if (pid == 0) {
        if (fcntl(at, F_SETFD, 0) == 0)
            (void)execl("/bin/bash", "bash", "-c", "exec cat <&9 >&9", (char *)NULL);
        _exit(127);
    }
    sock_expect(at == 9 && fcntl(at, F_GETFD) == FD_CLOEXEC, "close-on-exec in the parent");
    sock_expect(close(at) == 0 && close(fd) == 0 && sock_reap(pid) == 0, "bash");
}

/* --- exec --- */

/* Only the child has the connection when it executes `program`. It must survive, since the child wants that. */
static void execute_alone(int fd, bool survives, const char *script)
{
    int gone[2];
    char word[32];
    sock_expect(pipe(gone) == 0, "pipe");
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(gone[1]);
        (void)!read(gone[0], word, 1);
        (void)fcntl(fd, F_SETFD, survives ? 0 : FD_CLOEXEC);
        (void)snprintf(word, sizeof word, "%d", fd);
        (void)execl("/bin/bash", "bash", "-c", script, "bash", word, (char *)NULL);
        _exit(127);
    }
    sock_expect(close(fd) == 0 && close(gone[1]) == 0, "close");
    sock_expect(sock_reap(pid) == 0, "the executed program");
}

static void exec_keeps_server(int fd)
{
    text_receive(fd, 0, PIECE, 300, 1);
    text_send(fd, 0, PIECE, 300, 2);
    execute_alone(fd, true, "cat <&$1 >&$1");
}

static void exec_keeps_client(int fd)
{
    text_send(fd, 0, PIECE, PIECE, 1);
    text_receive(fd, 0, PIECE, PIECE, 2);
    sock_echo_client(fd);
}

static void exec_ends_server(int fd)
{
    text_receive(fd, 0, PIECE, 300, 1);
    text_send(fd, 0, MEGABYTE, 70000, 2);
    execute_alone(fd, false, "exit 0");
}

static void exec_ends_client(int fd)
{
    text_send(fd, 0, PIECE, PIECE, 1);
    text_receive(fd, 0, MEGABYTE, 7000, 2);
    text_expect_end(fd);
}

/* --- the peer is killed: bare, the stream ends; sealed, it must not --- */

static const char *executed;

/* --- a connected socket as descriptor 0 --- */

static void connected_low(const struct sock_target *target)
{
    int listener = sock_listen(target);
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(listener);
        (void)close(0);
        int fd = sock_open(target, 0);
        sock_expect(fd == 0 && connect(fd, (const struct sockaddr *)&target->address, target->length) == 0,
                    "connect");
        text_send(0, 0, PIECE, 100, 1);
        text_receive(0, 0, PIECE, 100, 2);
        sock_expect(shutdown(0, SHUT_WR) == 0, "shutdown");
        text_expect_end(0);
        _exit(0);
    }
    int fd = sock_accept(listener);
    text_receive(fd, 0, PIECE, 100, 1);
    text_send(fd, 0, PIECE, 100, 2);
    text_expect_end(fd);
    sock_expect(close(fd) == 0 && sock_reap(pid) == 0, "the client");
}

static const struct scenario scenarios[] = {
    {"all_descriptors", all_descriptors_server, all_descriptors_client, NULL},
    {"settings", settings_server, settings_client, NULL},
    {"full", full_server, full_client, NULL},
    {"vfork", vfork_server, sock_echo_client, NULL},
    {"spawn", spawn_server, sock_echo_client, NULL},
    {"vfork_passes", vfork_passes_server, sock_echo_client, NULL},
    {"exec_keeps", exec_keeps_server, exec_keeps_client, NULL},
    {"exec_ends", exec_ends_server, exec_ends_client, NULL},
    {"connected_low", NULL, NULL, connected_low},
    {0},
};

int main(int argc, char **argv)
{
    executed = argc > 5 ? argv[5] : "/bin/cat";
    return scenario_main(argc, argv, scenarios);
}
