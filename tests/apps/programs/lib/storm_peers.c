/* See storm.h: peers of every kind in one thread. They have no key, so what they can read is plaintext. */
#include "storm.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

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
            storm_close_with_reset(fd);
        } else if (fd >= PEERS_MOST || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
            storm_fail("epoll_ctl");
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
                storm_close_with_reset(fd);
        }
        return;
    }
    if (storm_contains_word(bytes, (size_t)size) ||
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
        storm_close_with_reset(late[late_first++ % PEERS_MOST].fd);
    return late_first != late_end ? SLOW_MS : -1;
}

int storm_listen(int first_port)
{
    int listeners[KINDS];
    struct epoll_event events[256], event = {.events = EPOLLIN | EPOLLHUP, .data.fd = STDIN_FILENO};
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    for (int kind = 0; kind < KINDS; kind++)
        listeners[kind] = storm_listen_on(first_port + kind, kind != REFUSES);
    for (int kind = 0; kind < REFUSES; kind++) {
        struct epoll_event wanted = {.events = EPOLLIN, .data.fd = listeners[kind]};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, listeners[kind], &wanted) != 0)
            storm_fail("epoll_ctl");
    }
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &event) != 0)
        storm_fail("epoll_ctl");
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
