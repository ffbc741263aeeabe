/* See differ_stories.h. */
#include "differ_stories.h"
#include "differ.h"

#include <pthread.h>
#include <spawn.h>

const char *stories_program;

struct transfer {
    int fd;
    uint64_t state; /* of its own random numbers */
    size_t size;
    unsigned seed;
};

static size_t transfer_step(struct transfer *transfer)
{
    transfer->state = transfer->state * 6364136223846793005U + 1442695040888963407U;
    return 1 + (size_t)(transfer->state >> 33) % 30000;
}

static void *transfer_send(void *argument)
{
    struct transfer *transfer = argument;
    for (size_t done = 0; done < transfer->size;) {
        const size_t step = transfer_step(transfer), left = transfer->size - done;
        text_send(transfer->fd, done, step < left ? step : left, step, transfer->seed);
        done += step < left ? step : left;
    }
    (void)shutdown(transfer->fd, SHUT_WR);
    return NULL;
}

static void *transfer_receive(void *argument)
{
    struct transfer *transfer = argument;
    for (size_t done = 0; done < transfer->size;) {
        const size_t step = transfer_step(transfer), left = transfer->size - done;
        text_receive(transfer->fd, done, step < left ? step : left, step, transfer->seed);
        done += step < left ? step : left;
    }
    text_expect_end(transfer->fd);
    return NULL;
}

void story_transfer_both_ways(void)
{
    struct transfer transfers[4];
    pthread_t threads[4];
    int fds[2];
    connect_two(fds);
    const bool forks = random_chance(50);
    const size_t sizes[2] = {200000 + random_below(200000), 200000 + random_below(200000)};
    for (int i = 0; i < 4; i++)
        transfers[i] =
            (struct transfer){fds[i / 2], random_word(), sizes[i % 2 ^ i / 2], (unsigned)(i % 2 ^ i / 2)};
    (void)printf("transfers of %zu and %zu bytes\n", sizes[0], sizes[1]);
    (void)fflush(stdout);
    const pid_t pid = forks ? fork() : -1;
    const int first = forks && pid == 0 ? 2 : 0, last = forks && pid != 0 ? 2 : 4;
    for (int i = first; i < last; i++)
        sock_expect(pthread_create(&threads[i], NULL, i % 2 ? transfer_receive : transfer_send, &transfers[i]) == 0,
                    "a thread");
    for (int i = first; i < last; i++)
        (void)pthread_join(threads[i], NULL);
    if (pid == 0)
        _exit(0);
    (void)traced(forks ? sock_reap(pid) : 0, "transfers");
    (void)close(fds[0]);
    (void)close(fds[1]);
}

int stories_in_another_program(int argc, char **argv)
{
    const int fd = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 0;
    char bytes[64];
    ssize_t n;
    while ((n = read(fd, bytes, sizeof bytes)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            bytes[i] ^= 0x20;
        if (write(fd, bytes, (size_t)n) != n)
            return 2;
    }
    return n == 0 ? 0 : 3;
}

/* Sends, receives the answer in two parts, and ends. */
static void talk_to_other(int fd)
{
    char answer[16] = "";
    (void)traced(send(fd, "hello, there", 12, MSG_NOSIGNAL), "send to it");
    (void)traced(recv(fd, answer, 12, MSG_WAITALL), "recv");
    (void)printf("%s\n", answer);
    (void)traced(shutdown(fd, SHUT_WR), "shutdown");
    (void)traced(recv(fd, answer, 1, 0), "recv at the end");
    (void)close(fd);
}

void story_execute(void)
{
    int fds[2];
    char number[16];
    connect_two(fds);
    const unsigned way = random_below(3);
    const int as = 0; /* sealed, other numbers do not survive an exec while another process has the connection:
                         COMPATIBILITY.md */
    char *const words[] = {(char *)(uintptr_t)stories_program, "story", number, NULL};
    (void)snprintf(number, sizeof number, "%d", as);
    (void)fcntl(fds[0], F_SETFD, FD_CLOEXEC);
    (void)fcntl(fds[1], F_SETFD, 0);
    (void)printf("execute by %u\n", way);
    (void)fflush(stdout);
    pid_t pid = -1;
    if (way == 0) {
        posix_spawn_file_actions_t actions;
        (void)posix_spawn_file_actions_init(&actions);
        (void)posix_spawn_file_actions_adddup2(&actions, fds[1], as);
        const int error = posix_spawn(&pid, stories_program, &actions, NULL, words, environ);
        (void)traced(error, "posix_spawn");
        (void)posix_spawn_file_actions_destroy(&actions);
    } else {
        pid = way == 1 ? vfork() : fork();
        if (pid == 0) {
            if (dup2(fds[1], as) == as)
                (void)execv(stories_program, words);
            _exit(127);
        }
    }
    (void)close(fds[1]);
    talk_to_other(fds[0]);
    (void)traced(sock_reap(pid), "the program's status");
}

void story_pass_on(void)
{
    int fds[2], side[2], one = -1;
    char byte = 'p', room[CMSG_SPACE(sizeof one)] = "";
    struct iovec piece = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    connect_two(fds);
    sock_expect(socketpair(AF_UNIX, SOCK_STREAM, 0, side) == 0, "socketpair");
    struct cmsghdr *control = CMSG_FIRSTHDR(&message);
    *control =
        (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof one), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(control), &fds[1], sizeof one);
    (void)traced(sendmsg(side[0], &message, 0), "passing a connection on");
    (void)close(fds[1]);
    (void)fflush(stdout);
    const pid_t pid = random_chance(50) ? fork() : -1;
    if (pid <= 0) {
        sock_expect(recvmsg(side[1], &message, 0) == 1 && (control = CMSG_FIRSTHDR(&message)) != NULL, "recvmsg");
        memcpy(&one, CMSG_DATA(control), sizeof one);
        sock_expect(send(one, "passed", 6, 0) == 6 && shutdown(one, SHUT_WR) == 0, "send");
    }
    if (pid == 0)
        _exit(0);
    (void)close(side[1]);
    char text[16] = "";
    (void)traced(recv(fds[0], text, 6, MSG_WAITALL), "recv");
    (void)traced(pid > 0 ? sock_reap(pid) : 0, "%s", text);
    (void)traced(recv(fds[0], text, 6, 0), "recv at the end");
    (void)close(one);
    (void)close(fds[0]);
    (void)close(side[0]);
}

void story_print(void)
{
    int fds[2];
    char line[64] = "";
    connect_two(fds);
    FILE *one = fdopen(fds[0], "w"), *other = fdopen(fds[1], "r");
    sock_expect(one != NULL && other != NULL, "fdopen");
    (void)traced(fprintf(one, "%s %d\n", "line", 1), "fprintf");
    (void)traced(fflush(one), "fflush");
    (void)traced(dprintf(fds[0], "line %d\n", 2), "dprintf");
    (void)traced(fputs("the last", one), "fputs");
    (void)traced(fileno(other) - fds[1], "fileno");
    (void)traced(fseek(other, 0, SEEK_SET), "fseek");
    (void)traced(fclose(one), "fclose");
    for (int i = 0; i < 3; i++)
        (void)printf("%s", fgets(line, sizeof line, other) != NULL ? line : "(none)");
    (void)traced(fgetc(other), "\nfgetc");
    (void)traced(feof(other) != 0, "feof");
    (void)traced(fclose(other), "fclose");
}

void story_connect_fast(void)
{
    const int listener = listener_open(4), fd = socket(differ_target.address.ss_family, SOCK_STREAM, 0);
    char text[8] = "";
    int on = 1;
    if (random_chance(50)) {
        (void)traced(sendto(fd, "fast", 4, MSG_FASTOPEN, (const struct sockaddr *)&differ_target.address,
                            differ_target.length),
                     "sendto with MSG_FASTOPEN");
    } else {
        (void)traced(setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof on), "TCP_FASTOPEN_CONNECT");
        (void)traced(dial(fd), "connect");
        (void)traced(send(fd, "fast", 4, 0), "send");
    }
    const int other = accept(listener, NULL, NULL);
    sock_expect(other >= 0, "accept");
    (void)close(listener);
    (void)traced(recv(other, text, 4, MSG_WAITALL), "recv");
    (void)printf("%s\n", text);
    two_close(fd, other);
}

void story_connect_by_many_paths(void)
{
    int domain = differ_target.address.ss_family, protocol = 0;
    socklen_t length = sizeof protocol;
    const int fd = socket(domain, SOCK_STREAM, IPPROTO_MPTCP);
    (void)traced(fd < 0 ? -1 : 0, "a socket of many paths");
    if (fd < 0)
        return;
    const int listener = listener_open(4);
    (void)traced(dial(fd), "connect");
    const int other = accept(listener, NULL, NULL);
    sock_expect(other >= 0, "accept");
    (void)close(listener);
    greet(fd, other);
    const int n = getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &length);
    (void)traced(n, "SO_PROTOCOL %d", protocol);
    two_close(fd, other);
}

void story_connect_without_waiting(void)
{
    const int listener = listener_open(4);
    const int fd = socket(differ_target.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int error = -1;
    socklen_t length = sizeof error;
    (void)traced(dial(fd), "connect without waiting");
    const int other = accept(listener, NULL, NULL);
    sock_expect(other >= 0, "accept");
    sock_set_nonblocking(other, random_chance(50));
    await(fd, POLLOUT, "a connection");
    const int n = getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
    (void)traced(n, "SO_ERROR %d", error);
    (void)traced(dial(fd), "connect again");
    (void)traced(dial(fd), "connect again");
    (void)close(listener);
    await(other, POLLOUT, "a connection");
    greet(fd, other);
    two_close(fd, other);
}

void story_send_before_accept(void)
{
    const int listener = listener_open(4), fd = socket(differ_target.address.ss_family, SOCK_STREAM, 0);
    char text[16] = "";
    (void)traced(dial(fd), "connect");
    (void)traced(send(fd, "early bird", 10, 0), "send");
    const unsigned then = random_below(3);
    if (then == 1)
        (void)traced(shutdown(fd, SHUT_WR), "shutdown");
    if (then == 2)
        (void)traced(shutdown(fd, SHUT_RD), "shutdown for reading");
    const int other = accept(listener, NULL, NULL);
    sock_expect(other >= 0, "accept");
    (void)close(listener);
    (void)traced(recv(other, text, 10, MSG_WAITALL), "recv");
    (void)printf("%s\n", text);
    two_close(fd, other);
}

void story_be_signalled(void)
{
    int fds[2];
    sigset_t set;
    const struct timespec timeout = {.tv_sec = 10};
    char byte;
    connect_two(fds);
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGIO);
    sock_expect(sigprocmask(SIG_BLOCK, &set, NULL) == 0 && fcntl(fds[0], F_SETOWN, getpid()) == 0 &&
                    fcntl(fds[0], F_SETFL, O_RDWR | O_ASYNC | O_NONBLOCK) == 0,
                "O_ASYNC");
    (void)traced(fcntl(fds[0], F_GETFL), "F_GETFL");
    (void)traced(fcntl(fds[0], F_GETOWN) == getpid(), "F_GETOWN");
    (void)traced(send(fds[1], "x", 1, 0), "send");
    (void)traced(sigtimedwait(&set, NULL, &timeout), "SIGIO");
    await(fds[0], POLLIN, "a byte");
    (void)traced(recv(fds[0], &byte, 1, 0), "recv");
    (void)fcntl(fds[0], F_SETFL, O_RDWR);
    two_close(fds[0], fds[1]);
    const struct timespec none = {0};
    while (sigtimedwait(&set, NULL, &none) > 0)
        continue;
    (void)sigprocmask(SIG_UNBLOCK, &set, NULL);
}
