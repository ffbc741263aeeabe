// link: -pthread
/*
 * Threads that wait on one epoll from before anything is in it. The first one accepts connections for them. Each
 * echoes what it reads, until ENDS connections have ended.
 *
 *     ready_threads level|edge|one_shot|exclusive PORT ADDRESS ENDS
 */
#include "../lib/sock.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

enum { THREADS = 4, BUFFER = 8192, THE_END = 0x10000 };

static int epoll;
static uint32_t flags;
static _Atomic int finished;
static int ends, listener;

/* Two threads may get an event of the same descriptor: the lock keeps its bytes in order and closes it only once.
 */
static struct entry {
    pthread_mutex_t lock;
    int fd;
} entries[1024];

/* Echoes everything that can be read. Returns false if the connection has ended. */
static bool echo(int fd)
{
    unsigned char buffer[BUFFER];
    for (;;) {
        ssize_t n = recv(fd, buffer, sizeof buffer, 0);
        if (n < 0 && errno == EAGAIN)
            return true;
        if (n <= 0) {
            sock_expect(n == 0 || errno == ECONNRESET, "recv returned %zd", n);
            return false;
        }
        for (ssize_t done = 0; done < n;) {
            ssize_t sent = send(fd, buffer + done, (size_t)(n - done), MSG_NOSIGNAL);
            if (sent < 0 && errno == EAGAIN) {
                (void)sock_wait(fd, POLLOUT);
                continue;
            }
            sock_expect(sent > 0, "send returned %zd", sent);
            done += sent;
        }
    }
}

static void serve(int number)
{
    struct entry *entry = &entries[number];
    (void)pthread_mutex_lock(&entry->lock);
    if (entry->fd >= 0 && !echo(entry->fd)) {
        (void)close(entry->fd);
        entry->fd = -1;
        if (++finished == ends)
            (void)shutdown(listener, SHUT_RDWR); /* accept() returns */
    } else if (entry->fd >= 0 && (flags & EPOLLONESHOT)) {
        struct epoll_event event = {.events = EPOLLIN | flags, .data.fd = number};
        sock_expect(epoll_ctl(epoll, EPOLL_CTL_MOD, entry->fd, &event) == 0, "EPOLL_CTL_MOD");
    }
    (void)pthread_mutex_unlock(&entry->lock);
}

static void *work(void *nothing)
{
    for (;;) {
        struct epoll_event events[4];
        int n = epoll_wait(epoll, events, 4, -1);
        sock_expect(n > 0, "epoll_wait returned %d", n);
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == THE_END)
                return nothing;
            serve(events[i].data.fd);
        }
    }
}

int main(int argc, char **argv)
{
    pthread_t threads[THREADS];
    sock_expect(argc == 5, "expected four arguments");
    const struct sock_target target = sock_target_parse(argv[3], argv[2]);
    ends = (int)strtol(argv[4], NULL, 10);
    flags = strcmp(argv[1], "edge") == 0        ? EPOLLET
            : strcmp(argv[1], "one_shot") == 0  ? EPOLLONESHOT
            : strcmp(argv[1], "exclusive") == 0 ? EPOLLEXCLUSIVE
                                                : 0;
    epoll = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < THREADS; i++)
        sock_expect(pthread_create(&threads[i], NULL, work, NULL) == 0, "pthread_create");
    listener = sock_listen(&target);
    for (int number = 0; finished < ends; number++) {
        struct sockaddr_storage peer;
        socklen_t length = sizeof peer;
        int fd = accept4(listener, (struct sockaddr *)&peer, &length, SOCK_NONBLOCK);
        if (fd < 0)
            break;
        entries[number] = (struct entry){.lock = PTHREAD_MUTEX_INITIALIZER, .fd = fd};
        struct epoll_event event = {.events = EPOLLIN | flags, .data.fd = number};
        sock_expect(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "EPOLL_CTL_ADD");
    }
    int stop = eventfd(1, 0); /* stays readable, so that every thread gets the event */
    struct epoll_event event = {.events = EPOLLIN, .data.fd = THE_END};
    sock_expect(epoll_ctl(epoll, EPOLL_CTL_ADD, stop, &event) == 0, "EPOLL_CTL_ADD");
    for (int i = 0; i < THREADS; i++)
        sock_expect(pthread_join(threads[i], NULL) == 0, "pthread_join");
    sock_expect(finished == ends, "%d connections have ended, expected %d", finished, ends);
    (void)printf("ok\n");
    return 0;
}
