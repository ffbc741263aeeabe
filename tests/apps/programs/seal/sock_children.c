/*
 * Children that fail or do harm: killed while they send, overwriting shared memory, without privileges, sharing
 * their parent's memory, executing another program; and a descriptor sent in a message.
 */
#include "../lib/sock.h"

#include <grp.h>
#include <spawn.h>
#include <sys/syscall.h>

enum { MEGABYTE = 1 << 20 };

/*
 * A child is killed while it sends on a connection that it shares. This may end the connection with an error at
 * both ends. Neither end hangs, and other connections of the parent go on.
 */
static void killed_child_client(int fd, bool by_clone)
{
    int other = sock_connect(&sock_target_global);
    (void)signal(SIGPIPE, SIG_IGN);
    text_send(fd, 0, 100, 100, 1);
    text_send(other, 0, 100, 100, 1);
    static char text[5000];
    memset(text, 'c', sizeof text);
    pid_t pid = by_clone ? sock_fork_by_clone() : sock_fork();
    if (pid == 0)
        for (;;)
            (void)!send(fd, text, sizeof text, 0);
    (void)side_receive(); /* the peer has received a megabyte of it */
    sock_expect(kill(pid, SIGKILL) == 0 && sock_reap(pid) == 128 + SIGKILL, "kill");
    memset(text, 'p', sizeof text);
    for (int i = 0; i < 100; i++)
        if (send(fd, text, sizeof text, 0) < 0) {
            sock_expect(sock_is_sealed(), "send");
            break;
        }
    (void)close(fd);
    text_send(other, 100, 100000, 5000, 1);
    text_receive(other, 0, 1000, 1000, 2);
    (void)close(other);
}

static void killed_child(const struct sock_target *target)
{
    for (int round = 0; round < 8; round++) {
        int side[2], listener = sock_listen(target);
        sock_expect(socketpair(AF_UNIX, SOCK_STREAM, 0, side) == 0, "socketpair");
        pid_t pid = sock_fork();
        if (pid == 0) {
            (void)close(listener);
            (void)close(side[0]);
            sock_side = side[1];
            killed_child_client(sock_connect(target), round % 2 != 0);
            exit(0);
        }
        (void)close(side[1]);
        sock_side = side[0];
        int fd = sock_accept(listener), other = sock_accept(listener);
        (void)close(listener);
        text_receive(fd, 0, 100, 100, 1);
        text_receive(other, 0, 100, 100, 1);
        static char buffer[65536];
        size_t total = 0;
        ssize_t n;
        bool notified = false;
        while ((n = read(fd, buffer, sizeof buffer)) > 0) {
            for (ssize_t i = 0; i < n; i++)
                sock_expect(buffer[i] == 'c' || buffer[i] == 'p', "byte 0x%02x was never sent",
                            (unsigned)buffer[i]);
            total += (size_t)n;
            if (!notified && total > MEGABYTE + (size_t)round * 1234) {
                notified = true;
                side_send(0);
            }
        }
        sock_expect(n == 0 || sock_is_sealed(), "read");
        text_receive(other, 100, 100000, 5000, 1);
        text_send(other, 0, 1000, 1000, 2);
        text_expect_end(other);
        (void)close(fd);
        (void)close(other);
        (void)close(side[0]);
        sock_expect(sock_reap(pid) == 0, "the client's process");
    }
}

/*
 * A child that has dropped its privileges overwrites every writable shared mapping that it has. This must not
 * affect connections that its parent makes after the fork.
 */
static void overwrite_what_is_shared(void)
{
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "r");
    unsigned long first, last;
    char mode[8];
    while (maps && fgets(line, sizeof line, maps))
        if (sscanf(line, "%lx-%lx %7s", &first, &last, mode) == 3 && strcmp(mode, "rw-s") == 0 &&
            strstr(line, "libpfswrap.so.counters") == NULL) /* of `make coverage` */
            memset((void *)(uintptr_t)first, 0x5a, last - first);
    _exit(0); /* after that nothing else in the child can be expected to work */
}

static void untrusted_child(const struct sock_target *target)
{
    int turn[2], listener = sock_listen(target);
    int before = sock_connect(target), before_server = sock_accept(listener);
    text_send(before, 0, 100, 100, 1);
    text_receive(before_server, 0, 100, 100, 1);
    sock_expect(socketpair(AF_UNIX, SOCK_STREAM, 0, turn) == 0, "socketpair");
    pid_t pid = sock_fork();
    if (pid == 0) {
        sock_side = turn[1];
        if (geteuid() == 0)
            sock_expect(setgroups(0, NULL) == 0 && setgid(65534) == 0 && setuid(65534) == 0, "dropping privileges");
        (void)side_receive();
        overwrite_what_is_shared();
    }
    sock_side = turn[0];
    int after = sock_connect(target), after_server = sock_accept(listener);
    text_send(after, 0, 1000, 1000, 3);
    text_receive(after_server, 0, 1000, 1000, 3);
    side_send(0);
    (void)sock_reap(pid);
    for (size_t at = 0; at < 100000; at += 10000) {
        text_send(after, 1000 + at, 10000, 10000, 3);
        text_receive(after_server, 1000 + at, 10000, 10000, 3);
        text_send(after_server, at, 10000, 10000, 4);
        text_receive(after, at, 10000, 10000, 4);
    }
    int last = sock_connect(target), last_server = sock_accept(listener);
    text_send(last, 0, 1000, 1000, 5);
    text_receive(last_server, 0, 1000, 1000, 5);
    (void)close(after);
    text_expect_end(after_server);
    (void)close(last);
    text_expect_end(last_server);
}

/* A child that dropped its privileges, and does no harm, serves the connection that its parent accepted. */
static void unprivileged_server(int fd)
{
    text_receive(fd, 0, 100, 100, 1);
    pid_t pid = sock_fork();
    if (pid == 0) {
        if (geteuid() == 0)
            sock_expect(setgroups(0, NULL) == 0 && setgid(65534) == 0 && setuid(65534) == 0, "dropping privileges");
        text_receive(fd, 100, 100000, 5000, 1);
        text_send(fd, 0, 100000, 5000, 2);
        exit(0);
    }
    (void)close(fd);
    sock_expect(sock_reap(pid) == 0, "the forked child");
}

static void asking_client(int fd)
{
    text_send(fd, 0, 100100, 5000, 1);
    text_receive(fd, 0, 100000, 5000, 2);
    text_expect_end(fd);
}

/* --- children that share memory, or run another program --- */

static void spawn_client(int fd)
{
    static char *const argv[] = {(char *)(uintptr_t) "true", NULL};
    extern char **environ;
    sock_set_nodelay(fd);
    volatile size_t at = 0;
    for (volatile int way = 0; way < 6; way++, at += 5000) {
        pid_t pid = -1;
        text_send(fd, at, 2500, 1000, 1);
        if (way == 0) {
            pid = vfork();
            if (pid == 0)
                _exit(0);
        } else if (way == 1) {
            pid = vfork();
            if (pid == 0) {
                (void)close(fd); /* descriptors of its own, but its parent's memory */
                (void)execv("/bin/true", argv);
                _exit(127);
            }
        } else if (way == 2) {
            pid = vfork();
            if (pid == 0) {
                (void)dup2(fd, 0);
                (void)close_range(3, ~0U, 0);
                (void)execv("/bin/true", argv);
                _exit(127);
            }
        } else if (way == 3) {
            posix_spawn_file_actions_t actions;
            sock_expect(posix_spawn_file_actions_init(&actions) == 0 &&
                            posix_spawn_file_actions_addclose(&actions, fd) == 0 &&
                            posix_spawn(&pid, "/bin/true", &actions, NULL, argv, environ) == 0,
                        "posix_spawn");
        } else if (way == 4) {
            sock_expect(posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ) == 0, "posix_spawn");
        } else {
            sock_expect(system("exit 7") == 7 << 8, "system");
        }
        if (way != 5)
            sock_expect(sock_reap(pid) == 0, "the child of way %d", way);
        text_send(fd, at + 2500, 2500, 1000, 1);
        text_receive(fd, at, 5000, 1000, 2);
    }
}

static void spawn_server(int fd)
{
    sock_set_nodelay(fd);
    for (size_t at = 0; at < 30000; at += 5000) {
        text_receive(fd, at, 5000, 1000, 1);
        text_send(fd, at, 5000, 1000, 2);
    }
    text_expect_end(fd);
}

/*
 * A child inherits a socket that its parent connects afterwards, and executes a program that does not know of it.
 * That program ends, or waits for something else meanwhile, and the parent's connection must not notice.
 */
static void connected_later_client(const struct sock_target *target)
{
    static char *const nothing[] = {(char *)(uintptr_t) "true", NULL};
    static char *const waits[] = {(char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c",
                                  (char *)(uintptr_t) "read word", NULL};
    for (size_t way = 0; way < 2; way++) {
        int begin[2], end[2], fd = sock_open(target, 0);
        char byte = 0;
        sock_expect(pipe(begin) == 0 && pipe(end) == 0, "pipe");
        pid_t pid = sock_fork();
        if (pid == 0) {
            sock_expect(close(end[1]) == 0 && dup2(end[0], 0) == 0 && read(begin[0], &byte, 1) == 1, "the word");
            (void)execv(way == 0 ? "/bin/true" : "/bin/sh", way == 0 ? nothing : waits);
            _exit(127);
        }
        sock_expect(connect(fd, (const struct sockaddr *)&target->address, target->length) == 0, "connect");
        text_send(fd, 0, 1000, 1000, 1);
        sock_expect(write(begin[1], "x", 1) == 1, "telling the child");
        if (way == 0)
            sock_expect(sock_reap(pid) == 0, "the child");
        text_send(fd, 1000, 5000, 700, 1);
        text_receive(fd, 0, 6000, 700, 2);
        sock_expect(close(end[1]) == 0, "close");
        if (way == 1)
            sock_expect(sock_reap(pid) == 1, "the shell, which read nothing");
        text_send(fd, 6000, 1000, 1000, 1);
        sock_expect(shutdown(fd, SHUT_WR) == 0, "shutdown");
        text_expect_end(fd);
        (void)close(fd);
        (void)close(begin[0]);
        (void)close(begin[1]);
        (void)close(end[0]);
    }
}

static void connected_later(const struct sock_target *target)
{
    int listener = sock_listen(target);
    pid_t pid = sock_fork();
    if (pid == 0) {
        (void)close(listener);
        connected_later_client(target);
        exit(0);
    }
    for (int i = 0; i < 2; i++) {
        int fd = sock_accept(listener);
        text_receive(fd, 0, 6000, 3000, 1);
        text_send(fd, 0, 6000, 3000, 2);
        text_receive(fd, 6000, 1000, 1000, 1);
        text_expect_end(fd);
        (void)close(fd);
    }
    sock_expect(sock_reap(pid) == 0, "the client's process");
}

/* --- a descriptor sent in a message --- */

static void send_descriptor(int through, int fd)
{
    char byte = 'd', control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = {0};
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    ssize_t n = sendmsg(through, &message, 0);
    (void)printf("handed over: %s\n", n == 1 ? "yes" : strerror(errno));
    (void)fflush(stdout);
    sock_expect(n == 1 || sock_is_sealed(), "sendmsg");
    if (n != 1)
        (void)shutdown(through, SHUT_WR);
}

static int receive_descriptor(int through)
{
    char byte, control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8)));
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    int fd = -1;
    if (recvmsg(through, &message, MSG_CMSG_CLOEXEC) == 1 && CMSG_FIRSTHDR(&message))
        memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
    return fd;
}

/*
 * The connection goes to a process that was forked before the connection was made. A sealed one may be refused,
 * with an error and a reset for the peer. It must never go on in plain text (the test captures the wire), nor hang.
 */
static void pass_descriptor(const struct sock_target *target)
{
    int through[2], listener = sock_listen(target);
    (void)signal(SIGPIPE, SIG_IGN);
    sock_expect(socketpair(AF_UNIX, SOCK_STREAM, 0, through) == 0, "socketpair");
    pid_t worker = sock_fork();
    if (worker == 0) {
        static char text[1000];
        (void)close(through[0]);
        int fd = receive_descriptor(through[1]);
        text_fill(text, sizeof text, 0, 2);
        sock_expect(fd >= 0 || sock_is_sealed(), "no descriptor came");
        (void)!write(fd, text, sizeof text);
        (void)close(fd);
        _exit(0);
    }
    pid_t client = sock_fork();
    if (client == 0) {
        static char text[1000];
        int fd = sock_connect(target);
        text_send(fd, 0, 1000, 1000, 1);
        ssize_t n = recv(fd, text, sizeof text, MSG_WAITALL);
        (void)printf("answer: %s\n", n == 1000 ? "whole" : n == 0 ? "none" : "error");
        sock_expect(n == 1000 || sock_is_sealed(), "recv returned %zd", n);
        if (n > 0)
            text_check(text, (size_t)n, 0, 2);
        exit(0);
    }
    (void)close(through[1]);
    int fd = sock_accept(listener);
    text_receive(fd, 0, 1000, 1000, 1);
    send_descriptor(through[0], fd);
    (void)close(fd);
    sock_expect(sock_reap(worker) == 0 && sock_reap(client) == 0, "worker and client");
}

static const struct scenario scenarios[] = {
    {"killed_child", NULL, NULL, killed_child},
    {"untrusted_child", NULL, NULL, untrusted_child},
    {"unprivileged", unprivileged_server, asking_client, NULL},
    {"spawn", spawn_server, spawn_client, NULL},
    {"connected_later", NULL, NULL, connected_later},
    {"pass_descriptor", NULL, NULL, pass_descriptor},
    {0},
};

int main(int argc, char **argv)
{
    return scenario_main(argc, argv, scenarios);
}
