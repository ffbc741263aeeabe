/*
 * See contact.h.
 */
#include "contact.h"

#include <errno.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

long contact_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000L + now.tv_nsec / 1000000L;
}

/* Waits for an event. False: the time is over. */
static bool wait_for(int fd, short events, long deadline)
{
    for (;;) {
        struct pollfd poller = {.fd = fd, .events = events};
        const long left = deadline - contact_now();
        const int count = poll(&poller, 1, left > 0 ? (int)left : 0);
        if (count > 0)
            return true;
        if (count == 0 || errno != EINTR)
            return false;
    }
}

/* The error of a socket that is being connected: 0 or a negative errno value. */
static int error_of(int fd)
{
    int error = 0;
    socklen_t length = sizeof error;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 ? -error : -errno;
}

int contact_open(const struct scan_target *target)
{
    int error = 0;
    struct sockaddr_in ipv4 = {.sin_family = AF_INET, .sin_port = target->address.sin6_port};
    const struct sockaddr *address = (const struct sockaddr *)&target->address;
    socklen_t size = sizeof target->address;
    const bool is_ipv4 = IN6_IS_ADDR_V4MAPPED(&target->address.sin6_addr);
    if (is_ipv4) {
        ipv4.sin_addr.s_addr = target->address.sin6_addr.s6_addr32[3];
        address = (const struct sockaddr *)&ipv4;
        size = sizeof ipv4;
    }
    const int fd = socket(is_ipv4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, address, size) < 0) {
        error = -errno;
        if (error == -EINPROGRESS)
            error = wait_for(fd, POLLOUT, contact_now() + target->timeout_ms) ? error_of(fd) : -ETIMEDOUT;
    }
    if (error == 0)
        return fd;
    close(fd);
    return error;
}

bool contact_send(int fd, const void *bytes, size_t length, long deadline)
{
    size_t done = 0;
    while (done < length) {
        const ssize_t count = send(fd, (const char *)bytes + done, length - done, MSG_NOSIGNAL);
        if (count > 0)
            done += (size_t)count;
        else if (errno != EINTR && (errno != EAGAIN || !wait_for(fd, POLLOUT, deadline)))
            return false;
    }
    return true;
}

int contact_receive(int fd, void *bytes, size_t size, long deadline)
{
    for (;;) {
        const ssize_t count = recv(fd, bytes, size, 0);
        if (count >= 0)
            return (int)count;
        if (errno == EAGAIN && !wait_for(fd, POLLIN, deadline))
            return -ETIMEDOUT;
        if (errno != EAGAIN && errno != EINTR)
            return 0; /* a reset ends the connection as well */
    }
}
