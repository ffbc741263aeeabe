/*
 * What the load programs of the socket benchmark share: sockets on the loopback, clocks, arguments. Each of them is
 * an ordinary program that knows nothing of pfswrap or of proxies, so that all contenders carry the same load.
 * Anything unexpected ends the program with status 1: a figure is printed only by a run in which every byte
 * arrived.
 */
#ifndef LOAD_H
#define LOAD_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "%s: %s (%s)\n", program_invocation_short_name, what, strerror(errno));
    exit(1);
}

static inline void must(int condition, const char *what)
{
    if (!condition)
        die(what);
}

static inline double clock_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* A whole number between the two bounds, both included. */
static inline long number_parse(const char *text, long least, long most)
{
    char *end;
    long value = strtol(text, &end, 10);
    if (end == text || *end != '\0' || value < least || value > most) {
        (void)fprintf(stderr, "%s: %s, expected a number from %ld to %ld\n", program_invocation_short_name, text,
                      least, most);
        exit(2);
    }
    return value;
}

static inline void descriptors_allow_many(void)
{
    struct rlimit limit;
    must(getrlimit(RLIMIT_NOFILE, &limit) == 0, "getrlimit");
    limit.rlim_cur = limit.rlim_max;
    must(setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit");
}

static inline struct sockaddr_in loopback(uint32_t host, long port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(host)};
}

static inline void socket_send_at_once(int fd)
{
    const int on = 1;
    must(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0, "TCP_NODELAY");
}

static inline int socket_listen(long port)
{
    const struct sockaddr_in address = loopback(INADDR_LOOPBACK, port);
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    must(fd >= 0, "socket");
    must(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0, "SO_REUSEADDR");
    must(bind(fd, (const struct sockaddr *)&address, sizeof address) == 0, "bind");
    must(listen(fd, 4096) == 0, "listen");
    return fd;
}

/*
 * A blocking connection from 127.0.0.1, or with `source` from another address of the loopback: a client that opens
 * tens of thousands of connections a second would else run out of ports, since each stays in TIME_WAIT for a
 * minute.
 */
static inline int socket_connect(long port, uint32_t source)
{
    const struct sockaddr_in address = loopback(INADDR_LOOPBACK, port);
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    must(fd >= 0, "socket");
    if (source != 0) {
        const struct sockaddr_in from = loopback(source, 0);
        must(setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) == 0, "IP_BIND_ADDRESS_NO_PORT");
        must(bind(fd, (const struct sockaddr *)&from, sizeof from) == 0, "bind");
    }
    must(connect(fd, (const struct sockaddr *)&address, sizeof address) == 0, "connect");
    return fd;
}

static inline void socket_make_nonblocking(int fd)
{
    must(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0, "O_NONBLOCK");
}

/* The next connection, non-blocking; -1 if none is waiting. */
static inline int socket_accept_at_once(int listener)
{
    struct sockaddr_in peer;
    socklen_t length = sizeof peer;
    return accept4(listener, (struct sockaddr *)&peer, &length, SOCK_NONBLOCK);
}

static inline void write_all(int fd, const void *data, size_t length)
{
    const char *at = data;
    while (length > 0) {
        ssize_t written = write(fd, at, length);
        must(written > 0, "write");
        at += written;
        length -= (size_t)written;
    }
}

static inline void read_all(int fd, void *data, size_t length)
{
    char *at = data;
    while (length > 0) {
        ssize_t got = read(fd, at, length);
        must(got > 0, got == 0 ? "an early end of the stream" : "read");
        at += got;
        length -= (size_t)got;
    }
}

static inline int poller_new(void)
{
    int poller = epoll_create1(EPOLL_CLOEXEC);
    must(poller >= 0, "epoll_create1");
    return poller;
}

static inline void poller_add(int poller, int fd, uint32_t events, void *data)
{
    struct epoll_event event = {.events = events, .data.ptr = data};
    must(epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
}

/* Whoever started this program reads its figures and looks at the process; then it closes our standard input. */
static inline void wait_for_leave(void)
{
    char byte;
    (void)fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        continue;
}

#endif
