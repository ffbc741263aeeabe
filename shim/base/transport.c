/*
 * recvfrom(2) and sendto(2) with MSG_DONTWAIT, whichever call the program made. Only behind a filter (seccomp(2))
 * that does not allow them, the program's own kind of call is repeated. Makes system calls only.
 */
#include "base/transport.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/filter.h"
#include "base/raw_syscall.h"

__thread enum transport_call transport_call __attribute__((tls_model("initial-exec")));

static long receive_in_kind(int fd, void *bytes, size_t size)
{
    struct iovec vector = {.iov_base = bytes, .iov_len = size};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    switch (transport_call) {
    case TRANSPORT_PLAIN:
        return raw_syscall(SYS_read, fd, bytes, size);
    case TRANSPORT_VECTOR:
        return raw_syscall(SYS_readv, fd, &vector, 1);
    case TRANSPORT_MESSAGE:
        return raw_syscall(SYS_recvmsg, fd, &message, 0);
    case TRANSPORT_SOCKET:
        break;
    }
    return raw_syscall(SYS_recvfrom, fd, bytes, size, 0, 0, 0);
}

static long send_in_kind(int fd, const void *bytes, size_t size)
{
    struct iovec vector = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    switch (transport_call) {
    case TRANSPORT_PLAIN:
        return raw_syscall(SYS_write, fd, bytes, size);
    case TRANSPORT_VECTOR:
        return raw_syscall(SYS_writev, fd, &vector, 1);
    case TRANSPORT_MESSAGE:
        return raw_syscall(SYS_sendmsg, fd, &message, MSG_NOSIGNAL);
    case TRANSPORT_SOCKET:
        break;
    }
    return raw_syscall(SYS_sendto, fd, bytes, size, MSG_NOSIGNAL, 0, 0);
}

/* 64-bit ARM has no poll(2). */
static bool filter_allows_poll(void)
{
#ifdef SYS_poll
    return filter_allows(SYS_poll);
#else
    return false;
#endif
}

bool transport_receive_waits(void)
{
    return !filter_allows(SYS_recvfrom);
}

bool transport_send_waits(void)
{
    return !filter_allows(SYS_sendto) || !(filter_allows(SYS_ppoll) || filter_allows_poll());
}

long transport_receive(int fd, void *bytes, size_t size)
{
    long result;
    if (transport_receive_waits())
        return receive_in_kind(fd, bytes, size); /* it may wait, and a signal ends the wait */
    int interrupted = 0;
    do
        result = raw_syscall(SYS_recvfrom, fd, bytes, size, MSG_DONTWAIT, 0, 0);
    while (raw_is_interrupted(result, &interrupted));
    return result != -EINTR ? result : -EIO;
}

void transport_discard(int fd)
{
    enum { ROUND_BYTES = 4096, ROUNDS = 64 };
    char bytes[256];
    for (int i = 0; i < ROUNDS && !transport_receive_waits(); i++) {
        /* TCP copies no bytes with this flag (tcp(7)). A kernel without it refuses the address. */
        long result = raw_syscall(SYS_recvfrom, fd, NULL, ROUND_BYTES, MSG_DONTWAIT | MSG_TRUNC, 0, 0);
        if (result == -EFAULT)
            result = raw_syscall(SYS_recvfrom, fd, bytes, sizeof bytes, MSG_DONTWAIT, 0, 0);
        if (result <= 0 && result != -EINTR)
            return;
    }
}

long transport_send(int fd, const void *bytes, size_t size, int more)
{
    long result;
    if (transport_send_waits())
        return send_in_kind(fd, bytes, size);
    int interrupted = 0;
    do
        result = raw_syscall(SYS_sendto, fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL | more, 0, 0);
    while (raw_is_interrupted(result, &interrupted));
    return result != -EINTR ? result : -EIO;
}

long transport_shut(int fd, int how)
{
    /* A sandbox may not allow it. The peer has received FINAL, and will see the end when the socket is closed. */
    return filter_allows(SYS_shutdown) ? raw_syscall(SYS_shutdown, fd, how) : 0;
}

void transport_set_option(int fd, int level, int option, int value)
{
    if (filter_allows(SYS_setsockopt))
        (void)raw_syscall(SYS_setsockopt, fd, level, option, &value, sizeof value);
}

void transport_reset_on_close(int fd)
{
    const struct linger none = {.l_onoff = 1};
    if (filter_allows(SYS_setsockopt))
        (void)raw_syscall(SYS_setsockopt, fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
}

int transport_get_option(int fd, int level, int option)
{
    int value = 0;
    socklen_t length = sizeof value;
    if (!filter_allows(SYS_getsockopt) || raw_syscall(SYS_getsockopt, fd, level, option, &value, &length) != 0)
        return 0;
    return value;
}

int transport_queued(int fd)
{
    int queued = 0;
    if (!filter_allows(SYS_ioctl) || !filter_allows(SYS_getsockopt) ||
        raw_syscall(SYS_ioctl, fd, SIOCOUTQ, &queued) != 0)
        return 0;
    return queued;
}

int transport_unacknowledged(int fd)
{
    struct tcp_info info = {0};
    socklen_t length = sizeof info;
    const int queued = transport_queued(fd);
    if (queued == 0)
        return 0;
    /* A connection that was reset keeps its count of queued bytes (tcp(7)). */
    if (raw_syscall(SYS_getsockopt, fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0 || info.tcpi_state == TCP_CLOSE)
        return 0;
    return queued;
}

void transport_extend_send_buffer(int fd, unsigned bytes)
{
    enum {
        WMEM_MAX = 212992,   /* Linux's default limit */
        OVERHEAD = 4,        /* the memory for a byte, at worst */
        BEYOND = 128 * 1024, /* the queue may exceed the buffer already, by a segment */
    };
    const int more = (int)bytes * OVERHEAD + BEYOND;
    if (!filter_allows(SYS_setsockopt))
        return;
    const int wanted = (transport_get_option(fd, SOL_SOCKET, SO_SNDBUF) + more) / 2; /* the kernel doubles it */
    transport_set_option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, 0); /* the system's, which is none */
    if (raw_syscall(SYS_setsockopt, fd, SOL_SOCKET, SO_SNDBUFFORCE, &wanted, sizeof wanted) != 0 &&
        wanted <= WMEM_MAX) /* a larger number would be cut to the limit, and make the buffer smaller */
        transport_set_option(fd, SOL_SOCKET, SO_SNDBUF, wanted);
}

int transport_readable(int fd)
{
    int bytes = 0;
    return filter_allows(SYS_ioctl) && raw_syscall(SYS_ioctl, fd, FIONREAD, &bytes) == 0 ? bytes : 0;
}

bool transport_receive_is_full(int fd)
{
    uint32_t bytes[SK_MEMINFO_VARS] = {0};
    socklen_t length = sizeof bytes;
    return filter_allows(SYS_getsockopt) &&
           raw_syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_MEMINFO, bytes, &length) == 0 &&
           bytes[SK_MEMINFO_RMEM_ALLOC] > bytes[SK_MEMINFO_RCVBUF] / 2;
}

bool transport_has_ended(int fd)
{
    struct tcp_info info = {0};
    socklen_t length = sizeof info;
    return !filter_allows(SYS_getsockopt) ||
           raw_syscall(SYS_getsockopt, fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0 ||
           (info.tcpi_state != TCP_ESTABLISHED && info.tcpi_state != TCP_FIN_WAIT1 &&
            info.tcpi_state != TCP_FIN_WAIT2);
}

bool transport_is_quiet(int fd)
{
    uint8_t byte;
    return filter_allows(SYS_recvfrom) &&
           raw_syscall(SYS_recvfrom, fd, &byte, sizeof byte, MSG_PEEK | MSG_DONTWAIT, 0, 0) == -EAGAIN;
}
