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
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORD "PFSMARK:readable"
#define MAGIC "\xf5pfsw\r\n\x01"
enum { NUMBERS = 4096 };
enum { WORD_BYTES = sizeof WORD - 1, MAGIC_BYTES = sizeof MAGIC - 1, THREADS_MOST = 64 };

static void fail(const char *what)
{
    perror(what);
    _exit(2);
}

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int listen_on(int port, bool listens)
{
    const struct sockaddr_in address = loopback(port);
    const int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 || (listens && listen(fd, 4096) != 0))
        fail("listen");
    return fd;
}

/* Closes with a reset, so that no port stays in use (TIME_WAIT). */
static void close_with_reset(int fd)
{
    const struct linger linger = {.l_onoff = 1};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    (void)close(fd);
}

static bool contains_word(const char *bytes, size_t size)
{
    return memmem(bytes, size, WORD, WORD_BYTES) != NULL;
}

/* --- listen --- */

/* How a peer behaves. The port is FIRST_PORT plus this number. REFUSES does not listen. */
enum kind { ECHOES, CLOSES, RESETS, SLOW, SILENT, REFUSES, KINDS };

enum { PEERS_MOST = 65536, SLOW_MS = 20, QUIET_MS = 200 /* without an event, after the last client */ };

static enum kind kinds[PEERS_MOST];
static struct late {
    int fd;
    uint64_t due_ms;
} late[PEERS_MOST];
static unsigned late_first, late_end;
static long accepted, sealed, readable;

static uint64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void accept_all(int epoll, int listener, enum kind kind)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        accepted++;
        if (kind == CLOSES) {
            (void)close(fd);
        } else if (kind == RESETS) {
            close_with_reset(fd);
        } else if (fd >= PEERS_MOST || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
            fail("epoll_ctl");
        } else {
            kinds[fd] = kind;
            if (kind == SLOW)
                late[late_end++ % PEERS_MOST] = (struct late){fd, now_ms() + SLOW_MS};
        }
    }
}

/* What a peer receives is either sealed from the first byte to the last, or readable. */
static void receive(int fd)
{
    char bytes[4096];
    const ssize_t size = recv(fd, bytes, sizeof bytes, 0);
    if (size <= 0) {
        if (size == 0 || errno != EAGAIN) {
            if (kinds[fd] == SLOW)
                kinds[fd] = KINDS; /* when the peer closes it */
            else
                close_with_reset(fd);
        }
        return;
    }
    if (contains_word(bytes, (size_t)size) ||
        memcmp(bytes, MAGIC, (size_t)size < MAGIC_BYTES ? (size_t)size : MAGIC_BYTES) != 0) {
        if (readable++ < 3)
            (void)fprintf(stderr, "descriptor_storm: a peer of kind %d read %zd bytes: %.40s\n", (int)kinds[fd],
                          size, bytes);
    } else {
        sealed++;
    }
    if (kinds[fd] == ECHOES)
        (void)send(fd, bytes, (size_t)size, MSG_NOSIGNAL);
}

static int close_late(void)
{
    const uint64_t now = now_ms();
    while (late_first != late_end && late[late_first % PEERS_MOST].due_ms <= now)
        close_with_reset(late[late_first++ % PEERS_MOST].fd);
    return late_first != late_end ? SLOW_MS : -1;
}

static int run_listen(int first_port)
{
    int listeners[KINDS];
    struct epoll_event events[256], event = {.events = EPOLLIN | EPOLLHUP, .data.fd = STDIN_FILENO};
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    for (int kind = 0; kind < KINDS; kind++)
        listeners[kind] = listen_on(first_port + kind, kind != REFUSES);
    for (int kind = 0; kind < REFUSES; kind++) {
        struct epoll_event wanted = {.events = EPOLLIN, .data.fd = listeners[kind]};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, listeners[kind], &wanted) != 0)
            fail("epoll_ctl");
    }
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &event) != 0)
        fail("epoll_ctl");
    /* Standard input ends when all clients have ended: what they sent is still counted. */
    for (bool clients_ended = false, goes_on = true; goes_on;) {
        const int until_late_ms = close_late();
        const int count = epoll_wait(epoll, events, 256, clients_ended ? QUIET_MS : until_late_ms);
        goes_on = !clients_ended || count != 0;
        for (int i = 0; i < count; i++) {
            const int fd = events[i].data.fd;
            int kind = 0;
            while (kind < REFUSES && listeners[kind] != fd)
                kind++;
            if (fd == STDIN_FILENO)
                clients_ended = epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL) == 0;
            else if (kind < REFUSES)
                accept_all(epoll, fd, (enum kind)kind);
            else if (kinds[fd] != KINDS)
                receive(fd);
            else
                (void)epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);
        }
    }
    (void)printf("{\"accepted\": %ld, \"sealed\": %ld, \"readable\": %ld}\n", accepted, sealed, readable);
    return readable != 0;
}

/* --- connect --- */

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

static int new_socket(int flags)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    if (fd < 0)
        fail("socket");
    return fd;
}

static int connect_to(int fd, int port)
{
    const struct sockaddr_in address = loopback(port);
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
    const int fd = new_socket(0);
    (void)connect_to(fd, any_port(worker));
    say(fd);
    (void)close(fd);
}

static void without_blocking(struct worker *worker)
{
    const int fd = new_socket(SOCK_NONBLOCK);
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
    const int fd = new_socket(0), before = dup(fd), high = worker->own_descriptors + (int)chance(worker, OWN_COUNT);
    if (before < 0 || dup2(before, high) != high)
        fail("dup");
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
    const int fd = new_socket(0), file = open("/dev/null", O_RDWR | O_CLOEXEC), high = worker->own_descriptors;
    if (file < 0 || dup2(file, high) != high)
        fail("open");
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
    const int fd = new_socket(0), first = worker->own_descriptors;
    for (int i = 0; i < OWN_COUNT / 2; i++)
        if (dup2(fd, first + i) != first + i)
            fail("dup2");
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
    const int fd = new_socket(0);
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
    const int fd = new_socket(0), port = any_port(worker);
    const bool before = chance(worker, 2) == 0;
    if (!before)
        (void)connect_to(fd, port);
    const pid_t child = chance(worker, 2) == 0 ? fork() : (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (child < 0)
        fail("fork");
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
    const int fd = new_socket(0);
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
            fail("open");
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
        fail("pthread_create");
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
            fail("pthread_create");
    }
    for (int i = 0; i < threads; i++)
        (void)pthread_join(workers[i].thread, NULL);
    const int dead = dead_descriptors();
    (void)printf("{\"connects\": %ld, \"succeeded\": %ld, \"files\": %ld, \"broken\": %ld, \"dead\": %d}\n",
                 atomic_load(&connects), atomic_load(&succeeded), atomic_load(&opened), atomic_load(&broken), dead);
    return atomic_load(&broken) != 0 || dead != 0;
}

/* --- again --- */

static int run_again(void)
{
    const struct sockaddr none = {.sa_family = AF_UNSPEC};
    for (int i = 0; i < 5; i++) {
        const int fd = new_socket(0);
        (void)connect_to(fd, first_port + REFUSES);
        (void)connect(fd, &none, sizeof none);
        (void)connect_to(fd, first_port + SILENT);
        say(fd);
        (void)close(fd);
    }
    (void)printf("{\"connects\": %ld}\n", atomic_load(&connects));
    return 0;
}

/* --- serve, call --- */

static int server;

static void *serve(void *nothing)
{
    char received[64];
    for (;;) {
        struct pollfd polls[2] = {{.fd = server, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
        if (poll(polls, 2, -1) > 0 && polls[1].revents != 0)
            return nothing;
        const int fd = accept(server, NULL, NULL);
        if (fd < 0)
            continue;
        const int copy = dup(fd);
        (void)send(fd, WORD, WORD_BYTES, MSG_NOSIGNAL);
        (void)recv(fd, received, sizeof received, MSG_DONTWAIT);
        (void)close(fd);
        if (copy >= 0) {
            (void)send(copy, WORD, WORD_BYTES, MSG_NOSIGNAL);
            (void)close(copy);
        }
        const int file = open("/dev/null", O_WRONLY | O_CLOEXEC);
        if (file < 0 || write(file, WORD, WORD_BYTES) != WORD_BYTES)
            atomic_fetch_add(&broken, 1);
        (void)close(file);
    }
}

static int run_serve(int threads, int port)
{
    pthread_t all[THREADS_MOST];
    (void)signal(SIGPIPE, SIG_IGN);
    server = listen_on(port, true);
    for (int i = 0; i < threads; i++)
        if (pthread_create(&all[i], NULL, serve, NULL) != 0)
            fail("pthread_create");
    for (int i = 0; i < threads; i++)
        (void)pthread_join(all[i], NULL);
    (void)printf("{\"broken\": %ld}\n", atomic_load(&broken));
    return atomic_load(&broken) != 0;
}

static void *call(void *argument)
{
    long *received_word = argument;
    for (unsigned i = 0; atomic_fetch_sub(&left, 1) > 0; i++) {
        char bytes[4096];
        size_t size = 0;
        ssize_t count = 1;
        const int fd = new_socket(0);
        const struct sockaddr_in address = loopback(first_port);
        if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0)
            fail("connect");
        atomic_fetch_add(&connects, 1);
        if (i % 4 != 0)
            (void)send(fd, "GET / HTTP/1.0\r\n\r\n", 18, MSG_NOSIGNAL);
        if (i % 4 == 1)
            (void)shutdown(fd, SHUT_WR);
        if (i % 4 != 0) /* otherwise it is closed at once */
            while (size < sizeof bytes && (count = recv(fd, bytes + size, sizeof bytes - size, 0)) > 0)
                size += (size_t)count;
        *received_word += contains_word(bytes, size);
        close_with_reset(fd);
    }
    return NULL;
}

static int run_call(int threads, long count)
{
    static long received[THREADS_MOST];
    pthread_t all[THREADS_MOST];
    atomic_store(&left, count);
    for (int i = 0; i < threads; i++)
        if (pthread_create(&all[i], NULL, call, &received[i]) != 0)
            fail("pthread_create");
    for (int i = 0; i < threads; i++) {
        (void)pthread_join(all[i], NULL);
        readable += received[i];
    }
    (void)printf("{\"connects\": %ld, \"readable\": %ld}\n", atomic_load(&connects), readable);
    return readable != 0;
}

static int number(const char *text)
{
    return (int)strtol(text, NULL, 10);
}

int main(int count, char **words)
{
    const char *const what = count > 1 ? words[1] : "";
    if (strcmp(what, "listen") == 0 && count == 3)
        return run_listen(number(words[2]));
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
            return run_serve(threads, number(words[3]));
        if (strcmp(what, "call") == 0 && count == 5) {
            first_port = number(words[4]);
            return run_call(threads, strtol(words[3], NULL, 10));
        }
    }
    (void)fprintf(stderr,
                  "usage: descriptor_storm listen PORT | again PORT | connect THREADS CONNECTS SEED PORT [PORT] | "
                  "serve THREADS PORT | call THREADS CONNECTS PORT\n");
    return 2;
}
