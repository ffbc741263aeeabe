#include "load.h"

_Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "%s: %s (%s)\n", program_invocation_short_name, what, strerror(errno));
    exit(1);
}

double clock_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

long number_parse(const char *text, long least, long most)
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

void descriptors_allow_many(void)
{
    struct rlimit limit;
    must(getrlimit(RLIMIT_NOFILE, &limit) == 0, "getrlimit");
    limit.rlim_cur = limit.rlim_max;
    must(setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit");
}

struct sockaddr_in loopback(uint32_t host, long port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(host)};
}

void socket_send_at_once(int fd)
{
    const int on = 1;
    must(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0, "TCP_NODELAY");
}

int socket_listen(long port)
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

int socket_connect(long port, uint32_t source)
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

void socket_make_nonblocking(int fd)
{
    must(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0, "O_NONBLOCK");
}

int socket_accept_at_once(int listener)
{
    struct sockaddr_in peer;
    socklen_t length = sizeof peer;
    return accept4(listener, (struct sockaddr *)&peer, &length, SOCK_NONBLOCK);
}

void write_all(int fd, const void *data, size_t length)
{
    const char *at = data;
    while (length > 0) {
        ssize_t written = write(fd, at, length);
        must(written > 0, "write");
        at += written;
        length -= (size_t)written;
    }
}

void read_all(int fd, void *data, size_t length)
{
    char *at = data;
    while (length > 0) {
        ssize_t got = read(fd, at, length);
        must(got > 0, got == 0 ? "an early end of the stream" : "read");
        at += got;
        length -= (size_t)got;
    }
}

int poller_new(void)
{
    int poller = epoll_create1(EPOLL_CLOEXEC);
    must(poller >= 0, "epoll_create1");
    return poller;
}

void poller_add(int poller, int fd, uint32_t events, void *data)
{
    struct epoll_event event = {.events = events, .data.ptr = data};
    must(epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
}

void wait_for_leave(void)
{
    char byte;
    (void)fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        continue;
}
