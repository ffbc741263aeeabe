// link: -pthread
/*
 * Threads on one descriptor: many that send, many that receive, both at once; a thread that ends the wait of
 * another; threads that open and close connections while others use theirs.
 */
#include "../lib/sock.h"

#include <pthread.h>
#include <stdatomic.h>

enum { THREADS = 8, EACH = 1 << 20, MEGABYTE = 1 << 20 };

struct job {
    int fd;
    unsigned number;
    size_t counted[256]; /* how many bytes of each value arrived */
};

static void run_threads(struct job *jobs, size_t count, int fd, void *(*function)(void *), pthread_t *threads)
{
    for (size_t i = 0; i < count; i++) {
        jobs[i] = (struct job){.fd = fd, .number = (unsigned)i};
        sock_expect(pthread_create(&threads[i], NULL, function, &jobs[i]) == 0, "pthread_create");
    }
}

static void join_threads(pthread_t *threads, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sock_expect(pthread_join(threads[i], NULL) == 0, "pthread_join");
}

/* Sends EACH bytes of a value of its own, in pieces of changing size. */
static void *send_value(void *argument)
{
    struct job *job = argument;
    static const char *const word = "PFSMARK:";
    unsigned char buffer[5000];
    memset(buffer, (int)(128 + job->number), sizeof buffer);
    for (size_t done = 0, size = 1; done < EACH; size = size * 3 % 4999 + 1) {
        size_t part = EACH - done < size ? EACH - done : size;
        ssize_t n = send(job->fd, buffer, part, 0);
        sock_expect(n > 0, "send returned %zd", n);
        done += (size_t)n;
    }
    /* A short send on a blocking socket is whole: a capture of the bare wire shows the word. */
    sock_expect(send(job->fd, word, 8, 0) == 8, "send");
    return NULL;
}

/* Receives to the end and counts the values. */
static void *count_values(void *argument)
{
    struct job *job = argument;
    unsigned char buffer[3000];
    ssize_t n;
    size_t size = 1;
    while ((n = recv(job->fd, buffer, size, 0)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            job->counted[buffer[i]]++;
        size = size * 7 % 2999 + 1;
    }
    sock_expect(n == 0, "recv returned %zd", n);
    return NULL;
}

static void senders_client(int fd)
{
    static struct job jobs[THREADS];
    pthread_t threads[THREADS];
    run_threads(jobs, THREADS, fd, send_value, threads);
    join_threads(threads, THREADS);
}

static void receivers_server(int fd)
{
    static struct job jobs[THREADS];
    pthread_t threads[THREADS];
    run_threads(jobs, THREADS, fd, count_values, threads);
    join_threads(threads, THREADS);
    for (unsigned value = 128; value < 128 + THREADS; value++) {
        size_t sum = 0;
        for (int i = 0; i < THREADS; i++)
            sum += jobs[i].counted[value];
        sock_expect(sum == EACH, "%zu bytes of sender %u arrived", sum, value - 128);
    }
}

/* Both directions at once on one descriptor: a thread writes, a thread reads, at both ends. */
static void *write_stream(void *argument)
{
    struct job *job = argument;
    text_send(job->fd, 0, 10 * MEGABYTE, 70000, job->number);
    sock_expect(shutdown(job->fd, SHUT_WR) == 0, "shutdown");
    return NULL;
}

static void duplex(int fd, unsigned mine, unsigned theirs)
{
    pthread_t thread;
    struct job job = {.fd = fd, .number = mine};
    sock_expect(pthread_create(&thread, NULL, write_stream, &job) == 0, "pthread_create");
    text_receive(fd, 0, 10 * MEGABYTE, 50000, theirs);
    text_expect_end(fd);
    join_threads(&thread, 1);
}

static void duplex_server(int fd)
{
    duplex(fd, 1, 2);
}

static void duplex_client(int fd)
{
    duplex(fd, 2, 1);
}

/* Another thread's shutdown wakes a thread that sleeps in a receive, as on bare TCP. */
static void *receive_end(void *argument)
{
    struct job *job = argument;
    char byte;
    (void)prctl(PR_SET_NAME, "asleep");
    ssize_t n = recv(job->fd, &byte, 1, 0);
    sock_expect(n == 0, "recv returned %zd, expected 0 after the shutdown", n);
    return NULL;
}

static void woken_server(int fd)
{
    pthread_t thread;
    struct job job = {.fd = fd};
    text_receive(fd, 0, 100, 100, 1);
    sock_expect(pthread_create(&thread, NULL, receive_end, &job) == 0, "pthread_create");
    side_send((uint64_t)getpid());
    (void)side_receive();
    sock_expect(shutdown(fd, SHUT_RDWR) == 0, "shutdown");
    join_threads(&thread, 1);
    side_send(0);
}

static void woken_client(int fd)
{
    text_send(fd, 0, 100, 100, 1);
    (void)side_receive();
    (void)poll(NULL, 0, 5); /* most likely it sleeps by now; otherwise its receive is at the end all the same */
    side_send(0);
    (void)side_receive();
    text_expect_end(fd);
}

/* A thread asleep in a receive does not keep another one from sending and polling. */
static void *receive_word(void *argument)
{
    struct job *job = argument;
    text_receive(job->fd, 0, 100000, 5000, 1);
    return NULL;
}

static void beside_server(int fd)
{
    pthread_t thread;
    struct job job = {.fd = fd};
    sock_expect(pthread_create(&thread, NULL, receive_word, &job) == 0, "pthread_create");
    for (size_t i = 0; i < 50; i++) {
        text_send(fd, i * 1000, 1000, 1000, 2);
        sock_expect(sock_wait(fd, POLLOUT) & POLLOUT, "writable");
        sock_expect(side_receive() == i, "the answer to message %zu", i);
    }
    side_send(0);
    join_threads(&thread, 1);
}

static void beside_client(int fd)
{
    for (size_t i = 0; i < 50; i++) {
        text_receive(fd, i * 1000, 1000, 1000, 2);
        side_send(i);
    }
    (void)side_receive();
    text_send(fd, 0, 100000, 10000, 1);
}

/*
 * Threads that make, use and close connections of their own all the time: descriptor numbers are used again and
 * again.
 */
static atomic_int still_running;

static void *make_connections(void *argument)
{
    struct job *job = argument;
    for (size_t round = 0; round < 40; round++) {
        int fd = sock_connect(&sock_target_global);
        size_t size = 100 + job->number * 777 + round * 99;
        uint64_t head = size;
        sock_expect(send(fd, &head, sizeof head, 0) == sizeof head, "send");
        text_send(fd, 0, size, 1500, job->number);
        uint64_t answer = 0;
        sock_expect(recv(fd, &answer, sizeof answer, MSG_WAITALL) == sizeof answer && answer == size, "the answer");
        (void)close(fd);
    }
    atomic_fetch_sub(&still_running, 1);
    return NULL;
}

static void *serve_connection(void *argument)
{
    int fd = (int)(intptr_t)argument;
    uint64_t head = 0, seen = 0;
    static _Thread_local char buffer[4096];
    sock_expect(recv(fd, &head, sizeof head, MSG_WAITALL) == sizeof head, "the head");
    while (seen < head) {
        ssize_t n = recv(fd, buffer, sizeof buffer, 0);
        sock_expect(n > 0, "recv returned %zd after %" PRIu64 " of %" PRIu64, n, seen, head);
        seen += (uint64_t)n;
    }
    sock_expect(send(fd, &seen, sizeof seen, 0) == sizeof seen, "send");
    text_expect_end(fd);
    (void)close(fd);
    return NULL;
}

static void churn(const struct sock_target *target)
{
    static struct job jobs[THREADS];
    pthread_t threads[THREADS], servers[THREADS * 40];
    int listener = sock_listen(target);
    atomic_store(&still_running, THREADS);
    run_threads(jobs, THREADS, -1, make_connections, threads);
    for (size_t i = 0; i < THREADS * 40; i++) {
        int fd = sock_accept(listener);
        sock_expect(pthread_create(&servers[i], NULL, serve_connection, (void *)(intptr_t)fd) == 0,
                    "pthread_create");
    }
    join_threads(threads, THREADS);
    join_threads(servers, THREADS * 40);
}

static const struct scenario scenarios[] = {
    {"many", receivers_server, senders_client, NULL},
    {"duplex", duplex_server, duplex_client, NULL},
    {"woken", woken_server, woken_client, NULL},
    {"beside", beside_server, beside_client, NULL},
    {"churn", NULL, NULL, churn},
    {0},
};

int main(int argc, char **argv)
{
    return scenario_main(argc, argv, scenarios);
}
