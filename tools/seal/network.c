/*
 * Connects, listens and waits. See network.h.
 */
#include "network.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../message.h"

long network_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct addrinfo *network_resolve(const char *host, const char *port, bool passive)
{
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = passive ? AI_PASSIVE : 0};
    struct addrinfo *found = NULL;
    const int error = getaddrinfo(host[0] != '\0' ? host : NULL, port, &hints, &found);
    if (error == 0)
        return found;
    message("seal: %s port %s cannot be resolved: %s", host[0] != '\0' ? host : "this machine", port,
            error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error));
    return NULL;
}

int network_wait(int fd, short events, long deadline_ms)
{
    struct pollfd poll_fd = {.fd = fd, .events = events};
    for (;;) {
        const long left = deadline_ms < 0 ? -1 : deadline_ms - network_now();
        if (deadline_ms >= 0 && left <= 0)
            return -ETIMEDOUT;
        const int count = poll(&poll_fd, 1, (int)left);
        if (count > 0)
            return 0;
        if (count < 0 && errno != EINTR)
            return -errno;
    }
}

/* Frames are whole messages: none waits for an acknowledgement of the one before. */
static void set_nodelay(int fd)
{
    const int one = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

/* Closes the descriptor, and returns the error. */
static int close_with(int fd, int error)
{
    (void)close(fd);
    return error;
}

int network_connect(const struct addrinfo *address, int timeout_ms)
{
    int error = 0;
    socklen_t length = sizeof error;
    const int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, address->ai_protocol);
    if (fd < 0)
        return -errno;
    if (connect(fd, address->ai_addr, address->ai_addrlen) != 0) {
        const int result = errno == EINPROGRESS ? network_wait(fd, POLLOUT, network_now() + timeout_ms) : -errno;
        if (result != 0)
            return close_with(fd, result);
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0 || error != 0)
            return close_with(fd, error != 0 ? -error : -errno);
    }
    set_nodelay(fd);
    return fd;
}

static int listen_on(const struct addrinfo *address)
{
    const int one = 1;
    const int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, address->ai_protocol);
    if (fd < 0)
        return -errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, 64) == 0)
        return fd;
    return close_with(fd, -errno);
}

/* IPv6 first: [::] accepts connections over IPv4, too. */
int network_listen(const struct addrinfo *addresses)
{
    static const int families[] = {AF_INET6, AF_INET};
    int result = -EADDRNOTAVAIL;
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++)
        for (const struct addrinfo *address = addresses; address != NULL; address = address->ai_next) {
            if (address->ai_family == families[i])
                result = listen_on(address);
            if (result >= 0)
                return result;
        }
    return result;
}

int network_accept(int listener, struct sockaddr_storage *local, socklen_t *length)
{
    for (;;) {
        const int result = network_wait(listener, POLLIN, -1);
        if (result != 0)
            return result;
        const int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        *length = sizeof *local;
        if (fd >= 0 && getsockname(fd, (struct sockaddr *)local, length) == 0) {
            set_nodelay(fd);
            return fd;
        }
        if (fd >= 0)
            return close_with(fd, -errno);
        if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
            return -errno;
    }
}

void network_text(const struct sockaddr *address, socklen_t length, char text[static NETWORK_TEXT_MAX])
{
    char host[64], port[8];
    if (getnameinfo(address, length, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        (void)snprintf(text, NETWORK_TEXT_MAX, "an unknown address");
    else
        (void)snprintf(text, NETWORK_TEXT_MAX, strchr(host, ':') != NULL ? "[%s]:%s" : "%s:%s", host, port);
}
