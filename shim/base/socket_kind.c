/* See socket_kind.h. Runs in signal handlers and before any constructor. */
#include "base/socket_kind.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/newer.h"
#include "base/raw_syscall.h"

/* An integer option of SOL_SOCKET; -1: `fd` is not a socket; 0, which no option here has: it is unknown. */
static int option_of(int fd, int option)
{
    int value = 0;
    socklen_t length = sizeof value;
    const long result = raw_syscall(SYS_getsockopt, fd, SOL_SOCKET, option, &value, &length);
    if (result != 0)
        return result == -EBADF || result == -ENOTSOCK ? -1 : 0;
    return value != 0 ? value : -1;
}

bool socket_may_be_tcp(int fd)
{
    const int protocol = option_of(fd, SO_PROTOCOL);
    return protocol == 0 || protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP;
}

bool socket_may_be_internet(int fd)
{
    const int domain = option_of(fd, SO_DOMAIN);
    return domain == 0 || domain == AF_INET || domain == AF_INET6;
}
