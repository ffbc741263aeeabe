/*
 * A conversation in steps, in which one system call fails from a certain moment on:
 *
 *     fault_steps client|server PORT blocking|polling WHEN NUMBER ACTION
 *     fault_steps continue ROLE DESCRIPTOR blocking|polling      (executed by itself)
 *
 * The steps are: connect or accept, a line and its echo, the same in a child of fork(), the same after exec(),
 * close. WHEN is never, start (before the connection) or open (after the first echo). With `-seen` behind it, the
 * filter is installed by libc's prctl(3), otherwise by a system call that pfswrap does not see. ACTION is `kill` or
 * an errno.
 *
 * Nothing is printed, since the call that fails may be write(2). The exit status says how far it got: 0 is the end,
 * 10 and above is the step that failed, and GOT_PLAINTEXT means that a line of a peer without pfswrap was received.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/raw_syscall.h"

enum {
    STEP_SOCKET = 10,
    STEP_OPEN,
    STEP_FIRST,
    STEP_FORK,
    STEP_CHILD,
    STEP_EXEC,
    STEP_AFTER_EXEC,
    STEP_CLOSE,
    GOT_PLAINTEXT = 77,
    NO_FILTER = 78,
    LINE = 32,
};

/* Every line has the mark that the test looks for on the wire. A peer without pfswrap sends the second one. */
static const char line[LINE + 1] = "PFSMARK:a-line-of-the-program..\n";
static const char plain[LINE + 1] = "PFSMARK:a-line-without-pfswrap.\n";

static bool is_client, polls;

static void fail(int step)
{
    _exit(step);
}

static void install(const char *when, long number, const char *action)
{
    const unsigned result =
        strcmp(action, "kill") == 0 ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ERRNO | (unsigned)atoi(action);
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, result),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
    const bool is_seen = strstr(when, "-seen") != NULL;
    if (raw_syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        fail(NO_FILTER);
    if (is_seen ? prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0
                : raw_syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0)
        fail(NO_FILTER);
}

/* A program that gets the same unexpected error again and again gives up. */
enum { ATTEMPTS = 100 };

static bool wait_until_ready(int fd, short events)
{
    struct pollfd poll_one = {.fd = fd, .events = events};
    for (int i = 0; polls && i < ATTEMPTS; i++) {
        const int count = poll(&poll_one, 1, 10000);
        if (count == 1)
            return true;
        if (count == 0 || (errno != EINTR && errno != EAGAIN))
            return false;
    }
    return !polls;
}

static bool is_worth_another(ssize_t result)
{
    return result < 0 && (errno == EINTR || (errno == EAGAIN && polls));
}

static bool send_line(int fd)
{
    ssize_t result = -1;
    for (int i = 0; i < ATTEMPTS; i++) {
        if (!wait_until_ready(fd, POLLOUT))
            return false;
        result = write(fd, line, LINE);
        if (!is_worth_another(result))
            break;
    }
    return result == LINE;
}

static bool receive_line(int fd)
{
    char buffer[LINE + 1] = {0};
    size_t got = 0;
    for (int i = 0; i < ATTEMPTS && got < LINE; i++) {
        if (!wait_until_ready(fd, POLLIN))
            return false;
        const ssize_t result = read(fd, buffer + got, LINE - got);
        if (result > 0)
            got += (size_t)result;
        else if (!is_worth_another(result))
            break;
    }
    if (got == LINE && memcmp(buffer, plain, LINE) == 0)
        fail(GOT_PLAINTEXT);
    return got == LINE && memcmp(buffer, line, LINE) == 0;
}

static bool exchange(int fd)
{
    return is_client ? send_line(fd) && receive_line(fd) : receive_line(fd) && send_line(fd);
}

static int open_connection(unsigned short port)
{
    const int one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0)
        fail(STEP_SOCKET);
    if (is_client) {
        if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0)
            fail(STEP_OPEN);
        return fd;
    }
    return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
                   bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 4) != 0
               ? -1
               : fd;
}

static int accept_connection(int listener)
{
    int fd = -1;
    for (int i = 0; i < ATTEMPTS && fd < 0; i++) {
        fd = accept(listener, NULL, NULL);
        if (fd < 0 && errno != EINTR)
            break;
    }
    return fd;
}

static void fork_and_exchange(int fd)
{
    int status = 0;
    pid_t ended;
    const pid_t pid = fork();
    if (pid < 0)
        fail(STEP_FORK);
    if (pid == 0)
        _exit(exchange(fd) ? 0 : STEP_CHILD);
    do
        ended = waitpid(pid, &status, 0);
    while (ended < 0 && errno == EINTR);
    if (ended == pid && status != 0)
        fail(WIFEXITED(status) ? WEXITSTATUS(status) : STEP_CHILD);
}

static void continue_after_exec(int fd)
{
    if (!exchange(fd))
        fail(STEP_AFTER_EXEC);
    _exit(close(fd) == 0 ? 0 : STEP_CLOSE);
}

int main(int argc, char **argv)
{
    (void)signal(SIGPIPE, SIG_IGN);
    if (argc == 5 && strcmp(argv[1], "continue") == 0) {
        is_client = strcmp(argv[2], "client") == 0;
        polls = strcmp(argv[4], "polling") == 0;
        continue_after_exec(atoi(argv[3]));
    }
    if (argc != 7)
        return 2;
    is_client = strcmp(argv[1], "client") == 0;
    polls = strcmp(argv[3], "polling") == 0;
    const char *when = argv[4];
    const long number = atol(argv[5]);
    int fd = -1, listener = is_client ? -1 : open_connection((unsigned short)atoi(argv[2]));
    if (!is_client && listener < 0)
        fail(STEP_SOCKET);
    if (strncmp(when, "start", 5) == 0)
        install(when, number, argv[6]);
    fd = is_client ? open_connection((unsigned short)atoi(argv[2])) : accept_connection(listener);
    if (fd < 0)
        fail(STEP_OPEN);
    if (polls && fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
        fail(STEP_OPEN);
    if (!exchange(fd))
        fail(STEP_FIRST);
    if (strncmp(when, "open", 4) == 0)
        install(when, number, argv[6]);
    fork_and_exchange(fd);
    char digits[16];
    (void)snprintf(digits, sizeof digits, "%d", fd);
    (void)execl("/proc/self/exe", argv[0], "continue", argv[1], digits, argv[3], (char *)NULL);
    fail(STEP_EXEC);
}
