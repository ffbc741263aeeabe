#include "differ.h"

#include <sys/uio.h>

struct sock_target differ_target;
struct pair differ_pairs[PAIRS];
uint64_t differ_state;
atomic_int differ_pipe_signals;

/* A step of SplitMix64. */
uint64_t random_word(void)
{
    uint64_t word = differ_state += 0x9e3779b97f4a7c15U;
    word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9U;
    word = (word ^ (word >> 27)) * 0x94d049bb133111ebU;
    return word ^ (word >> 31);
}

unsigned random_below(unsigned limit)
{
    return (unsigned)(random_word() % limit);
}

bool random_chance(unsigned percent)
{
    return random_below(100) < percent;
}

size_t random_size(size_t most)
{
    static const unsigned scale[] = {1, 2, 17, 100, 1500, 5000, 17000};
    size_t size = random_below(scale[random_below(7)] + 1);
    return size < most ? size : most;
}

uint64_t digest_of(const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    uint64_t digest = 0xcbf29ce484222325U;
    for (size_t i = 0; i < size; i++)
        digest = (digest ^ at[i]) * 0x100000001b3U;
    return digest;
}

ssize_t traced(ssize_t result, const char *format, ...)
{
    const int error = errno;
    va_list list;
    va_start(list, format);
    (void)vprintf(format, list);
    va_end(list);
    if (result < 0)
        (void)printf(" = %zd %s", result, strerrorname_np(error));
    else
        (void)printf(" = %zd", result);
    const int signals = atomic_exchange(&differ_pipe_signals, 0);
    if (signals > 0)
        (void)printf(" SIGPIPE*%d", signals);
    (void)printf("\n");
    return result;
}

void await(int fd, short events, const char *what)
{
    struct pollfd wait = {.fd = fd, .events = events};
    int n;
    do
        n = poll(&wait, 1, SOCK_DEADLINE_MS);
    while (n < 0 && errno == EINTR);
    if (n != 1)
        sock_fail("waiting for %s", what);
}

void await_waiting(const struct end *end)
{
    for (int rounds = 0;; rounds++) {
        int there = 0;
        if (ioctl(end->fd, FIONREAD, &there) != 0)
            sock_fail("FIONREAD");
        if ((size_t)there >= end->waiting)
            return;
        if (rounds > 5000)
            sock_fail("%zu bytes were sent, and %d came", end->waiting, there);
        (void)poll(NULL, 0, rounds < 10 ? 0 : 2);
    }
}

int listener_open(int backlog)
{
    int fd = socket(differ_target.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    sock_expect(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
                    bind(fd, (const struct sockaddr *)&differ_target.address, differ_target.length) == 0 &&
                    listen(fd, backlog) == 0,
                "listen");
    return fd;
}

int dial(int fd)
{
    return connect(fd, (const struct sockaddr *)&differ_target.address, differ_target.length);
}

void greet(int one, int other)
{
    char byte = 'g';
    sock_expect(send(one, &byte, 1, MSG_NOSIGNAL) == 1, "sending a greeting");
    await(other, POLLIN, "a greeting");
    sock_expect(recv(other, &byte, 1, 0) == 1 && send(other, &byte, 1, MSG_NOSIGNAL) == 1, "returning a greeting");
    await(one, POLLIN, "a greeting's return");
    sock_expect(recv(one, &byte, 1, 0) == 1, "receiving a greeting");
}

void connect_two(int fds[2])
{
    int listener = listener_open(8);
    fds[0] = socket(differ_target.address.ss_family, SOCK_STREAM, 0);
    sock_expect(fds[0] >= 0 && dial(fds[0]) == 0, "connect");
    fds[1] = accept4(listener, NULL, NULL, random_chance(30) ? SOCK_CLOEXEC : 0);
    sock_expect(fds[1] >= 0, "accept");
    (void)close(listener);
    greet(fds[0], fds[1]);
}

void pair_open(struct pair *pair)
{
    int fds[2];
    connect_two(fds);
    const int swap = random_chance(50);
    *pair = (struct pair){.ends = {{.fd = fds[swap]}, {.fd = fds[!swap]}}};
}

void two_close(int one, int other)
{
    char waste[4096];
    (void)shutdown(one, SHUT_WR);
    (void)shutdown(other, SHUT_WR);
    for (int i = 0; i < 2; i++) {
        const int fd = i ? other : one;
        sock_set_nonblocking(fd, true);
        for (;;) {
            ssize_t n = recv(fd, waste, sizeof waste, 0);
            if (n < 0 && errno == EAGAIN)
                await(fd, POLLIN, "the end");
            else if (n <= 0)
                break;
        }
    }
    (void)close(one);
    (void)close(other);
}
