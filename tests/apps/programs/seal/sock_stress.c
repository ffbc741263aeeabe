// link: -pthread
/*
 * Many things at once: forks and spawns while other threads use connections, exits while they do, epoll waits in
 * one thread for descriptors that another one adds, changes and removes.
 */
#include "../lib/sock.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>

enum { THREADS = 4, SIZE = 2 << 20, FORKS = 100 };

struct end {
    int fd;
    unsigned mine, theirs;
};

static atomic_int busy;

static void *write_stream(void *argument)
{
    struct end *end = argument;
    text_send(end->fd, 0, SIZE, 7000, end->mine);
    sock_expect(shutdown(end->fd, SHUT_WR) == 0, "shutdown");
    atomic_fetch_sub(&busy, 1);
    return NULL;
}

static void *read_stream(void *argument)
{
    struct end *end = argument;
    text_receive(end->fd, 0, SIZE, 5000, end->theirs);
    text_expect_end(end->fd);
    atomic_fetch_sub(&busy, 1);
    return NULL;
}

/* Four connections, each with a reading and a writing thread at both ends, all in this process. */
static void start_ends(const struct sock_target *target, struct end *ends, pthread_t *threads)
{
    int listener = sock_listen(target);
    atomic_store(&busy, 4 * THREADS);
    for (unsigned i = 0; i < THREADS; i++) {
        ends[2 * i] = (struct end){sock_connect(target), 2 * i, 2 * i + 1};
        ends[2 * i + 1] = (struct end){sock_accept(listener), 2 * i + 1, 2 * i};
    }
    for (unsigned i = 0; i < 2 * THREADS; i++) {
        sock_expect(pthread_create(&threads[2 * i], NULL, write_stream, &ends[i]) == 0 &&
                        pthread_create(&threads[2 * i + 1], NULL, read_stream, &ends[i]) == 0,
                    "pthread_create");
    }
    (void)close(listener);
}

static void join_ends(struct end *ends, pthread_t *threads)
{
    for (unsigned i = 0; i < 4 * THREADS; i++)
        sock_expect(pthread_join(threads[i], NULL) == 0, "pthread_join");
    for (unsigned i = 0; i < 2 * THREADS; i++)
        sock_expect(close(ends[i].fd) == 0, "close");
}

/* Children come and go while the threads continue; some close their copies, some only exit. */
static void forks(const struct sock_target *target)
{
    struct end ends[2 * THREADS];
    pthread_t threads[4 * THREADS];
    start_ends(target, ends, threads);
    for (int i = 0; i < FORKS || atomic_load(&busy) > 0; i++) {
        pid_t pid = i % 3 == 2 ? vfork() : fork();
        sock_expect(pid >= 0, "fork");
        if (pid == 0) {
            if (i % 3 == 1)
                for (unsigned k = 0; k < 2 * THREADS; k++)
                    (void)close(ends[k].fd);
            _exit(0);
        }
        sock_expect(sock_reap(pid) == 0, "the forked child");
    }
    join_ends(ends, threads);
}

static void execs(const struct sock_target *target)
{
    struct end ends[2 * THREADS];
    pthread_t threads[4 * THREADS];
    start_ends(target, ends, threads);
    for (int i = 0; i < 10; i++) {
        sock_expect(system("exit 3") == 3 << 8, "system");
        FILE *words = popen("echo word", "r");
        char line[16] = "";
        sock_expect(words && fgets(line, sizeof line, words) && strcmp(line, "word\n") == 0 && pclose(words) == 0,
                    "popen: %s", line);
    }
    join_ends(ends, threads);
}

/* Sends stream 1 as long as it is accepted: sealed, a thread's send while the process exits fails with EBADF. */
static void *write_until_error(void *argument)
{
    static char text[7000];
    struct end *end = argument;
    ssize_t n = 1;
    for (size_t at = 0; n > 0; at += (size_t)(n > 0 ? n : 0)) {
        text_fill(text, sizeof text, at, end->mine);
        n = send(end->fd, text, sizeof text, MSG_NOSIGNAL);
    }
    return NULL;
}

/* Exit while threads are sending: the process ends, and does not leave a partial frame as the whole stream. */
static void exit_client(int fd)
{
    pthread_t thread;
    static struct end end;
    end = (struct end){.fd = fd, .mine = 1};
    sock_expect(pthread_create(&thread, NULL, write_until_error, &end) == 0, "pthread_create");
    (void)side_receive();
    exit(0);
}

static void exit_server(int fd)
{
    static char buffer[50000];
    size_t at = 0;
    ssize_t n;
    text_receive(fd, 0, 300000, 20000, 1);
    at = 300000;
    side_send(0);
    while ((n = read(fd, buffer, sizeof buffer)) > 0) {
        text_check(buffer, (size_t)n, at, 1);
        at += (size_t)n;
    }
    sock_expect(n == 0 || sock_is_sealed(), "read returned %zd at %zu", n, at);
}

/*
 * Exit while the socket is full and threads wait in their sends: what they send while the process exits is either
 * in the stream or lost, and no signal changes the exit status.
 */
static void report_exiting(void)
{
    side_send(1);
}

static void *send_for_ever(void *argument)
{
    static char text[20000];
    int fd = *(int *)argument;
    text_fill(text, sizeof text, 0, 1);
    for (;;)
        (void)!send(fd, text, sizeof text, 0);
    return NULL;
}

static void exit_full_client(int fd)
{
    static int shared;
    pthread_t thread;
    shared = fd;
    sock_greet(fd);
    for (int i = 0; i < THREADS; i++)
        sock_expect(pthread_create(&thread, NULL, send_for_ever, &shared) == 0, "pthread_create");
    while (sock_ready(fd, POLLOUT) & POLLOUT)
        (void)poll(NULL, 0, 1);
    sock_expect(atexit(report_exiting) == 0, "atexit");
    exit(0);
}

static void exit_full_server(int fd)
{
    static char buffer[50000];
    ssize_t n;
    sock_greet(fd);
    (void)side_receive();
    (void)poll(NULL, 0, 50); /* most likely the exit is under way; reading lets the threads' sends continue */
    while ((n = read(fd, buffer, sizeof buffer)) > 0)
        continue;
    sock_expect(n == 0, "read returned %zd: what came is no whole stream", n);
}

/* --- one thread waits by epoll, another one registers --- */

static void *wait_for_three(void *argument)
{
    int epoll = *(int *)argument;
    for (int i = 1; i <= 3; i++) {
        struct epoll_event event;
        int n = epoll_wait(epoll, &event, 1, SOCK_DEADLINE_MS);
        sock_expect(n == 1 && event.data.u32 == (uint32_t)i, "event %d: epoll_wait returned %d", i, n);
        side_send((uint64_t)i);
    }
    return NULL;
}

/* A connection that is added while the thread waits wakes it, and so do a change and the end. */
static void waiting_client(int first)
{
    pthread_t thread;
    int epoll = epoll_create1(0), side[2], other = sock_side;
    sock_expect(socketpair(AF_UNIX, SOCK_STREAM, 0, side) == 0, "socketpair");
    sock_side = side[0];
    sock_expect(pthread_create(&thread, NULL, wait_for_three, &epoll) == 0, "pthread_create");
    int fd = sock_open(&sock_target_global, SOCK_NONBLOCK);
    sock_expect(connect(fd, (const struct sockaddr *)&sock_target_global.address, sock_target_global.length) == 0 ||
                    errno == EINPROGRESS,
                "connect");
    struct epoll_event event = {.events = EPOLLOUT | EPOLLONESHOT, .data.u32 = 1};
    sock_expect(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "EPOLL_CTL_ADD");
    uint64_t word = 0;
    sock_expect(read(side[1], &word, sizeof word) == sizeof word && word == 1, "the first event");
    text_send(fd, 0, 16, 16, 1);
    event = (struct epoll_event){.events = EPOLLIN | EPOLLONESHOT, .data.u32 = 2};
    sock_expect(epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event) == 0, "EPOLL_CTL_MOD");
    sock_expect(write(other, &word, sizeof word) == sizeof word, "telling the peer to answer");
    sock_expect(read(side[1], &word, sizeof word) == sizeof word && word == 2, "the second event");
    text_receive(fd, 0, 16, 16, 2);
    /* The end of the connection is reported even if nothing was requested. */
    event = (struct epoll_event){.events = 0, .data.u32 = 3};
    sock_expect(epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event) == 0, "EPOLL_CTL_MOD");
    sock_expect(shutdown(fd, SHUT_WR) == 0 && write(other, &word, sizeof word) == sizeof word, "shutdown");
    sock_expect(read(side[1], &word, sizeof word) == sizeof word && word == 3, "the third event");
    sock_expect(pthread_join(thread, NULL) == 0, "pthread_join");
    (void)close(first);
}

static void waiting(const struct sock_target *target)
{
    int side[2], listener = sock_listen(target);
    sock_expect(socketpair(AF_UNIX, SOCK_STREAM, 0, side) == 0, "socketpair");
    pid_t pid = sock_fork();
    if (pid == 0) {
        (void)close(listener);
        sock_side = side[1];
        waiting_client(open("/dev/null", O_RDONLY));
        exit(0);
    }
    sock_side = side[0];
    int fd = sock_accept(listener);
    text_receive(fd, 0, 16, 16, 1);
    (void)side_receive();
    text_send(fd, 0, 16, 16, 2);
    (void)side_receive();
    text_expect_end(fd);
    (void)close(fd);
    sock_expect(sock_reap(pid) == 0, "the client's process");
}

/* An epoll made before a fork, with the connection in it, serves parent and child. */
static void shared_epoll_server(int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = 9};
    int epoll = epoll_create1(0);
    text_receive(fd, 0, 16, 16, 1);
    sock_expect(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "EPOLL_CTL_ADD");
    for (size_t round = 0; round < 4; round++) {
        pid_t pid = round % 2 ? 0 : fork();
        sock_expect(pid >= 0, "fork");
        if (pid) {
            sock_expect(sock_reap(pid) == 0, "the forked child");
            continue;
        }
        side_send(round);
        event.data.u32 = 0;
        sock_expect(epoll_wait(epoll, &event, 1, SOCK_DEADLINE_MS) == 1 && event.data.u32 == 9, "epoll_wait");
        text_receive(fd, 16 + round * 5000, 5000, 500, 1);
        sock_expect(epoll_wait(epoll, &event, 1, 0) == 0, "an event though everything has been read");
        if (round % 2 == 0)
            _exit(0);
    }
    side_send(9);
    sock_expect(epoll_wait(epoll, &event, 1, SOCK_DEADLINE_MS) == 1, "epoll_wait");
    text_expect_end(fd);
}

static void shared_epoll_client(int fd)
{
    text_send(fd, 0, 16, 16, 1);
    for (uint64_t round = side_receive(); round < 4; round = side_receive())
        text_send(fd, 16 + round * 5000, 5000, 5000, 1);
}

static const struct scenario scenarios[] = {
    {"forks", NULL, NULL, forks},
    {"execs", NULL, NULL, execs},
    {"exit", exit_server, exit_client, NULL},
    {"exit_full", exit_full_server, exit_full_client, NULL},
    {"waiting", NULL, NULL, waiting},
    {"shared_epoll", shared_epoll_server, shared_epoll_client, NULL},
    {0},
};

int main(int argc, char **argv)
{
    return scenario_main(argc, argv, scenarios);
}
