/*
 * A connection that two programs have at once: one executes the other, or sends it the descriptor, and goes on
 * itself. They take turns: the client sends a piece and receives an answer to each, from either program.
 *
 * The same file is executed: sock_export executed WHAT NUMBER PIECE.
 */
#include "../lib/sock.h"

#include <spawn.h>
#include <sys/resource.h>
#include <sys/stat.h>

static const char *executed_program;

enum { PIECE = 1000, PIECES = 8, NUMBER = 9, UNTRUSTED = 65534 };

static void client(int fd)
{
    sock_set_nodelay(fd);
    for (size_t i = 0; i < PIECES; i++) {
        text_send(fd, i * PIECE, PIECE, PIECE, 1);
        text_receive(fd, i * PIECE, PIECE, PIECE, 2);
    }
    text_expect_end(fd);
}

/* --- the executed program --- */

static void execute(const char *what, int number, size_t piece)
{
    char text[2][16];
    (void)snprintf(text[0], sizeof text[0], "%d", number);
    (void)snprintf(text[1], sizeof text[1], "%zu", piece);
    (void)execl(sock_program(), "sock_export", "executed", what, text[0], text[1], (char *)NULL);
}

static pid_t fork_and_execute(const char *what, int number, size_t piece)
{
    pid_t pid = fork();
    if (pid == 0) {
        execute(what, number, piece);
        _exit(127);
    }
    sock_expect(pid > 0, "fork");
    return pid;
}

/* An executable file that the kernel cannot execute. */
static void fail_to_execute(void)
{
    char path[] = "/tmp/sock-handover-XXXXXX";
    int file = mkstemp(path);
    sock_expect(file >= 0 && write(file, "\0\0", 2) == 2 && fchmod(file, 0755) == 0 && close(file) == 0, "a file");
    char *arguments[] = {path, NULL};
    sock_expect(execve(path, arguments, environ) == -1 && errno == ENOEXEC, "execve");
    sock_expect(unlink(path) == 0, "unlink");
}

static int executed(const char *what, int fd, size_t piece)
{
    if (strcmp(what, "nothing") == 0) {
        char byte;
        sock_expect(read(fd, &byte, 1) == -1 && errno == ECONNRESET, "read");
        sock_expect(send(fd, "x", 1, MSG_NOSIGNAL) == -1, "send");
        return close(fd);
    }
    if (strcmp(what, "chain") == 0) {
        text_take_turn(fd, PIECE, piece);
        fail_to_execute();
        text_take_turn(fd, PIECE, piece + 1);
        execute("take", fd, piece + 2);
        return 127;
    }
    if (strcmp(what, "children") == 0) { /* the time of a fork, with one more program beside it */
        sock_expect(sock_reap(fork_and_execute("take", fd, piece)) == 0, "the program's own child");
        piece++;
    }
    text_take_turn(fd, PIECE, piece);
    if (strcmp(what, "hold") == 0)
        for (;;)
            (void)pause();
    if (strcmp(what, "last") == 0)
        for (piece++; piece < PIECES; piece++)
            text_take_turn(fd, PIECE, piece);
    return 0;
}

/* --- fork and exec --- */

static void fork_server(int fd)
{
    text_take_turn(fd, PIECE, 0);
    sock_expect(sock_reap(fork_and_execute("take", fd, 1)) == 0, "the first program");
    text_take_turn(fd, PIECE, 2);
    sock_expect(sock_reap(fork_and_execute("chain", fd, 3)) == 0, "the second program");
    text_take_turn(fd, PIECE, 6);
    text_take_turn(fd, PIECE, 7);
    sock_expect(close(fd) == 0, "close");
}

/* Programs that execute programs, with the connection at another descriptor number, and at two. */
static void generations_server(int fd)
{
    text_take_turn(fd, PIECE, 0);
    sock_expect(dup2(fd, NUMBER) == NUMBER && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0, "dup2");
    sock_expect(sock_reap(fork_and_execute("children", NUMBER, 1)) == 0, "the first program");
    text_take_turn(NUMBER, PIECE, 3);
    sock_expect(sock_reap(fork_and_execute("children", NUMBER, 4)) == 0, "the second program");
    text_take_turn(fd, PIECE, 6);
    sock_expect(close(NUMBER) == 0, "close");
    text_take_turn(fd, PIECE, 7);
    sock_expect(close(fd) == 0, "close");
}

/* A program that is killed ends nothing for the others. */
static void killed_server(int fd)
{
    text_take_turn(fd, PIECE, 0);
    pid_t pid = fork_and_execute("hold", fd, 1);
    sock_expect(kill(pid, 0) == 0, "the program");
    while (sock_state_of(pid) != 'S')
        (void)sched_yield();
    side_send(1);
    (void)side_receive();
    sock_expect(kill(pid, SIGKILL) == 0 && sock_reap(pid) == 128 + SIGKILL, "kill");
    for (size_t i = 2; i < PIECES; i++)
        text_take_turn(fd, PIECE, i);
    sock_expect(close(fd) == 0, "close");
}

static void killed_client(int fd)
{
    sock_set_nodelay(fd);
    for (size_t i = 0; i < PIECES; i++) {
        if (i == 2) {
            (void)side_receive();
            side_send(2);
        }
        text_send(fd, i * PIECE, PIECE, PIECE, 1);
        text_receive(fd, i * PIECE, PIECE, PIECE, 2);
    }
    text_expect_end(fd);
}

/* The program goes on alone, and the stream ends when it ends. */
static void last_server(int fd)
{
    text_take_turn(fd, PIECE, 0);
    pid_t pid = fork_and_execute("last", fd, 1);
    sock_expect(close(fd) == 0 && sock_reap(pid) == 0, "the program");
}

/* A program that may not read the keys continues with what it gets. */
static void unprivileged_server(int fd)
{
    const char *policy = getenv("PFSWRAP_POLICY");
    text_take_turn(fd, PIECE, 0);
    sock_expect(policy == NULL || chmod(policy, 0644) == 0, "chmod"); /* but not the keys */
    pid_t pid = fork();
    if (pid == 0) {
        if (geteuid() == 0)
            sock_expect(setgid(UNTRUSTED) == 0 && setuid(UNTRUSTED) == 0, "setuid");
        execute("chain", fd, 1);
        _exit(127);
    }
    sock_expect(sock_reap(pid) == 0, "the program");
    for (size_t i = 4; i < PIECES; i++)
        text_take_turn(fd, PIECE, i);
    sock_expect(close(fd) == 0, "close");
}

/* The program has another policy: it gets nothing, and ends nothing. */
static void other_policy_server(int fd)
{
    text_take_turn(fd, PIECE, 0);
    pid_t pid = fork();
    if (pid == 0) {
        const char *policy = getenv("SOCK_OTHER_POLICY");
        sock_expect(policy != NULL && setenv("PFSWRAP_POLICY", policy, 1) == 0, "SOCK_OTHER_POLICY");
        execute(sock_is_sealed() ? "nothing" : "take", fd, 1);
        _exit(127);
    }
    sock_expect(sock_reap(pid) == 0, "the program");
    for (size_t i = sock_is_sealed() ? 1 : 2; i < PIECES; i++)
        text_take_turn(fd, PIECE, i);
    sock_expect(close(fd) == 0, "close");
}

/* --- vfork and posix_spawn --- */

/* A static program: the connection becomes a relayed one, since the program cannot import a handoff socket. */
static void vfork_static_server(int fd)
{
    pid_t pid = vfork();
    if (pid == 0) {
        int copy = dup(fd);
        if (copy > 2 && dup2(copy, 0) == 0 && dup2(copy, 1) == 1 && dup2(copy, 2) == 2)
            (void)execl(executed_program, executed_program, (char *)NULL);
        _exit(127);
    }
    sock_expect(close(fd) == 0 && sock_reap(pid) == 0, "the program");
}

static void expect_text(int fd, const char *text)
{
    char got[64];
    sock_expect(recv(fd, got, strlen(text), MSG_WAITALL) == (ssize_t)strlen(text) &&
                    memcmp(got, text, strlen(text)) == 0,
                "\"%s\"", text);
}

static void line_client(int fd)
{
    expect_text(fd, "PFSMARK:hello\n");
    sock_expect(write(fd, "PFSMARK:line\n", 13) == 13, "write");
    expect_text(fd, "got PFSMARK:line\n");
    sock_expect(shutdown(fd, SHUT_WR) == 0, "shutdown");
    expect_text(fd, "PFSMARK:bye\n");
    text_expect_end(fd);
}

static void vfork_server(int fd)
{
    sock_expect(fcntl(fd, F_SETFD, FD_CLOEXEC) == 0, "FD_CLOEXEC");
    text_take_turn(fd, PIECE, 0);
    for (size_t i = 1; i < 7; i += 2) {
        pid_t pid = vfork();
        if (pid == 0) {
            if (i == 1 ? fcntl(fd, F_SETFD, 0) == 0 : dup2(fd, NUMBER) == NUMBER)
                execute("take", i == 1 ? fd : NUMBER, i);
            _exit(127);
        }
        sock_expect(pid > 0 && sock_reap(pid) == 0, "the program");
        sock_expect(fcntl(fd, F_GETFD) == FD_CLOEXEC && fcntl(NUMBER, F_GETFD) == -1, "the parent's descriptors");
        text_take_turn(fd, PIECE, i + 1);
    }
    text_take_turn(fd, PIECE, 7);
    sock_expect(close(fd) == 0, "close");
}

static void spawn(const posix_spawn_file_actions_t *actions, int number, size_t piece)
{
    char text[2][16];
    char *arguments[] = {(char *)"sock_export", (char *)"executed", (char *)"take", text[0], text[1], NULL};
    pid_t pid;
    (void)snprintf(text[0], sizeof text[0], "%d", number);
    (void)snprintf(text[1], sizeof text[1], "%zu", piece);
    sock_expect(posix_spawn(&pid, sock_program(), actions, NULL, arguments, environ) == 0, "posix_spawn");
    sock_expect(sock_reap(pid) == 0, "the program");
}

static void spawn_server(int fd)
{
    posix_spawn_file_actions_t actions;
    char *arguments[] = {(char *)"nothing", NULL};
    pid_t pid;
    text_take_turn(fd, PIECE, 0);
    spawn(NULL, fd, 1);
    text_take_turn(fd, PIECE, 2);
    sock_expect(fcntl(fd, F_SETFD, FD_CLOEXEC) == 0, "FD_CLOEXEC");
    sock_expect(posix_spawn_file_actions_init(&actions) == 0 &&
                    posix_spawn_file_actions_adddup2(&actions, fd, NUMBER + 1) == 0 &&
                    posix_spawn_file_actions_adddup2(&actions, NUMBER + 1, NUMBER) == 0 &&
                    posix_spawn_file_actions_addclosefrom_np(&actions, NUMBER + 1) == 0,
                "the actions");
    spawn(&actions, NUMBER, 3);
    text_take_turn(fd, PIECE, 4);
    sock_expect(posix_spawn(&pid, "/nonexistent", &actions, NULL, arguments, environ) == ENOENT, "posix_spawn");
    sock_expect(posix_spawn_file_actions_destroy(&actions) == 0 && posix_spawn_file_actions_init(&actions) == 0 &&
                    posix_spawn_file_actions_adddup2(&actions, fd, fd) == 0,
                "the actions");
    spawn(&actions, fd, 5);
    text_take_turn(fd, PIECE, 6);
    sock_expect(posix_spawn_file_actions_destroy(&actions) == 0, "the actions");
    text_take_turn(fd, PIECE, 7);
    sock_expect(fcntl(fd, F_GETFD) == FD_CLOEXEC && close(fd) == 0, "close");
}

/* --- messages: the receiver is a separate process, and may make none itself --- */

static void send_descriptor(int to, int fd)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof fd)];
    } control = {.header = {.cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    struct iovec vector = {.iov_base = (char *)"x", .iov_len = 1};
    struct msghdr message = {
        .msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
    sock_expect(sendmsg(to, &message, 0) == 1, "sendmsg");
}

/* Without room for it the descriptor is lost; returns -1 then. */
static int receive_descriptor(int from, bool room, int flags)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    char byte;
    struct iovec vector = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = room ? &control : NULL,
                             .msg_controllen = room ? sizeof control : 0};
    int fd = -1;
    sock_expect(recvmsg(from, &message, flags) == 1, "recvmsg");
    sock_expect(((message.msg_flags & MSG_CTRUNC) != 0) == !room, "MSG_CTRUNC");
    if (room)
        memcpy(&fd, CMSG_DATA(&control.header), sizeof fd);
    return fd;
}

static int count_descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 1024; fd++) {
        struct stat status;
        count += fstat(fd, &status) == 0;
    }
    return count;
}

static void receive_and_take(int from)
{
    char byte;
    for (size_t i = 0; i < 2; i++) {
        int before = count_descriptors(), copy = -1;
        if (i == 1)
            copy = receive_descriptor(from, true, MSG_PEEK);
        int fd = receive_descriptor(from, true, 0);
        text_take_turn(fd, PIECE, i == 0 ? 1 : 3);
        if (i == 1)
            text_take_turn(copy, PIECE, 4);
        sock_expect(close(fd) == 0 && (i == 0 || close(copy) == 0), "close");
        sock_expect(count_descriptors() == before, "%d descriptors, before %d", count_descriptors(), before);
        sock_expect(write(from, "d", 1) == 1, "write");
    }
    sock_expect(receive_descriptor(from, false, 0) == -1 && write(from, "d", 1) == 1, "a lost one");
    sock_expect(read(from, &byte, 1) == 0, "the end");
}

static void expect_done(int to)
{
    char byte = 0;
    sock_expect(read(to, &byte, 1) == 1 && byte == 'd', "the receiver");
}

static void message_server(int fd)
{
    int ends[2];
    struct rlimit none = {1, 1};
    sock_expect(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
    pid_t pid = fork();
    if (pid == 0) {
        sock_expect(close(fd) == 0 && close(ends[0]) == 0, "close");
        receive_and_take(ends[1]);
        exit(0);
    }
    sock_expect(close(ends[1]) == 0, "close");
    if (geteuid() == 0)
        sock_expect(setgid(UNTRUSTED) == 0 && setuid(UNTRUSTED) == 0, "setuid");
    sock_expect(setrlimit(RLIMIT_NPROC, &none) == 0, "RLIMIT_NPROC");
    text_take_turn(fd, PIECE, 0);
    send_descriptor(ends[0], fd);
    expect_done(ends[0]);
    text_take_turn(fd, PIECE, 2);
    send_descriptor(ends[0], fd);
    expect_done(ends[0]);
    text_take_turn(fd, PIECE, 5);
    send_descriptor(ends[0], fd);
    expect_done(ends[0]);
    text_take_turn(fd, PIECE, 6);
    text_take_turn(fd, PIECE, 7);
    sock_expect(close(fd) == 0 && close(ends[0]) == 0 && sock_reap(pid) == 0, "the receiver");
}

static const struct scenario scenarios[] = {
    {"fork", fork_server, client, NULL},
    {"generations", generations_server, client, NULL},
    {"killed", killed_server, killed_client, NULL},
    {"last", last_server, client, NULL},
    {"unprivileged", unprivileged_server, client, NULL},
    {"other_policy", other_policy_server, client, NULL},
    {"vfork", vfork_server, client, NULL},
    {"vfork_static", vfork_static_server, line_client, NULL},
    {"spawn", spawn_server, client, NULL},
    {"message", message_server, client, NULL},
    {0},
};

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "executed") == 0)
        return executed(argv[2], (int)strtol(argv[3], NULL, 10), strtoul(argv[4], NULL, 10));
    executed_program = argc > 5 ? argv[5] : "/bin/true";
    return scenario_main(argc, argv, scenarios);
}
