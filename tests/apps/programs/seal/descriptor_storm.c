// link: -pthread
/*
 * Threads that make, copy, replace and close descriptors as fast as they can, and peers that count the bytes they
 * can read. Under `pfswrap run` with seal = require no peer here has a key, so no byte of WORD may ever reach one.
 * The program itself is correct: no thread uses a descriptor number after it has closed it.
 *
 *     descriptor_storm listen FIRST_PORT
 *         peers of every kind, until its standard input ends
 *     descriptor_storm connect THREADS CONNECTS SEED FIRST_PORT [WRONG_KEY_PORT]
 *     descriptor_storm again FIRST_PORT
 *         one thread: refused, disconnected (AF_UNSPEC), connected to a silent peer
 *     descriptor_storm serve THREADS PORT
 *         accepts, sends WORD and closes, until its standard input ends
 *     descriptor_storm call THREADS CONNECTS PORT
 *         connects, and reads what comes
 *
 * Each prints its counts as one line of JSON. It exits with status 1 if something arrived that must not arrive.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lib/storm.h"

enum { NUMBERS = 4096 }; /* descriptors that the program may have, if the limit allows it */

static int first_port, wrong_key_port;
static atomic_long left, connects, succeeded, opened, broken;

struct worker {
    pthread_t thread;
    uint64_t chance;      /* the state of its random numbers */
    int own_descriptors;  /* the first of a block of descriptor numbers that only this thread uses */
    pthread_mutex_t lock; /* guards `victim` */
    int victim;           /* a descriptor number that the other thread may replace, or -1 */
    _Atomic bool over;
};

enum { OWN_FIRST = 410, OWN_COUNT = 16 }; /* in the range of the shim's own descriptors */

static unsigned chance(struct worker *worker, unsigned bound)
{
    worker->chance = worker->chance * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(worker->chance >> 33) % bound;
}

/* Most peers answer at once; few take time. */
static int any_port(struct worker *worker)
{
    const unsigned roll = chance(worker, 200);
    if (roll == 0)
        return first_port + SILENT;
    if (roll < 4)
        return first_port + SLOW;
    if (roll < 30)
        return first_port + RESETS;
    if (roll < 60)
        return first_port + CLOSES;
    if (roll < 70)
        return first_port + REFUSES;
    if (roll < 80 && wrong_key_port != 0)
        return wrong_key_port;
    return first_port + ECHOES;
}

static int connect_to(int fd, int port)
{
    const struct sockaddr_in address = storm_address(port);
    const int result = connect(fd, (const struct sockaddr *)&address, sizeof address);
    atomic_fetch_add(&connects, 1);
    atomic_fetch_sub(&left, 1);
    if (result == 0)
        atomic_fetch_add(&succeeded, 1);
    return result;
}

static void say(int fd)
{
    char answer[64];
    if (send(fd, WORD, WORD_BYTES, MSG_NOSIGNAL) > 0)
        (void)recv(fd, answer, sizeof answer, MSG_DONTWAIT);
}

/* What ordinary clients do. */
static void plainly(struct worker *worker)
{
    const int fd = storm_socket(0);
    (void)connect_to(fd, any_port(worker));
    say(fd);
    (void)close(fd);
}

static void without_blocking(struct worker *worker)
{
    const int fd = storm_socket(SOCK_NONBLOCK);
    int error = 0;
    socklen_t length = sizeof error;
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
    (void)connect_to(fd, any_port(worker));
    if (chance(worker, 2) == 0)
        (void)poll(&poll_fd, 1, 5);
    (void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
    say(fd);
    (void)close(fd);
}

/* Duplicates of the socket, made before it is connected and after. */
static void by_copies(struct worker *worker)
{
    const int fd = storm_socket(0), before = dup(fd),
              high = worker->own_descriptors + (int)chance(worker, OWN_COUNT);
    if (before < 0 || dup2(before, high) != high)
        storm_fail("dup");
    (void)connect_to(chance(worker, 2) == 0 ? fd : high, any_port(worker));
    const int after = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    say(fd);
    say(before);
    (void)close(fd);
    say(high);
    if (after >= 0)
        say(after);
    (void)close(before);
    if (after >= 0)
        (void)close(after);
    if (chance(worker, 2) == 0)
        (void)close(high);
    else
        (void)syscall(SYS_close_range, (unsigned)high, (unsigned)high, 0);
}

/* Another file replaces a connection at its descriptor number, and a connection replaces another file. */
static void by_replacing(struct worker *worker)
{
    const int fd = storm_socket(0), file = open("/dev/null", O_RDWR | O_CLOEXEC), high = worker->own_descriptors;
    if (file < 0 || dup2(file, high) != high)
        storm_fail("open");
    (void)connect_to(fd, any_port(worker));
    if (dup2(fd, high) == high)
        say(high);
    say(fd);
    if (dup2(file, fd) != fd || write(fd, WORD, WORD_BYTES) != WORD_BYTES)
        atomic_fetch_add(&broken, 1);
    say(high);
    (void)close(fd);
    (void)close(file);
    (void)close(high);
}

/* A block of descriptors closed at once. */
static void by_ranges(struct worker *worker)
{
    const int fd = storm_socket(0), first = worker->own_descriptors;
    for (int i = 0; i < OWN_COUNT / 2; i++)
        if (dup2(fd, first + i) != first + i)
            storm_fail("dup2");
    (void)connect_to(fd, any_port(worker));
    for (int i = OWN_COUNT / 2; i < OWN_COUNT; i++)
        (void)dup2(fd, first + i);
    say(first + (int)chance(worker, OWN_COUNT));
    (void)syscall(SYS_close_range, (unsigned)first, (unsigned)first + OWN_COUNT - 1, 0);
    say(fd);
    (void)close(fd);
}

/* A socket whose connect failed connects again, and so does one that was disconnected (connect(2)). */
static void again(struct worker *worker)
{
    const struct sockaddr none = {.sa_family = AF_UNSPEC};
    const int fd = storm_socket(0);
    for (int i = 0; i < 3; i++) {
        (void)connect_to(fd, any_port(worker));
        say(fd);
        (void)connect(fd, &none, sizeof none);
    }
    (void)close(fd);
}

/* A child has the descriptor, too, and may end before or after its parent closes it. */
static void with_child(struct worker *worker)
{
    const int fd = storm_socket(0), port = any_port(worker);
    const bool before = chance(worker, 2) == 0;
    if (!before)
        (void)connect_to(fd, port);
    const pid_t child = chance(worker, 2) == 0 ? fork() : (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (child < 0)
        storm_fail("fork");
    if (child == 0) {
        if (!before)
            (void)send(fd, WORD, WORD_BYTES, MSG_NOSIGNAL | MSG_DONTWAIT);
        else
            (void)close(fd); /* of a socket that only the parent connects */
        _exit(0);
    }
    if (before) {
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
            continue;
        (void)connect_to(fd, port);
    }
    say(fd);
    (void)close(fd);
    if (!before)
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
            continue;
}

/* For a while the other thread may put /dev/null at this descriptor number, as Java does to end calls. */
static void with_other(struct worker *worker)
{
    const int fd = storm_socket(0);
    (void)pthread_mutex_lock(&worker->lock);
    worker->victim = fd;
    (void)pthread_mutex_unlock(&worker->lock);
    (void)connect_to(fd, any_port(worker));
    say(fd);
    (void)pthread_mutex_lock(&worker->lock);
    worker->victim = -1;
    (void)pthread_mutex_unlock(&worker->lock);
    (void)close(fd);
}

/* Plain files must work, however fast their descriptor numbers change hands. */
static void with_files(struct worker *worker)
{
    char byte;
    for (unsigned i = 0; i < 4; i++) {
        const int fd = open("/proc/self/comm", O_RDONLY);
        if (fd < 0)
            storm_fail("open");
        const bool works = fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC &&
                           read(fd, &byte, 1) == 1 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0;
        atomic_fetch_add(&opened, 1);
        if (!works) {
            atomic_fetch_add(&broken, 1);
            (void)fprintf(stderr, "descriptor_storm: descriptor %d of a file: %s\n", fd, strerror(errno));
        }
        (void)close(fd);
    }
    (void)chance(worker, 2);
}

static void *disturb(void *argument)
{
    struct worker *worker = argument;
    const int file = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (unsigned i = 0; !atomic_load(&worker->over); i++) {
        (void)pthread_mutex_lock(&worker->lock);
        const bool had = worker->victim >= 0;
        if (had) {
            (void)dup2(file, worker->victim);
            worker->victim = -1;
        }
        (void)pthread_mutex_unlock(&worker->lock);
        if (!had && i % 16 == 0)
            (void)poll(NULL, 0, 1);
        else
            (void)sched_yield();
    }
    (void)close(file);
    return NULL;
}

static void *work(void *argument)
{
    static void (*const ways[])(struct worker *) = {plainly,      plainly,   plainly, without_blocking, by_copies,
                                                    by_replacing, by_ranges, again,   with_other,       with_files};
    struct worker *worker = argument;
    pthread_t other;
    if (pthread_create(&other, NULL, disturb, worker) != 0)
        storm_fail("pthread_create");
    while (atomic_load(&left) > 0) {
        const unsigned roll = chance(worker, 400);
        if (roll == 0)
            with_child(worker);
        else
            ways[roll % (sizeof ways / sizeof ways[0])](worker);
    }
    atomic_store(&worker->over, true);
    (void)pthread_join(other, NULL);
    return NULL;
}

/* Whether a descriptor number is left behind on which every call fails. */
static int dead_descriptors(void)
{
    int fds[200], dead = 0;
    char byte;
    for (int i = 0; i < 200; i++) {
        fds[i] = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);
        dead += read(fds[i], &byte, 1) != 1;
    }
    for (int i = 0; i < 200; i++)
        (void)close(fds[i]);
    return dead;
}

static int run_connect(int threads, long count, long seed)
{
    static struct worker workers[THREADS_MOST];
    struct rlimit limit;
    (void)signal(SIGPIPE, SIG_IGN);
    atomic_store(&left, count);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < NUMBERS) {
        limit.rlim_cur = limit.rlim_max < NUMBERS ? limit.rlim_max : NUMBERS;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    for (int i = 0; i < threads; i++) {
        workers[i] = (struct worker){.chance = (uint64_t)(seed * 1000 + i),
                                     .own_descriptors = OWN_FIRST + i * OWN_COUNT,
                                     .lock = PTHREAD_MUTEX_INITIALIZER,
                                     .victim = -1};
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            storm_fail("pthread_create");
    }
    for (int i = 0; i < threads; i++)
        (void)pthread_join(workers[i].thread, NULL);
    const int dead = dead_descriptors();
    (void)printf("{\"connects\": %ld, \"succeeded\": %ld, \"files\": %ld, \"broken\": %ld, \"dead\": %d}\n",
                 atomic_load(&connects), atomic_load(&succeeded), atomic_load(&opened), atomic_load(&broken), dead);
    return atomic_load(&broken) != 0 || dead != 0;
}

static int run_again(void)
{
    const struct sockaddr none = {.sa_family = AF_UNSPEC};
    for (int i = 0; i < 5; i++) {
        const int fd = storm_socket(0);
        (void)connect_to(fd, first_port + REFUSES);
        (void)connect(fd, &none, sizeof none);
        (void)connect_to(fd, first_port + SILENT);
        say(fd);
        (void)close(fd);
    }
    (void)printf("{\"connects\": %ld}\n", atomic_load(&connects));
    return 0;
}

static int number(const char *text)
{
    return (int)strtol(text, NULL, 10);
}

int main(int count, char **words)
{
    const char *const what = count > 1 ? words[1] : "";
    if (strcmp(what, "listen") == 0 && count == 3)
        return storm_listen(number(words[2]));
    if (strcmp(what, "again") == 0 && count == 3) {
        first_port = number(words[2]);
        return run_again();
    }
    const int threads = count > 3 ? number(words[2]) : 0;
    if (threads > 0 && threads <= THREADS_MOST) {
        if (strcmp(what, "connect") == 0 && count >= 6) {
            first_port = number(words[5]);
            wrong_key_port = count > 6 ? number(words[6]) : 0;
            return run_connect(threads, strtol(words[3], NULL, 10), strtol(words[4], NULL, 10));
        }
        if (strcmp(what, "serve") == 0 && count == 4)
            return storm_serve(threads, number(words[3]));
        if (strcmp(what, "call") == 0 && count == 5)
            return storm_call(threads, strtol(words[3], NULL, 10), number(words[4]));
    }
    (void)fprintf(stderr,
                  "usage: descriptor_storm listen PORT | again PORT | connect THREADS CONNECTS SEED PORT [PORT] | "
                  "serve THREADS PORT | call THREADS CONNECTS PORT\n");
    return 2;
}
