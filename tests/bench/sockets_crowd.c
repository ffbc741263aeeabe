/*
 * A crowd of silent strangers at a server that has few descriptors, and a client that was there before, for the
 * benchmark of crowds.
 *
 *     sockets_crowd serve LIMIT MOST PORT
 *         an echo server with LIMIT descriptors, epoll and non-blocking reads. With MOST clients it closes each
 *         further one. MOST 0: it takes as many as it can, and for each one more it closes the oldest that has not
 *         said anything. SIGUSR1: prints the times of these calls of close(), and a line `end`
 *     sockets_crowd client PORT REQUEST ANSWER
 *         prints `ready` when it has had an answer; then, until its standard input ends, sends REQUEST (a line) and
 *         waits for ANSWER; in the end prints the times from request to answer
 *     sockets_crowd strangers PORT COUNT stay|return
 *         opens COUNT connections that say nothing and prints `ready` when all have been connected. With `return`,
 *         each one that the server closes comes again at once. Until its standard input ends; prints how often
 *         it came
 */
#include <poll.h>
#include <signal.h>
#include <sys/queue.h>
#include <sys/signalfd.h>

#include "lib/histogram.h"
#include "lib/load.h"

enum { DESCRIPTORS_MAX = 65536, EVENTS = 64, LINE = 256, SOURCES = 200 };

/* --- the server --- */

struct client {
    int fd;
    int is_silent;
    TAILQ_ENTRY(client) order;
};

static TAILQ_HEAD(clients, client) silent = TAILQ_HEAD_INITIALIZER(silent);
static struct client clients[DESCRIPTORS_MAX];
static struct histogram closes;
static long most, taken;
static int poller, listener;

/* How long this thread could have run and others had the processor, in seconds (proc(5), schedstat). */
static double seconds_displaced(void)
{
    static int file = -1;
    char text[LINE] = "";
    unsigned long long waited = 0;
    if (file < 0)
        file = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    must(file >= 0 && pread(file, text, sizeof text - 1, 0) > 0, "schedstat");
    errno = EBADMSG;
    must(sscanf(text, "%*u %llu", &waited) == 1, "schedstat");
    return (double)waited * 1e-9;
}

/* What the call computes and waits for counts. What other programs compute meanwhile does not. */
static void close_and_count(int fd)
{
    const double displaced = seconds_displaced(), begun = clock_seconds();
    must(close(fd) == 0, "close");
    const double took = clock_seconds() - begun;
    const double others = seconds_displaced() - displaced;
    histogram_add(&closes, took > others ? took - others : 0);
}

static void client_forget(struct client *client)
{
    if (client->is_silent)
        TAILQ_REMOVE(&silent, client, order);
    client->is_silent = 0;
    taken--;
}

static void client_take(int fd)
{
    struct client *client = &clients[fd];
    *client = (struct client){.fd = fd, .is_silent = 1};
    TAILQ_INSERT_TAIL(&silent, client, order);
    taken++;
    socket_send_at_once(fd);
    poller_add(poller, fd, EPOLLIN, client);
}

static void accept_one(void)
{
    int fd = socket_accept_at_once(listener);
    if (fd < 0 && errno == EMFILE && most == 0 && !TAILQ_EMPTY(&silent)) {
        struct client *oldest = TAILQ_FIRST(&silent);
        client_forget(oldest);
        close_and_count(oldest->fd);
        fd = socket_accept_at_once(listener);
    }
    if (fd < 0)
        must(errno == EAGAIN || errno == EMFILE || errno == ECONNABORTED, "accept");
    else if (most != 0 && taken >= most)
        close_and_count(fd);
    else
        client_take(fd);
}

static void client_answer(struct client *client)
{
    char buffer[LINE];
    const ssize_t got = read(client->fd, buffer, sizeof buffer);
    if (got > 0) {
        if (client->is_silent)
            TAILQ_REMOVE(&silent, client, order);
        client->is_silent = 0;
        write_all(client->fd, buffer, (size_t)got);
    } else if (got == 0 || errno != EAGAIN) {
        client_forget(client);
        close(client->fd);
    }
}

/* A descriptor that becomes readable when SIGUSR1 comes. */
static int requests_open(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    must(sigprocmask(SIG_BLOCK, &set, NULL) == 0, "sigprocmask");
    const int requests = signalfd(-1, &set, SFD_CLOEXEC);
    must(requests >= 0, "signalfd");
    return requests;
}

static void report(int requests)
{
    struct signalfd_siginfo signal;
    read_all(requests, &signal, sizeof signal);
    histogram_print(&closes);
    puts("end");
    (void)fflush(stdout);
    closes = (struct histogram){0};
}

static void serve(long limit, long port)
{
    const struct rlimit files = {(rlim_t)limit, (rlim_t)limit};
    struct epoll_event events[EVENTS];
    listener = socket_listen(port);
    poller = poller_new();
    int requests = requests_open();
    socket_make_nonblocking(listener);
    poller_add(poller, listener, EPOLLIN, &listener);
    poller_add(poller, requests, EPOLLIN, &requests);
    must(setrlimit(RLIMIT_NOFILE, &files) == 0, "setrlimit");
    (void)seconds_displaced(); /* opens its file while there are descriptors */
    for (;;) {
        const int count = epoll_wait(poller, events, EVENTS, -1);
        must(count >= 0 || errno == EINTR, "epoll_wait");
        for (int i = 0; i < count; i++)
            if (events[i].data.ptr != &listener && events[i].data.ptr != &requests)
                client_answer(events[i].data.ptr);
        for (int i = 0; i < count; i++)
            if (events[i].data.ptr == &listener)
                accept_one(); /* last: what it closes has no event in this list any more */
            else if (events[i].data.ptr == &requests)
                report(requests);
    }
}

/* --- those that come --- */

static int is_over(void)
{
    return poll(&(struct pollfd){.fd = STDIN_FILENO, .events = POLLIN}, 1, 0) > 0;
}

static void answer_expect(int fd, const char *request, const char *answer)
{
    char buffer[LINE];
    write_all(fd, request, strlen(request));
    read_all(fd, buffer, strlen(answer));
    errno = EBADMSG;
    must(memcmp(buffer, answer, strlen(answer)) == 0, "another answer than was expected");
}

static void line_make(char *line, const char *words)
{
    must(snprintf(line, LINE, "%s\r\n", words) < LINE, "a line");
}

static void ask(long port, const char *request_words, const char *answer_words)
{
    static struct histogram times;
    char request[LINE], answer[LINE];
    line_make(request, request_words);
    line_make(answer, answer_words);
    int fd = socket_connect(port, 0);
    socket_send_at_once(fd);
    answer_expect(fd, request, answer);
    puts("ready");
    (void)fflush(stdout);
    while (!is_over()) {
        const double begun = clock_seconds();
        answer_expect(fd, request, answer);
        histogram_add(&times, clock_seconds() - begun);
    }
    close(fd);
    histogram_print(&times);
}

static unsigned long came;

static void come(int crowd, long port)
{
    const uint32_t source =
        INADDR_LOOPBACK + 0x10000 * (1 + (uint32_t)(came / SOURCES % SOURCES)) + (uint32_t)(came % SOURCES);
    came++;
    const int fd = socket_connect(port, source);
    poller_add(crowd, fd, EPOLLIN | EPOLLRDHUP, (void *)(intptr_t)fd);
}

static void strangers(long port, long count, int come_again)
{
    struct epoll_event events[EVENTS];
    const int crowd = poller_new();
    for (long i = 0; i < count; i++)
        come(crowd, port);
    puts("ready");
    (void)fflush(stdout);
    while (!is_over()) {
        const int ended = epoll_wait(crowd, events, EVENTS, 20);
        for (int i = 0; i < ended; i++) {
            close((int)(intptr_t)events[i].data.ptr);
            if (come_again)
                come(crowd, port);
        }
    }
    printf("%lu\n", came);
}

int main(int argc, char **argv)
{
    descriptors_allow_many();
    if (argc == 5 && strcmp(argv[1], "serve") == 0) {
        most = number_parse(argv[3], 0, DESCRIPTORS_MAX);
        serve(number_parse(argv[2], 16, DESCRIPTORS_MAX), number_parse(argv[4], 1, 65535));
    } else if (argc == 5 && strcmp(argv[1], "client") == 0) {
        ask(number_parse(argv[2], 1, 65535), argv[3], argv[4]);
    } else if (argc == 5 && strcmp(argv[1], "strangers") == 0) {
        strangers(number_parse(argv[2], 1, 65535), number_parse(argv[3], 1, DESCRIPTORS_MAX),
                  strcmp(argv[4], "return") == 0);
    } else {
        (void)fputs(
            "usage: sockets_crowd serve LIMIT MOST PORT | client PORT REQUEST ANSWER | strangers PORT COUNT "
            "stay|return\n",
            stderr);
        return 2;
    }
    return 0;
}
