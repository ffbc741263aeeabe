// link: -pthread
/*
 * Descriptor numbers that change hands at a bad moment: libc closes one by itself, another thread gets one whose
 * close() has not returned, and a child of fork, vfork or clone has them all.
 */
#include "../lib/connecting.h"
#include "../lib/sock.h"
#include "../lib/threads.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>

enum { PIECE = 1000, FAR_NUMBER = 50 };

static atomic_bool stop;

static void start_all(pthread_t *threads, int count, void *(*function)(void *))
{
    atomic_store(&stop, false);
    for (int i = 0; i < count; i++)
        thread_start(&threads[i], function, NULL);
}

static void stop_all(const pthread_t *threads, int count)
{
    atomic_store(&stop, true);
    for (int i = 0; i < count; i++)
        thread_join(threads[i]);
}

/* --- fclose() of one of two streams: another socket then has its number --- */

static void receive_second(int listener)
{
    int first = sock_accept(listener), second = sock_accept(listener);
    text_receive(second, 0, PIECE, 300, 1);
    text_expect_end(second);
    (void)close(first);
    exit(0);
}

static void write_by_stream(FILE *stream)
{
    unsigned char text[PIECE];
    text_fill(text, PIECE, 0, 1);
    sock_expect(fwrite(text, 1, PIECE, stream) == PIECE && fclose(stream) == 0, "writing to the stream");
}

static void closed_stream(const struct sock_target *target)
{
    int listener = sock_listen(target);
    pid_t pid = sock_fork();
    if (pid == 0)
        receive_second(listener);
    int fd = sock_open(target, 0), copy = dup(fd);
    FILE *reader = fdopen(copy, "r"), *writer = fdopen(fd, "w");
    sock_expect(reader && writer && fclose(reader) == 0, "fclose of the first stream");
    int other = sock_open(target, 0);
    sock_expect(other == copy, "the new socket has number %d, the closed stream had %d", other, copy);
    sock_expect(connecting_call(other, &sock_target_global) == 0 && connecting_call(fd, &sock_target_global) == 0,
                "connect");
    write_by_stream(writer);
    sock_expect(close(other) == 0 && sock_reap(pid) == 0, "the other end");
}

/* --- children of vfork() put the connection at their descriptor 1 while threads use plain files --- */

enum { VFORKS = 300, FILES_THREADS = 3, FILES_BEFORE = 500 };

static void *use_files(void *argument)
{
    while (!atomic_load(&stop)) {
        int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
        sock_expect(fd >= 0, "open");
        for (int i = 0; i < 3; i++)
            sock_expect(write(fd, "x", 1) == 1, "write to a plain file, descriptor %d", fd);
        sock_expect(close(fd) == 0, "close of a plain file, descriptor %d", fd);
    }
    return argument;
}

static void vfork_with_output(int fd)
{
    pid_t pid = vfork();
    if (pid == 0) {
        if (dup2(fd, 1) == 1)
            (void)execl("/bin/true", "true", (char *)NULL);
        _exit(1);
    }
    sock_expect(pid > 0 && sock_reap(pid) == 0, "the child of vfork");
}

static void vforks_client(int fd)
{
    pthread_t threads[FILES_THREADS];
    for (int i = 0; i < FILES_BEFORE; i++)
        sock_expect(open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0, "open");
    start_all(threads, FILES_THREADS, use_files);
    for (int i = 0; i < VFORKS; i++)
        vfork_with_output(fd);
    stop_all(threads, FILES_THREADS);
    text_send(fd, 0, PIECE, 300, 1);
}

static void receive_server(int fd)
{
    text_receive(fd, 0, PIECE, 300, 1);
    text_expect_end(fd);
}

/* --- a child that clone() made by number accepts, and reads late: after the policy's handshake-timeout --- */

enum { LATE_MS = 6000 }; /* the test's handshake-timeout is shorter */

static void clone_client(const struct sock_target *target, int late)
{
    int first = sock_connect(target);
    text_send(first, 0, PIECE, 300, 1);
    int second = sock_connect(target);
    text_send(second, 0, PIECE, 300, 2);
    (void)poll(NULL, 0, LATE_MS);
    sock_expect(write(late, "l", 1) == 1, "telling that it is late");
    text_receive(second, 0, PIECE, 300, 3);
    text_expect_end(second);
    text_receive(first, 0, PIECE, 300, 4);
    text_expect_end(first);
    exit(0);
}

static void serve_late(int listener, int late)
{
    char byte;
    int fd = sock_accept(listener);
    sock_expect(read(late, &byte, 1) == 1, "hearing that it is late");
    text_receive(fd, 0, PIECE, 300, 2);
    text_send(fd, 0, PIECE, 300, 3);
    sock_expect(close(fd) == 0, "close");
    _exit(0);
}

static void cloned(const struct sock_target *target)
{
    int listener = sock_listen(target), late[2];
    sock_expect(pipe(late) == 0, "pipe");
    pid_t client = sock_fork();
    if (client == 0)
        clone_client(target, late[1]);
    int first = sock_accept(listener);
    text_receive(first, 0, PIECE, 300, 1);
    pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
        (void)close(first);
        serve_late(listener, late[0]);
    }
    sock_expect(child > 0 && sock_reap(child) == 0, "the child of clone");
    text_send(first, 0, PIECE, 300, 4);
    sock_expect(close(first) == 0 && sock_reap(client) == 0, "the client");
}

/* --- the end of a pipe and a connection have the same number in turn; a child closes only the numbers it knows ---
 */

enum { PIPE_ROUNDS = 200 };

struct turns {
    int connection, pipe;
    atomic_int count;
};

static void *take_turns(void *argument)
{
    struct turns *turns = argument;
    while (!atomic_load(&stop)) {
        sock_expect(dup2(turns->pipe, FAR_NUMBER) == FAR_NUMBER, "dup2 of the pipe");
        sock_expect(dup2(turns->connection, FAR_NUMBER) == FAR_NUMBER, "dup2 of the connection");
        atomic_fetch_add(&turns->count, 1);
    }
    return argument;
}

/* A child that closes those descriptors, and lives until `life` ends. */
static pid_t fork_without(const struct turns *turns, const int life[2])
{
    char byte;
    pid_t pid = sock_fork();
    if (pid == 0) {
        (void)close(FAR_NUMBER);
        (void)close(turns->pipe);
        (void)close(turns->connection);
        (void)close(life[1]);
        _exit(read(life[0], &byte, 1) == 0 ? 0 : 1);
    }
    return pid;
}

static void pipe_round(int fd, int round)
{
    int ends[2], life[2];
    char byte;
    pthread_t thread;
    sock_expect(pipe2(ends, O_CLOEXEC) == 0 && pipe2(life, O_CLOEXEC) == 0, "pipe2");
    struct turns turns = {.connection = fd, .pipe = ends[1]};
    atomic_store(&stop, false);
    thread_start(&thread, take_turns, &turns);
    while (atomic_load(&turns.count) < 1 + round % 5)
        (void)sched_yield();
    pid_t pid = fork_without(&turns, life);
    stop_all(&thread, 1);
    sock_expect(close(FAR_NUMBER) == 0 && close(ends[1]) == 0, "close");
    sock_expect(sock_wait(ends[0], POLLIN) == POLLHUP && read(ends[0], &byte, 1) == 0, "the end of the pipe");
    sock_expect(close(life[1]) == 0 && sock_reap(pid) == 0, "the child");
    (void)close(life[0]);
    (void)close(ends[0]);
}

static void pipes_client(int fd)
{
    for (int i = 0; i < PIPE_ROUNDS; i++)
        pipe_round(fd, i);
    text_send(fd, 0, PIECE, 300, 1);
}

/* --- a close() that waits (SO_LINGER), and the file that gets its number meanwhile --- */

enum { LINGER_S = 30 };

/* A connection that no rule seals. `ends`: the end that connected, the end that accepted. */
static void connect_elsewhere(int ends[2])
{
    struct sock_target target = sock_target_parse("127.0.0.1", "0");
    int listener = sock_listen(&target);
    target.length = sizeof target.address;
    sock_expect(getsockname(listener, (struct sockaddr *)&target.address, &target.length) == 0, "getsockname");
    ends[0] = sock_connect(&target);
    ends[1] = sock_accept(listener); /* the listener stays open: its number is lower than theirs */
}

static void make_lingering(int fd)
{
    const struct linger linger = {.l_onoff = 1, .l_linger = LINGER_S};
    int copy = dup(fd);
    sock_expect(copy >= 0 && close(copy) == 0, "dup");
    sock_set_nonblocking(fd, true);
    (void)sock_stuff(fd, SIZE_MAX, 1);
    sock_set_nonblocking(fd, false);
    sock_expect(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) == 0, "SO_LINGER");
}

static void *close_it(void *argument)
{
    (void)close(*(const int *)argument);
    return NULL;
}

/* Opens files until one has the number. */
static void open_at(int number)
{
    int fd;
    while ((fd = open("/dev/null", O_WRONLY | O_CLOEXEC)) != number) {
        sock_expect(fd > number, "open returned %d", fd);
        (void)close(fd);
        (void)sched_yield();
    }
}

static double now(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void lingering(const struct sock_target *target)
{
    int ends[2];
    pthread_t thread;
    (void)target;
    connect_elsewhere(ends);
    make_lingering(ends[0]);
    thread_start(&thread, close_it, &ends[0]);
    open_at(ends[0]);
    const double before = now();
    sock_expect(write(ends[0], "x", 1) == 1, "write to the file");
    const double took = now() - before;
    sock_expect(took < LINGER_S / 3.0, "the write took %.1f s, close() lingers for %d s", took, LINGER_S);
    (void)close(ends[1]); /* resets the connection, since it has not read: close() returns */
    thread_join(thread);
}

/* --- a file's close-on-exec flag, while connections come and go at the numbers around it --- */

enum { REFUSED_THREADS = 3, FLAG_ROUNDS = 4000, ROUNDS_PER_EXEC = 100 };

static void *connect_in_vain(void *argument)
{
    while (!atomic_load(&stop)) {
        int fd = sock_open(&sock_target_global, 0), result = connecting_call(fd, &sock_target_global);
        sock_expect(result < 0 && errno == ECONNREFUSED, "connect returned %d, expected a refusal", result);
        sock_expect(close(fd) == 0, "close");
    }
    return argument;
}

/* A program that is executed must not have the file at `path`. */
static void expect_closed_by_exec(int fd, const char *path)
{
    char script[PATH_MAX + 100];
    (void)snprintf(script, sizeof script, "[ ! /proc/self/fd/%d -ef '%s' ]", fd, path);
    pid_t pid = sock_fork();
    if (pid == 0) {
        (void)execl("/bin/sh", "sh", "-c", script, (char *)NULL);
        _exit(127);
    }
    int status = sock_reap(pid);
    sock_expect(status == 0, "the executed program has descriptor %d: status %d", fd, status);
}

static void flag_round(const char *path, bool executes)
{
    char head[4] = "";
    int fd = open(path, O_RDONLY);
    sock_expect(fd >= 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0, "FD_CLOEXEC of descriptor %d", fd);
    sock_expect(read(fd, head, sizeof head) == sizeof head && memcmp(head, "\177ELF", sizeof head) == 0,
                "read of descriptor %d", fd);
    int flags = fcntl(fd, F_GETFD);
    sock_expect(flags == FD_CLOEXEC, "the flags of descriptor %d are %d", fd, flags);
    if (executes)
        expect_closed_by_exec(fd, path);
    sock_expect(close(fd) == 0, "close of descriptor %d", fd);
}

static void flagged(const struct sock_target *target)
{
    pthread_t threads[REFUSED_THREADS];
    char path[PATH_MAX] = ""; /* this program's own file */
    (void)target;
    sock_expect(readlink("/proc/self/exe", path, sizeof path - 1) > 0, "readlink");
    start_all(threads, REFUSED_THREADS, connect_in_vain);
    for (int i = 0; i < FLAG_ROUNDS; i++)
        flag_round(path, i % ROUNDS_PER_EXEC == 0);
    stop_all(threads, REFUSED_THREADS);
}

static const struct scenario scenarios[] = {
    {"closed_stream", NULL, NULL, closed_stream},
    {"vforks", receive_server, vforks_client, NULL},
    {"cloned", NULL, NULL, cloned},
    {"pipes", receive_server, pipes_client, NULL},
    {"lingering", NULL, NULL, lingering},
    {"flagged", NULL, NULL, flagged},
    {0},
};

int main(int argc, char **argv)
{
    return scenario_main(argc, argv, scenarios);
}
