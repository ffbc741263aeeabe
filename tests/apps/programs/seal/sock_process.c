// link: -laio -luring
/*
 * What a process does to itself while it has a connection: system calls by number, forks without libc's handlers,
 * ends of every kind, system call filters; and kinds of I/O that move bytes without a call of libc's.
 */
#include "../lib/sock.h"

#include <aio.h>
#include <libaio.h>
#include <liburing.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/uio.h>

enum { MEGABYTE = 1 << 20, PIECE = 1000 };

/* --- system calls by number --- */

static void by_number_server(int fd)
{
    unsigned char text[PIECE];
    struct iovec vectors[2] = {{text, 300}, {text + 300, 700}};
    struct msghdr message = {.msg_iov = vectors, .msg_iovlen = 2};
    struct mmsghdr messages[1] = {{.msg_hdr = message}};
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    struct epoll_event event = {.events = EPOLLIN};
    int available = 0;
    sock_set_nodelay(fd);
    long epoll = syscall(SYS_epoll_create1, EPOLL_CLOEXEC);
    sock_expect(epoll >= 0 && syscall(SYS_epoll_ctl, epoll, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
    sock_expect(syscall(SYS_epoll_pwait, epoll, &event, 1, SOCK_DEADLINE_MS, NULL, 8) == 1, "epoll_pwait");
    struct timespec timeout = {.tv_sec = SOCK_DEADLINE_MS / 1000};
    sock_expect(syscall(SYS_ppoll, &wait, 1, &timeout, NULL, 8) == 1 && wait.revents == POLLIN, "ppoll");
    sock_expect(syscall(SYS_ioctl, fd, FIONREAD, &available) == 0 && available >= PIECE, "FIONREAD");

    sock_expect(syscall(SYS_read, fd, text, 100) == 100, "read");
    text_check(text, 100, 0, 1);
    sock_expect(syscall(SYS_recvfrom, fd, text, 100, MSG_PEEK, NULL, NULL) == 100, "recvfrom");
    text_check(text, 100, 100, 1);
    sock_expect(syscall(SYS_recvfrom, fd, text, 900, MSG_WAITALL, NULL, NULL) == 900, "recvfrom");
    text_check(text, 900, 100, 1);
    sock_expect(syscall(SYS_recvmsg, fd, &message, MSG_WAITALL) == PIECE, "recvmsg");
    text_check(text, PIECE, PIECE, 1);
    sock_expect(syscall(SYS_recvmmsg, fd, messages, 1, MSG_WAITALL, NULL) == 1 && messages[0].msg_len == PIECE,
                "recvmmsg");
    text_check(text, PIECE, 2 * PIECE, 1);
    long count = syscall(SYS_readv, fd, vectors, 2);
    sock_expect(count > 0, "readv");
    text_check(text, (size_t)count, 3 * PIECE, 1);
    text_receive(fd, 3 * PIECE + (size_t)count, PIECE - (size_t)count, PIECE, 1);

    text_fill(text, PIECE, 0, 2);
    sock_expect(syscall(SYS_write, fd, text, PIECE) == PIECE, "write");
    text_fill(text, PIECE, PIECE, 2);
    sock_expect(syscall(SYS_writev, fd, vectors, 2) == PIECE, "writev");
    text_fill(text, PIECE, 2 * PIECE, 2);
    sock_expect(syscall(SYS_sendto, fd, text, PIECE, MSG_NOSIGNAL, NULL, 0) == PIECE, "sendto");
    text_fill(text, PIECE, 3 * PIECE, 2);
    sock_expect(syscall(SYS_sendmsg, fd, &message, 0) == PIECE, "sendmsg");
    text_fill(text, PIECE, 4 * PIECE, 2);
    sock_expect(syscall(SYS_sendmmsg, fd, messages, 1, 0) == 1 && messages[0].msg_len == PIECE, "sendmmsg");

    long copy = syscall(SYS_dup, fd), second = syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 50);
    sock_expect(copy >= 0 && second >= 50 && syscall(SYS_dup3, fd, 60, O_CLOEXEC) == 60, "dup");
    text_fill(text, PIECE, 5 * PIECE, 2);
    sock_expect(syscall(SYS_write, 60, text, 400) == 400 && syscall(SYS_write, copy, text + 400, 600) == 600,
                "write to copies");
    sock_expect(syscall(SYS_close, fd) == 0 && syscall(SYS_close, copy) == 0, "close");
    sock_expect(syscall(SYS_close_range, 60, 60, 0) == 0, "close_range");
    sock_expect(syscall(SYS_shutdown, second, SHUT_WR) == 0, "shutdown");
    sock_expect(syscall(SYS_read, second, text, PIECE) == 0, "the end");
    sock_expect(syscall(SYS_getpid) == getpid() && syscall(-1) == -1 && errno == ENOSYS, "others");
}

static void by_number_client(int fd)
{
    sock_set_nodelay(fd);
    text_send(fd, 0, 4 * PIECE, 4 * PIECE, 1);
    text_receive(fd, 0, 6 * PIECE, 700, 2);
    text_expect_end(fd);
}

/* --- forks that run no handlers --- */

static int write_in_child(void *argument)
{
    text_send(*(int *)argument, PIECE, PIECE, 300, 2);
    return 0;
}

static void quiet_forks_server(int fd)
{
    static char stack[256 * 1024] __attribute__((aligned(16)));
    text_receive(fd, 0, PIECE, 300, 1);
    pid_t pid = _Fork();
    if (pid == 0) {
        text_send(fd, 0, PIECE, 300, 2);
        (void)syscall(SYS_exit_group, 0);
    }
    sock_expect(sock_reap(pid) == 0, "the child of _Fork");
    pid = clone(write_in_child, stack + sizeof stack, SIGCHLD, &fd);
    sock_expect(pid > 0 && sock_reap(pid) == 0, "the child of clone");
    text_receive(fd, PIECE, PIECE, 300, 1);
    text_send(fd, 2 * PIECE, PIECE, 300, 2);
    sock_expect(close(fd) == 0, "close");
}

static void quiet_forks_client(int fd)
{
    text_send(fd, 0, 2 * PIECE, PIECE, 1);
    text_receive(fd, 0, 3 * PIECE, 100, 2);
    text_expect_end(fd);
}

/* --- the end of a process with a megabyte on its way --- */

static void end_by_exit(void)
{
    exit(0);
}
static void end_by__exit(void)
{
    _exit(0);
}
static void end_by__Exit(void)
{
    _Exit(0);
}
static void end_by_quick_exit(void)
{
    quick_exit(0);
}
static void end_by_number(void)
{
    (void)syscall(SYS_exit_group, 0);
}

static void (*const endings[])(void) = {end_by_exit, end_by__exit, end_by__Exit, end_by_quick_exit, end_by_number};
enum { ENDINGS = sizeof endings / sizeof endings[0] };

static int last_words_to;

static void say_last_words(void)
{
    text_send(last_words_to, MEGABYTE, 100, 100, 2);
}

static void ends(const struct sock_target *target)
{
    for (int i = 0; i < ENDINGS; i++) {
        int listener = sock_listen(target);
        pid_t pid = fork();
        if (pid == 0) {
            int fd = sock_accept(listener);
            text_receive(fd, 0, PIECE, PIECE, 1);
            last_words_to = fd;
            sock_expect(atexit(say_last_words) == 0 && at_quick_exit(say_last_words) == 0, "handlers");
            text_send(fd, 0, MEGABYTE, 50000, 2);
            endings[i]();
        }
        int fd = sock_connect(target);
        sock_expect(close(listener) == 0, "close");
        text_send(fd, 0, PIECE, PIECE, 1);
        text_receive(fd, 0, MEGABYTE, 3000, 2);
        if (endings[i] == end_by_exit || endings[i] == end_by_quick_exit)
            text_receive(fd, MEGABYTE, 100, 100, 2);
        text_expect_end(fd);
        sock_expect(close(fd) == 0 && sock_reap(pid) == 0, "ending %d", i);
    }
}

/* --- a filter that allows only read, write and exit --- */

#define ALLOW(number)                                                                                              \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static bool filter_by_number; /* otherwise by prctl */

static void raise_filter(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        ALLOW(SYS_read),
        ALLOW(SYS_write),
        ALLOW(SYS_exit_group),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    struct sock_fprog program = {sizeof code / sizeof code[0], code};
    sock_expect(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "PR_SET_NO_NEW_PRIVS");
    if (filter_by_number)
        sock_expect(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0, "seccomp");
    else
        sock_expect(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0, "PR_SET_SECCOMP");
}

static void sandboxed_server(int fd)
{
    unsigned char text[2 * PIECE];
    pid_t pid = fork();
    if (pid == 0) {
        raise_filter();
        for (size_t got = 0; got < PIECE;) {
            ssize_t n = read(fd, text + got, PIECE - got);
            if (n <= 0)
                _exit(2);
            got += (size_t)n;
        }
        text_check(text, PIECE, 0, 1);
        text_fill(text, sizeof text, 0, 2);
        if (write(fd, text, sizeof text) != sizeof text)
            _exit(3);
        _exit(0);
    }
    sock_expect(close(fd) == 0 && sock_reap(pid) == 0, "the sandboxed child");
}

static void sandboxed_client(int fd)
{
    sock_set_nodelay(fd);
    text_send(fd, 0, PIECE, 300, 1);
    text_receive(fd, 0, 2 * PIECE, 2 * PIECE, 2);
    text_expect_end(fd);
}

static void sandboxed_by_number_server(int fd)
{
    filter_by_number = true;
    sandboxed_server(fd);
}

/* --- asynchronous I/O: it works, or reports that it is not available, and then has moved nothing --- */

static void asynchronous_server(int fd)
{
    static unsigned char text[PIECE];
    struct aiocb request = {.aio_fildes = fd, .aio_buf = text, .aio_nbytes = PIECE};
    struct aiocb *const list[] = {&request};
    io_context_t context = NULL;
    struct iocb block, *blocks[] = {&block};
    struct io_event event;
    size_t done = 0;
    text_receive(fd, 0, 8, 8, 1);
    text_fill(text, PIECE, 0, 2);
    if (aio_write(&request) == 0) {
        while (aio_error(&request) == EINPROGRESS)
            (void)aio_suspend((const struct aiocb *const *)list, 1, NULL);
        sock_expect(aio_return(&request) == PIECE && !sock_is_sealed(), "aio_write");
        done += PIECE;
    } else {
        sock_expect(errno == ENOSYS && sock_is_sealed(), "aio_write");
    }
    request.aio_lio_opcode = LIO_WRITE;
    text_fill(text, PIECE, done, 2);
    if (lio_listio(LIO_WAIT, list, 1, NULL) == 0)
        done += PIECE;
    else
        sock_expect(errno == ENOSYS && sock_is_sealed(), "lio_listio");
    sock_expect((aio_read(&request) == 0) != sock_is_sealed(), "aio_read");

    sock_expect(io_setup(1, &context) == 0, "io_setup");
    text_fill(text, PIECE, done, 2);
    io_prep_pwrite(&block, fd, text, PIECE, 0);
    int submitted = io_submit(context, 1, blocks);
    if (submitted == 1) {
        sock_expect(io_getevents(context, 1, 1, &event, NULL) == 1 && !sock_is_sealed(), "io_getevents");
        done += event.res == PIECE ? PIECE : 0;
    } else {
        sock_expect(submitted == -EOPNOTSUPP && sock_is_sealed(), "io_submit: %d", submitted);
        sock_expect(syscall(SYS_io_submit, context, 1, blocks) == -1 && errno == EOPNOTSUPP, "io_submit by number");
    }
    sock_expect(io_destroy(context) == 0, "io_destroy");
    struct io_uring_params parameters = {0};
    struct io_uring ring;
    long number = syscall(SYS_io_uring_setup, 1, &parameters);
    sock_expect(!sock_is_sealed() || (number == -1 && errno == ENOSYS), "io_uring_setup");
    int result = io_uring_queue_init(1, &ring, 0);
    sock_expect(sock_is_sealed() ? result == -ENOSYS : (result == 0) == (number >= 0), "io_uring_queue_init: %d",
                result);
    result = io_uring_queue_init_params(1, &ring, &parameters);
    sock_expect(!sock_is_sealed() || result == -ENOSYS, "io_uring_queue_init_params: %d", result);
    text_send(fd, done, 8 * PIECE - done, PIECE, 2);
    (void)shutdown(fd, SHUT_WR);
    side_send(0);
    (void)side_receive();
    _exit(sock_reap(sock_peer_pid) == 0 ? (printf("ok\n"), fflush(stdout), 0) : 1);
}

static void asynchronous_client(int fd)
{
    text_send(fd, 0, 8, 8, 1);
    text_receive(fd, 0, 8 * PIECE, 500, 2);
    text_expect_end(fd);
    (void)side_receive();
    side_send(0);
}

static const struct scenario scenarios[] = {
    {"by_number", by_number_server, by_number_client, NULL},
    {"quiet_forks", quiet_forks_server, quiet_forks_client, NULL},
    {"ends", NULL, NULL, ends},
    {"sandboxed", sandboxed_server, sandboxed_client, NULL},
    {"sandboxed_by_number", sandboxed_by_number_server, sandboxed_client, NULL},
    {"asynchronous", asynchronous_server, asynchronous_client, NULL},
    {0},
};

int main(int argc, char **argv)
{
    return scenario_main(argc, argv, scenarios);
}
