/*
 * link: -pthread
 * Programs with threads behind system call filters. One thread waits in read(2) while another one writes to the
 * same connection, and a filter for all threads must not end the process: a kill by the filter shows as SIGSYS.
 * Each round proves that the reader waits, since the other end looks at its state (proc(5)) before it asks for a
 * write.
 */
#include "../lib/sock.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <semaphore.h>
#include <stddef.h>
#include <sys/syscall.h>

enum { ROUNDS = 20, MESSAGE = 1000 };

/* What libc's threads need to wait for each other and to end. */
#define THREADS                                                                                                    \
    SYS_futex, SYS_exit, SYS_exit_group, SYS_rt_sigreturn, SYS_mmap, SYS_munmap, SYS_mprotect, SYS_madvise,        \
        SYS_rt_sigprocmask, SYS_brk, SYS_set_robust_list

static const int everything[] = {-1};
static const int only_bytes[] = {THREADS, SYS_read, SYS_write, -1};
#if !defined(SYS_poll) /* libc's poll() is ppoll(2) */
#define SYS_poll SYS_ppoll
#endif
static const int bytes_and_poll[] = {THREADS, SYS_read, SYS_write, SYS_poll, -1};
static const int socket_bytes[] = {THREADS, SYS_read, SYS_write, SYS_recvfrom, SYS_sendto, -1};
static const int server_list[] = {THREADS,        SYS_read,       SYS_write, SYS_recvfrom, SYS_sendto, SYS_ppoll,
                                  SYS_getsockopt, SYS_setsockopt, SYS_close, SYS_clone3,   -1};

enum installer { BY_PRCTL, BY_SECCOMP, BY_TSYNC };

/* The child that was locked in has ended in order. */
static void expect_survived(pid_t child)
{
    const int status = sock_reap(child);
    sock_expect(status == 0, "what was locked in ended with %d%s", status,
                status == 128 + SIGSYS ? ", SIGSYS" : "");
}

/* Kills the process for each call that is not on the list. An empty list allows everything. */
static void lock_in(const int *allowed, enum installer installer)
{
    struct sock_filter code[64];
    unsigned short count = 0, calls = 0;
    while (allowed[calls] >= 0)
        calls++;
    code[count++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (unsigned short i = 0; i < calls; i++)
        code[count++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)allowed[i],
                                                     (unsigned char)(calls - i), 0);
    code[count++] =
        (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, calls > 0 ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ALLOW);
    code[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {.len = count, .filter = code};
    sock_expect(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "PR_SET_NO_NEW_PRIVS");
    if (installer == BY_PRCTL)
        sock_expect(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0, "PR_SET_SECCOMP");
    else
        sock_expect(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                            installer == BY_TSYNC ? SECCOMP_FILTER_FLAG_TSYNC : 0, &program) == 0,
                    "seccomp");
}

/* --- one thread reads, another writes --- */

static int connection;
static sem_t may_read, has_read;
static _Atomic pid_t reader_id;

/* Reads what the other end sends in answer to each write. Ends the process if that is anything else. */
static void *reader(void *unused)
{
    static unsigned char buffer[MESSAGE];
    reader_id = (pid_t)syscall(SYS_gettid);
    (void)sem_post(&has_read);
    (void)sem_wait(&may_read);
    for (size_t at = 0; at < (size_t)ROUNDS * MESSAGE;) {
        const ssize_t n = read(connection, buffer, MESSAGE - at % MESSAGE);
        if (n <= 0)
            _exit(3);
        for (ssize_t i = 0; i < n; i++)
            if (buffer[i] != text_byte(at + (size_t)i, 2))
                _exit(4);
        at += (size_t)n;
        if (at % MESSAGE == 0)
            (void)sem_post(&has_read);
    }
    return unused;
}

__attribute__((noreturn)) static void write_beside_reader(const int *allowed, enum installer installer)
{
    static unsigned char text[MESSAGE];
    pthread_t thread;
    (void)sem_init(&may_read, 0, 0);
    (void)sem_init(&has_read, 0, 0);
    sock_expect(pthread_create(&thread, NULL, reader, NULL) == 0, "pthread_create");
    (void)sem_wait(&has_read);
    lock_in(allowed, installer);
    side_send((uint64_t)reader_id);
    (void)sem_post(&may_read);
    for (size_t at = 0; at < (size_t)ROUNDS * MESSAGE; at += MESSAGE) {
        (void)side_receive(); /* the reader waits */
        text_fill(text, MESSAGE, at, 1);
        if (write(connection, text, MESSAGE) != MESSAGE)
            _exit(5);
        (void)sem_wait(&has_read);
    }
    _exit(0);
}

static void serve(int fd, const int *allowed, enum installer installer)
{
    sock_greet(fd);
    const pid_t pid = sock_fork();
    if (pid == 0) {
        sock_set_nodelay(fd);
        connection = fd;
        write_beside_reader(allowed, installer);
    }
    (void)close(fd);
    expect_survived(pid);
}

static void answering_client(int fd)
{
    sock_greet(fd);
    sock_set_nodelay(fd);
    const pid_t thread = (pid_t)side_receive();
    for (size_t at = 0; at < (size_t)ROUNDS * MESSAGE; at += MESSAGE) {
        for (int seen = 0; seen < 5; seen = sock_state_of(thread) == 'S' ? seen + 1 : 0)
            (void)poll(NULL, 0, 1);
        side_send(1);
        text_receive(fd, at, MESSAGE, MESSAGE, 1);
        text_send(fd, at, MESSAGE, MESSAGE, 2);
    }
    text_expect_end(fd);
}

static void everything_server(int fd)
{
    serve(fd, everything, BY_PRCTL);
}

static void list_server(int fd)
{
    serve(fd, server_list, BY_TSYNC);
}

static void sockets_server(int fd)
{
    serve(fd, socket_bytes, BY_TSYNC);
}

static void poll_server(int fd)
{
    serve(fd, bytes_and_poll, BY_TSYNC);
}

static void bytes_server(int fd)
{
    serve(fd, only_bytes, BY_TSYNC);
}

/* --- both directions are full --- */

enum { MANY = 16 * 1024 * 1024 }; /* more than the kernel keeps */

static void *read_many(void *unused)
{
    static unsigned char buffer[16384];
    (void)sem_post(&may_read); /* libc has started the thread */
    for (size_t at = 0; at < MANY;) {
        const ssize_t n = read(connection, buffer, sizeof buffer);
        if (n <= 0)
            _exit(3);
        for (ssize_t i = 0; i < n; i++)
            if (buffer[i] != text_byte(at + (size_t)i, 2))
                _exit(4);
        at += (size_t)n;
    }
    (void)sem_post(&has_read);
    return unused;
}

static void *send_many(void *seed)
{
    text_send(connection, 0, MANY, 30000, *(unsigned *)seed);
    return NULL;
}

/* A thread that waits in write(2) must not keep another one from reading. */
static void full_server(int fd)
{
    static unsigned seed = 1;
    sock_greet(fd);
    const pid_t pid = sock_fork();
    if (pid == 0) {
        pthread_t thread;
        connection = fd;
        (void)sem_init(&may_read, 0, 0);
        (void)sem_init(&has_read, 0, 0);
        sock_expect(pthread_create(&thread, NULL, read_many, NULL) == 0, "pthread_create");
        (void)sem_wait(&may_read);
        lock_in(only_bytes, BY_TSYNC);
        (void)send_many(&seed);
        (void)sem_wait(&has_read);
        _exit(0);
    }
    (void)close(fd);
    expect_survived(pid);
}

/* Reads only after the other end has sent as much as fits, so that its writer waits. */
static void full_client(int fd)
{
    static unsigned seed = 2;
    pthread_t thread;
    sock_greet(fd);
    connection = fd;
    sock_expect(pthread_create(&thread, NULL, send_many, &seed) == 0, "pthread_create");
    (void)pthread_join(thread, NULL);
    text_receive(fd, 0, MANY, 30000, 1);
    text_expect_end(fd);
}

/* --- threads take turns to read, each of which may give up --- */

enum { TURNS = 3 };
static sem_t may_give_up, has_given_up;

/* Reads until SO_RCVTIMEO expires, once in each turn, and lives on. */
static void *give_up(void *unused)
{
    unsigned char byte;
    (void)sem_post(&has_given_up); /* libc has started the thread */
    for (;;) {
        (void)sem_wait(&may_give_up);
        if (read(connection, &byte, 1) != -1 || errno != EAGAIN)
            _exit(3);
        (void)sem_post(&has_given_up);
    }
    return unused;
}

/* A thread whose read(2) has ended without bytes must not keep another one from reading. */
static void turns_server(int fd)
{
    const struct timeval timeout = {.tv_usec = 50000};
    sock_greet(fd);
    const pid_t pid = sock_fork();
    if (pid == 0) {
        static unsigned char buffer[MESSAGE];
        pthread_t thread;
        connection = fd;
        (void)sem_init(&may_give_up, 0, 0);
        (void)sem_init(&has_given_up, 0, 0);
        sock_expect(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) == 0, "SO_RCVTIMEO");
        sock_expect(pthread_create(&thread, NULL, give_up, NULL) == 0, "pthread_create");
        (void)sem_wait(&has_given_up);
        lock_in(only_bytes, BY_TSYNC);
        for (size_t at = 0; at < (size_t)TURNS * MESSAGE; at += MESSAGE) {
            (void)sem_post(&may_give_up);
            (void)sem_wait(&has_given_up);
            side_send(1);
            for (size_t got = 0; got < MESSAGE;) {
                const ssize_t n = read(fd, buffer + got, MESSAGE - got);
                if (n == 0 || (n < 0 && errno != EAGAIN))
                    _exit(4);
                got += n > 0 ? (size_t)n : 0;
            }
            for (size_t i = 0; i < MESSAGE; i++)
                if (buffer[i] != text_byte(at + i, 2))
                    _exit(5);
        }
        _exit(0);
    }
    (void)close(fd);
    expect_survived(pid);
}

static void turns_client(int fd)
{
    sock_greet(fd);
    for (size_t at = 0; at < (size_t)TURNS * MESSAGE; at += MESSAGE) {
        (void)side_receive(); /* the other thread has given up */
        text_send(fd, at, MESSAGE, MESSAGE, 2);
    }
    text_expect_end(fd);
}

/* --- a filter for all threads, while the shim has something to do in the background --- */

static void tsync_at_once_server(int fd)
{
    const pid_t pid = sock_fork();
    if (pid == 0) {
        static unsigned char byte;
        lock_in(only_bytes, BY_TSYNC);
        if (read(fd, &byte, 1) != 1 || write(fd, &byte, 1) != 1)
            _exit(3);
        _exit(0);
    }
    (void)close(fd);
    expect_survived(pid);
}

static void echoed_client(int fd)
{
    text_send(fd, 0, 1, 1, 1);
    text_receive(fd, 0, 1, 1, 1);
    text_expect_end(fd);
}

/* Opens and closes connections in one process, and then locks all its threads in. The last ones are not ended yet.
 */
static void tsync_after_close(const struct sock_target *target)
{
    enum { CONNECTIONS = 20, BYTES = 30000 };
    const int listener = sock_listen(target);
    const pid_t pid = sock_fork();
    if (pid == 0) {
        int fd = -1;
        for (int i = 0; i < CONNECTIONS; i++) {
            fd = sock_connect(target);
            text_send(fd, 0, BYTES, BYTES, 1);
            if (i < CONNECTIONS - 1)
                (void)close(fd);
        }
        lock_in(only_bytes, BY_TSYNC);
        static unsigned char byte;
        _exit(read(fd, &byte, 1) == 1 ? 0 : 3);
    }
    for (int i = 0; i < CONNECTIONS; i++) {
        const int fd = sock_accept(listener);
        text_receive(fd, 0, BYTES, BYTES, 1);
        if (i == CONNECTIONS - 1)
            text_send(fd, 0, 1, 1, 2);
        (void)close(fd);
    }
    expect_survived(pid);
}

static const struct scenario scenarios[] = {
    {"everything", everything_server, answering_client, NULL},
    {"list", list_server, answering_client, NULL},
    {"sockets", sockets_server, answering_client, NULL},
    {"poll", poll_server, answering_client, NULL},
    {"bytes", bytes_server, answering_client, NULL},
    {"full", full_server, full_client, NULL},
    {"turns", turns_server, turns_client, NULL},
    {"tsync_at_once", tsync_at_once_server, echoed_client, NULL},
    {"tsync_after_close", NULL, NULL, tsync_after_close},
    {0},
};

int main(int argc, char **argv)
{
    return scenario_main(argc, argv, scenarios);
}
