/*
 * Programs that lock themselves in and continue with a connection: system call filters that allow the program's own
 * calls and kill it for any other, and resource limits of zero. A kill by the filter shows as SIGSYS.
 */
#include "../lib/sock.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/syscall.h>

/* As in vsftpd and the first seccomp: bytes in, bytes out, and exit. */
static const int only_bytes[] = {SYS_read, SYS_write, SYS_exit, SYS_exit_group, SYS_rt_sigreturn, -1};

/* The same for a program that polls: by poll(2), or where the machine has no such call, by libc's ppoll(2). */
#if !defined(SYS_poll)
#define SYS_poll SYS_ppoll
#endif
static const int bytes_and_poll[] = {SYS_read, SYS_write, SYS_poll, SYS_exit, SYS_exit_group, SYS_rt_sigreturn, -1};

/* The same for one that receives and sends by the socket calls; write is for its log. On i386, libc has one for
 * all. */
#if defined(SYS_socketcall)
static const int socket_bytes[] = {SYS_socketcall, SYS_write, SYS_exit, SYS_exit_group, SYS_rt_sigreturn, -1};
#else
static const int socket_bytes[] = {SYS_recvfrom,   SYS_sendto,       SYS_write, SYS_exit,
                                   SYS_exit_group, SYS_rt_sigreturn, -1};
#endif

static void lock_in(const int *allowed, bool by_syscall)
{
    struct sock_filter code[32];
    unsigned short count = 0, calls = 0;
    while (allowed[calls] >= 0)
        calls++;
    code[count++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (unsigned short i = 0; i < calls; i++)
        code[count++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)allowed[i],
                                                     (unsigned char)(calls - i), 0);
    code[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    code[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {.len = count, .filter = code};
    sock_expect(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "PR_SET_NO_NEW_PRIVS");
    if (by_syscall)
        sock_expect(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0, "seccomp");
    else
        sock_expect(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0, "PR_SET_SECCOMP");
}

enum { MESSAGES = 100, MESSAGE = 1000 };

enum manner { BY_READ, BY_POLL, BY_RECV };

/* Answers each message and exits. It must make no call that its filter does not allow. */
__attribute__((noreturn)) static void answer(int fd, enum manner manner)
{
    static unsigned char buffer[4096];
    for (size_t at = 0; at < (size_t)MESSAGES * MESSAGE;) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        ssize_t n = -1;
        if (manner == BY_POLL && poll(&wait, 1, SOCK_DEADLINE_MS) != 1)
            _exit(2);
        if (manner == BY_RECV)
            n = recv(fd, buffer, sizeof buffer, 0);
        else
            n = read(fd, buffer, sizeof buffer);
        if (n < 0 && errno == EAGAIN && manner == BY_POLL)
            continue;
        if (n <= 0)
            _exit(3);
        for (ssize_t i = 0; i < n; i++)
            if (buffer[i] != text_byte(at + (size_t)i, 1))
                _exit(4);
        ssize_t sent = manner == BY_RECV ? send(fd, buffer, (size_t)n, MSG_NOSIGNAL) : write(fd, buffer, (size_t)n);
        if (sent != n)
            _exit(5);
        at += (size_t)n;
    }
    _exit(0);
}

static void ask(int fd)
{
    sock_set_nodelay(fd);
    for (size_t at = 0; at < (size_t)MESSAGES * MESSAGE; at += MESSAGE) {
        text_send(fd, at, MESSAGE, MESSAGE, 1);
        text_receive(fd, at, MESSAGE, MESSAGE, 1);
    }
    text_expect_end(fd);
}

/* The child that is locked in must exit by itself. */
static void serve_locked_in(int fd, const int *allowed, enum manner manner, bool greet, bool by_syscall)
{
    if (greet)
        sock_greet(fd);
    pid_t pid = sock_fork();
    if (pid == 0) {
        sock_set_nodelay(fd);
        sock_set_nonblocking(fd, manner == BY_POLL);
        lock_in(allowed, by_syscall);
        answer(fd, manner);
    }
    (void)close(fd);
    int status = sock_reap(pid);
    sock_expect(status == 0, "what was locked in ended with %d%s", status,
                status == 128 + SIGSYS ? ", SIGSYS" : "");
}

static void by_read_server(int fd)
{
    serve_locked_in(fd, only_bytes, BY_READ, true, false);
}

static void by_poll_server(int fd)
{
    serve_locked_in(fd, bytes_and_poll, BY_POLL, true, true);
}

static void by_recv_server(int fd)
{
    serve_locked_in(fd, socket_bytes, BY_RECV, true, false);
}

/* The filter is installed before the first byte. */
static void at_once_server(int fd)
{
    serve_locked_in(fd, only_bytes, BY_READ, false, false);
}

static void greeting_client(int fd)
{
    sock_greet(fd);
    ask(fd);
}

/* A client that locks itself in before its first byte. */
static void locked_in_client(int fd)
{
    static unsigned char text[MESSAGE];
    sock_set_nodelay(fd);
    lock_in(only_bytes, false);
    for (size_t at = 0; at < (size_t)MESSAGES * MESSAGE; at += MESSAGE) {
        text_fill(text, MESSAGE, at, 1);
        if (write(fd, text, MESSAGE) != MESSAGE)
            _exit(2);
        for (size_t got = 0; got < MESSAGE;) {
            ssize_t n = read(fd, text, MESSAGE - got);
            if (n <= 0)
                _exit(3);
            for (ssize_t i = 0; i < n; i++)
                if (text[i] != text_byte(at + got + (size_t)i, 1))
                    _exit(4);
            got += (size_t)n;
        }
    }
    _exit(0);
}

static void echo_server(int fd)
{
    sock_set_nodelay(fd);
    for (size_t at = 0; at < (size_t)MESSAGES * MESSAGE; at += MESSAGE) {
        text_receive(fd, at, MESSAGE, MESSAGE, 1);
        text_send(fd, at, MESSAGE, MESSAGE, 1);
    }
    text_expect_end(fd);
}

/* As in sshd's child: no further descriptor, no file may grow, poll of one descriptor only. */
static void limited_server(int fd)
{
    struct rlimit none = {0}, one = {.rlim_cur = 1, .rlim_max = 1};
    sock_greet(fd);
    pid_t pid = sock_fork();
    if (pid == 0) {
        sock_set_nodelay(fd);
        sock_set_nonblocking(fd, true);
        sock_expect(setrlimit(RLIMIT_FSIZE, &none) == 0 && setrlimit(RLIMIT_NOFILE, &one) == 0, "setrlimit");
        answer(fd, BY_POLL);
    }
    (void)close(fd);
    int status = sock_reap(pid);
    sock_expect(status == 0, "the limited child ended with %d%s", status,
                status == 128 + SIGXFSZ ? ", SIGXFSZ" : "");
}

static const struct scenario scenarios[] = {
    {"by_read", by_read_server, greeting_client, NULL},
    {"by_poll", by_poll_server, greeting_client, NULL},
    {"by_recv", by_recv_server, greeting_client, NULL},
    {"at_once", at_once_server, ask, NULL},
    {"client", echo_server, locked_in_client, NULL},
    {"limited", limited_server, greeting_client, NULL},
    {0},
};

int main(int argc, char **argv)
{
    return scenario_main(argc, argv, scenarios);
}
