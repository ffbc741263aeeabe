#include "differ_state.h"

#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>

static int differ_epoll; /* ask_epoll() registers one descriptor there at a time */

void state_begin(void)
{
    differ_epoll = epoll_create1(EPOLL_CLOEXEC);
}

static void ask_select(int fd, bool with_mask)
{
    fd_set readable, writable, special;
    struct timeval now = {0};
    const struct timespec at_once = {0};
    FD_ZERO(&readable);
    FD_ZERO(&writable);
    FD_ZERO(&special);
    FD_SET(fd, &readable);
    FD_SET(fd, &writable);
    FD_SET(fd, &special);
    const int n = with_mask ? pselect(fd + 1, &readable, &writable, &special, &at_once, NULL)
                            : select(fd + 1, &readable, &writable, &special, &now);
    (void)traced(n, "select %d%d%d", FD_ISSET(fd, &readable), FD_ISSET(fd, &writable), FD_ISSET(fd, &special));
}

static void ask_poll(struct pair *pair)
{
    struct pollfd fds[3];
    const struct timespec at_once = {0};
    for (int i = 0; i < 2; i++)
        fds[i] = (struct pollfd){.fd = pair->ends[i].fd, .events = POLLIN | POLLOUT | POLLRDHUP | POLLPRI};
    fds[2] = (struct pollfd){.fd = -1, .events = POLLIN, .revents = 7};
    const int n = random_chance(50) ? poll(fds, 3, 0) : ppoll(fds, 3, &at_once, NULL);
    (void)traced(n, "poll %x %x %x", fds[0].revents, fds[1].revents, fds[2].revents);
}

/* Adds, changes and removes an end, and prints what is reported at once and what is reported after that. */
static void ask_epoll(int fd)
{
    static const uint32_t kinds[] = {0, EPOLLET, EPOLLONESHOT, EPOLLET | EPOLLONESHOT};
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | kinds[random_below(4)], .data.fd = 1};
    struct epoll_event got[4] = {0};
    if (random_chance(10))
        event.events = EPOLLIN | EPOLLOUT | EPOLLEXCLUSIVE;
    (void)traced(epoll_ctl(differ_epoll, EPOLL_CTL_MOD, fd, &event), "epoll MOD of nothing");
    (void)traced(epoll_ctl(differ_epoll, EPOLL_CTL_ADD, fd, &event), "epoll ADD %x", event.events);
    (void)traced(epoll_ctl(differ_epoll, EPOLL_CTL_ADD, fd, &event), "epoll ADD again");
    for (int i = 0; i < 2; i++) {
        const int n =
            random_chance(50) ? epoll_wait(differ_epoll, got, 4, 0) : epoll_pwait(differ_epoll, got, 4, 0, NULL);
        (void)traced(n, "epoll_wait %x", n > 0 ? got[0].events : 0);
    }
    event.events = random_chance(50) ? EPOLLIN : EPOLLOUT;
    (void)traced(epoll_ctl(differ_epoll, EPOLL_CTL_MOD, fd, &event), "epoll MOD %x", event.events);
    const int n = epoll_wait(differ_epoll, got, 4, 0);
    (void)traced(n, "epoll_wait %x", n > 0 ? got[0].events : 0);
    struct pollfd nested = {.fd = differ_epoll, .events = POLLIN};
    (void)traced(poll(&nested, 1, 0), "poll of epoll");
    (void)traced(epoll_ctl(differ_epoll, EPOLL_CTL_DEL, fd, NULL), "epoll DEL");
    (void)traced(epoll_ctl(differ_epoll, EPOLL_CTL_DEL, fd, NULL), "epoll DEL again");
    (void)traced(epoll_wait(differ_epoll, got, 0, 0), "epoll_wait for none");
}

static void ask_counts(const struct end *end)
{
    int count = -1;
    int n = ioctl(end->fd, FIONREAD, &count);
    (void)traced(n, "FIONREAD %d", count);
    n = ioctl(end->fd, SIOCATMARK, &count);
    (void)traced(n, "SIOCATMARK %d", count);
}

void ask_readiness(struct pair *pair, unsigned which)
{
    switch (random_below(4)) {
    case 0:
        ask_select(pair->ends[which].fd, random_chance(50));
        break;
    case 1:
        ask_poll(pair);
        break;
    case 2:
        ask_epoll(pair->ends[which].fd);
        break;
    case 3:
        ask_counts(&pair->ends[which]);
        break;
    }
}

static const struct {
    int level, name;
    int value; /* the value to set */
} options[] = {
    {SOL_SOCKET, SO_KEEPALIVE, 1},
    {SOL_SOCKET, SO_REUSEADDR, 1},
    {SOL_SOCKET, SO_TYPE, 1},
    {SOL_SOCKET, SO_DOMAIN, 1},
    {SOL_SOCKET, SO_PROTOCOL, 1},
    {SOL_SOCKET, SO_ACCEPTCONN, 1},
    {SOL_SOCKET, SO_ERROR, 1},
    {SOL_SOCKET, SO_OOBINLINE, 1},
    {SOL_SOCKET, SO_PRIORITY, 3},
    {SOL_SOCKET, SO_BROADCAST, 1},
    {SOL_SOCKET, SO_DONTROUTE, 0},
    {SOL_SOCKET, SO_RCVLOWAT, 1},
    {SOL_SOCKET, SO_SNDLOWAT, 1},
    {SOL_SOCKET, SO_TIMESTAMP, 0},
    {SOL_SOCKET, SO_REUSEPORT, 1},
    {SOL_SOCKET, SO_MARK, 0},
    {SOL_SOCKET, SO_BUSY_POLL, 0},
    {SOL_SOCKET, SO_PEEK_OFF, -1},
    {SOL_SOCKET, SO_PASSCRED, 1},
    {SOL_SOCKET, 9999, 1},
    {IPPROTO_TCP, TCP_NODELAY, 1},
    {IPPROTO_TCP, TCP_CORK, 0},
    {IPPROTO_TCP, TCP_KEEPIDLE, 100},
    {IPPROTO_TCP, TCP_KEEPINTVL, 10},
    {IPPROTO_TCP, TCP_KEEPCNT, 5},
    {IPPROTO_TCP, TCP_SYNCNT, 3},
    {IPPROTO_TCP, TCP_LINGER2, 10},
    {IPPROTO_TCP, TCP_DEFER_ACCEPT, 0},
    {IPPROTO_TCP, TCP_USER_TIMEOUT, 90000},
    {IPPROTO_TCP, TCP_NOTSENT_LOWAT, 65536},
    {IPPROTO_TCP, TCP_REPAIR, 9},
    {IPPROTO_TCP, TCP_REPAIR_QUEUE, 1},
    {IPPROTO_TCP, TCP_FASTOPEN, 5},
    {IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1},
    {IPPROTO_TCP, TCP_MD5SIG, 0},
    {IPPROTO_TCP, TCP_INQ, 0},
    {IPPROTO_TCP, 9999, 1},
    {IPPROTO_IP, IP_TOS, 8},
    {IPPROTO_IP, IP_TTL, 61},
    {IPPROTO_IP, IP_TRANSPARENT, 0},
    {IPPROTO_IP, IP_MTU_DISCOVER, 1},
    {IPPROTO_IPV6, IPV6_V6ONLY, 1},
    {IPPROTO_IPV6, IPV6_UNICAST_HOPS, 60},
    {IPPROTO_UDP, 1, 1},
    {IPPROTO_TCP, TCP_THIN_DUPACK, 1},
    {IPPROTO_TCP, TCP_SAVE_SYN, 1},
};

void change_option(int fd)
{
    const unsigned which = random_below(sizeof options / sizeof options[0]);
    const int level = options[which].level, name = options[which].name;
    int value = options[which].value;
    socklen_t length = sizeof value;
    if (random_chance(50)) {
        const socklen_t given = random_chance(10) ? 2 : random_chance(10) ? 0 : sizeof value;
        (void)traced(setsockopt(fd, level, name, &value, given), "setsockopt %d %d, %u bytes", level, name, given);
    }
    value = -7;
    length = random_chance(10) ? 2 : random_chance(10) ? 0 : sizeof value;
    const int result = getsockopt(fd, level, name, &value, &length);
    (void)traced(result, "getsockopt %d %d %d, %u bytes", level, name, value, length);
}

void ask_special_options(int fd)
{
    struct tcp_info info = {0};
    struct linger linger = {-1, -1};
    struct timeval time = {7, 7};
    char name[16] = "";
    socklen_t length = sizeof info;
    int n;
    n = getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length);
    (void)traced(n, "TCP_INFO state %u", info.tcpi_state == TCP_FIN_WAIT1 ? TCP_FIN_WAIT2 : info.tcpi_state);
    length = sizeof linger;
    n = getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &length);
    (void)traced(n, "SO_LINGER %d %d", linger.l_onoff, linger.l_linger);
    length = sizeof time;
    n = getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, &length);
    (void)traced(n, "SO_RCVTIMEO %ld", (long)time.tv_sec);
    length = sizeof name;
    n = getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &length);
    (void)traced(n, "TCP_CONGESTION %.16s", name);
    length = sizeof name;
    n = getsockopt(fd, IPPROTO_TCP, TCP_ULP, name, &length);
    (void)traced(n, "TCP_ULP %u", length);
    (void)traced(setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "nothing", 7), "set TCP_CONGESTION");
    (void)traced(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){0, 2000000}, sizeof time),
                 "set SO_RCVTIMEO");
}

void change_mode(struct end *end)
{
    int on = (int)random_below(2);
    switch (random_below(5)) {
    case 0: {
        const int flags = (int)traced(fcntl(end->fd, F_GETFL), "F_GETFL");
        (void)traced(fcntl(end->fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK), "F_SETFL %d", on);
        end->nonblocking = on != 0;
        break;
    }
    case 1:
        (void)traced(ioctl(end->fd, FIONBIO, &on), "FIONBIO %d", on);
        end->nonblocking = on != 0;
        break;
    case 2:
        (void)traced(fcntl(end->fd, F_GETFD), "F_GETFD");
        (void)traced(fcntl(end->fd, F_SETFD, on ? FD_CLOEXEC : 0), "F_SETFD %d", on);
        (void)traced(fcntl(end->fd, F_GETFD), "F_GETFD");
        break;
    case 3:
        (void)traced(ioctl(end->fd, on ? FIOCLEX : FIONCLEX), "FIOCLEX %d", on);
        (void)traced(fcntl(end->fd, F_GETFD), "F_GETFD");
        break;
    case 4:
        (void)traced(fcntl(end->fd, F_GETOWN), "F_GETOWN");
        (void)traced(fcntl(end->fd, F_GETSIG), "F_GETSIG");
        (void)traced(fcntl(end->fd, F_GETPIPE_SZ), "F_GETPIPE_SZ");
        (void)traced(fcntl(end->fd, 9999), "fcntl 9999");
        (void)traced(ioctl(end->fd, 0x1234, NULL), "ioctl 0x1234");
        break;
    }
}

void ask_names(const struct pair *pair, unsigned which)
{
    struct sockaddr_storage self = {0}, peer = {0};
    const socklen_t room = random_chance(20) ? random_below(8) : sizeof self;
    socklen_t length = room, other_length = room;
    int n = getsockname(pair->ends[which].fd, (struct sockaddr *)&self, &length);
    (void)traced(n, "getsockname family %d of %u bytes", room >= 2 ? self.ss_family : 0, length);
    n = getpeername(pair->ends[!which].fd, (struct sockaddr *)&peer, &other_length);
    (void)traced(n, "getpeername family %d of %u bytes, %s", room >= 2 ? peer.ss_family : 0, other_length,
                 n != 0 || memcmp(&self, &peer, room) == 0 ? "the same" : "another");
    (void)traced(getsockname(pair->ends[which].fd, NULL, &length), "getsockname to nowhere");
    (void)traced(getpeername(pair->ends[which].fd, (struct sockaddr *)&peer, NULL), "getpeername without length");
}

/* A descriptor number above the usual ones that no end has. */
static int free_descriptor(void)
{
    for (;;) {
        const int number = 100 + (int)random_below(50);
        bool taken = false;
        for (int i = 0; i < 2 * PAIRS; i++)
            taken |= differ_pairs[i / 2].ends[i % 2].fd == number;
        if (!taken)
            return number;
    }
}

void duplicate(struct end *end)
{
    int copy = -1, old = end->fd;
    switch (random_below(6)) {
    case 0:
        copy = (int)traced(dup(old), "dup");
        break;
    case 1:
        copy = (int)traced(dup2(old, free_descriptor()), "dup2");
        break;
    case 2:
        copy = (int)traced(dup3(old, free_descriptor(), random_chance(50) ? O_CLOEXEC : 0), "dup3");
        break;
    case 3:
        copy = (int)traced(fcntl(old, random_chance(50) ? F_DUPFD : F_DUPFD_CLOEXEC, (int)random_below(40)),
                           "F_DUPFD");
        break;
    case 4:
        (void)traced(dup2(old, old), "dup2 to itself");
        (void)traced(dup3(old, old, 0), "dup3 to itself");
        (void)traced(dup3(old, 90, 0x40), "dup3 with a strange flag");
        (void)traced(dup2(old, -1), "dup2 to -1");
        (void)traced(dup2(old, 1 << 22), "dup2 to a number too high");
        (void)traced(fcntl(old, F_DUPFD, -1), "F_DUPFD from -1");
        return;
    case 5:
        (void)traced(dup2(-1, old), "dup2 of nothing");
        (void)traced(dup2(999, old), "dup2 of a closed number");
        (void)traced(dup3(999, old, O_CLOEXEC), "dup3 of a closed number");
        (void)traced(fcntl(old, F_GETFD), "F_GETFD");
        return;
    }
    sock_expect(copy >= 0, "no duplicate");
    (void)traced(fcntl(copy, F_GETFD), "F_GETFD");
    if (copy != old) {
        (void)traced(close(old), "close");
        (void)traced(fcntl(old, F_GETFD), "F_GETFD of a closed number");
    }
    end->fd = copy;
}

void pair_renew(struct pair *pair)
{
    two_close(pair->ends[0].fd, pair->ends[1].fd);
    pair_open(pair);
    (void)printf("a new pair\n");
}

void shut(struct pair *pair, unsigned which)
{
    struct end *self = &pair->ends[which], *peer = &pair->ends[!which];
    const int how = random_chance(5) ? 7 : (int)random_below(3);
    const bool ends = !self->write_shut && (how == SHUT_WR || how == SHUT_RDWR);
    (void)traced(shutdown(self->fd, how), "shutdown %d", how);
    self->read_shut |= how == SHUT_RD || how == SHUT_RDWR;
    self->write_shut |= ends;
    if (ends)
        await(peer->fd, POLLRDHUP, "the peer's end");
    /* Where an end receives nothing, not even the end of a sealed stream, its kernel answers with a reset. */
    if (ends && peer->read_shut && peer->write_shut)
        pair_renew(pair);
}

void ask_nature(const struct pair *pair, unsigned which)
{
    const int fd = pair->ends[which].fd;
    struct stat status = {0};
    char bytes[16] = "", path[64], link[32] = "";
    const int result = fstat(fd, &status);
    (void)traced(result, "fstat %o", status.st_mode);
    (void)traced((ssize_t)lseek(fd, 0, SEEK_CUR), "lseek");
    (void)traced(pread(fd, bytes, 4, 0), "pread");
    (void)traced(pwrite(fd, bytes, 4, 0), "pwrite");
    (void)traced(preadv(fd, &(struct iovec){bytes, 4}, 1, 0), "preadv");
    (void)traced(pwritev(fd, &(struct iovec){bytes, 4}, 1, 0), "pwritev");
    (void)traced(isatty(fd) - 1, "isatty");
    (void)traced(ftruncate(fd, 0), "ftruncate");
    (void)traced(fsync(fd), "fsync");
    (void)traced(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0, "mmap");
    (void)traced(posix_fallocate(fd, 0, 1), "posix_fallocate");
    (void)traced(posix_fadvise(fd, 0, 1, 0), "posix_fadvise");
    (void)traced(fchdir(fd), "fchdir");
    (void)traced(tcgetpgrp(fd), "tcgetpgrp");
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    const ssize_t n = readlink(path, link, 7);
    (void)traced(n, "readlink %.7s", link);
    (void)traced(open(path, O_RDONLY), "open by its path");
    (void)traced(dial(fd), "connect again");
    (void)traced(bind(fd, (const struct sockaddr *)&differ_target.address, differ_target.length), "bind");
    (void)traced(listen(fd, 1), "listen");
    (void)traced(accept(fd, NULL, NULL), "accept");
    (void)traced(splice(fd, NULL, fd, NULL, 1, SPLICE_F_NONBLOCK), "splice to itself");
    (void)traced(tee(fd, fd, 1, 0), "tee");
    (void)traced(vmsplice(fd, &(struct iovec){bytes, 4}, 1, 0), "vmsplice");
    (void)traced(copy_file_range(fd, NULL, fd, NULL, 1, 0), "copy_file_range");
}
