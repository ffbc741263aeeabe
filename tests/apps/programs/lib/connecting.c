/* See connecting.h. */
#include "connecting.h"

int connecting_call(int fd, const struct sock_target *target)
{
    return connect(fd, (const struct sockaddr *)&target->address, target->length);
}

int connecting_start(const struct sock_target *target)
{
    const int fd = sock_open(target, SOCK_NONBLOCK | SOCK_CLOEXEC);
    sock_expect(connecting_call(fd, target) == 0 || errno == EINPROGRESS, "connect");
    return fd;
}

int connecting_error(int fd)
{
    int error = -1;
    socklen_t size = sizeof error;
    sock_expect(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && size == sizeof error, "SO_ERROR");
    return error;
}

bool connecting_completes(int fd, const struct sock_target *target)
{
    int error = 0;
    socklen_t length = sizeof error;
    if (connecting_call(fd, target) == 0)
        return true;
    if (errno != EINTR || (sock_wait(fd, POLLOUT) & POLLOUT) == 0 ||
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0)
        return false;
    errno = error;
    return error == 0;
}
