/* Closing waits for what was sent on marked sockets, for no other descriptor, and never for long. */
#include "../suite.h"
#include "../tcp_pair.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/process.h"
#include "fd/hidden.h"
#include "fd/linger.h"

/* Sends until the peer, which reads nothing, takes no more. Returns how many bytes were sent. */
static size_t fill(int fd)
{
    size_t sent = 0;
    static char block[65536];
    int flags = fcntl(fd, F_GETFL);
    (void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    for (ssize_t count; (count = send(fd, block, sizeof block, MSG_NOSIGNAL)) > 0;)
        sent += (size_t)count;
    (void)fcntl(fd, F_SETFL, flags);
    return sent;
}

static int queued(int fd)
{
    int bytes = 0;
    ck_assert_int_eq(ioctl(fd, SIOCOUTQ, &bytes), 0);
    return bytes;
}

static long milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

START_TEST(nothing_is_waited_for_on_a_descriptor_without_a_mark)
{
    struct tcp_pair pair = tcp_pair_connect();
    (void)fill(pair.here);
    long begun = milliseconds();
    linger_before_close(pair.here);
    linger_before_close(-1);
    linger_before_close(1 << 20);
    ck_assert_int_lt(milliseconds() - begun, LINGER_MS / 2);
    ck_assert_int_gt(queued(pair.here), 0);
}
END_TEST

START_TEST(a_marked_descriptor_waits_until_the_peers_kernel_has_everything)
{
    struct tcp_pair pair = tcp_pair_connect();
    (void)fill(pair.here);
    linger_mark(pair.here);
    pid_t reader = fork();
    if (reader == 0) {
        static char block[65536];
        (void)close(pair.here);
        while (read(pair.there, block, sizeof block) > 0)
            continue;
        _exit(0);
    }
    errno = EXDEV;
    linger_before_close(pair.here);
    ck_assert_int_eq(errno, EXDEV);
    ck_assert_int_eq(queued(pair.here), 0);
    ck_assert_int_eq(shutdown(pair.here, SHUT_RDWR), 0);
    ck_assert_int_eq(waitpid(reader, NULL, 0), reader);
}
END_TEST

START_TEST(a_peer_that_takes_nothing_delays_many_descriptors_no_longer_than_one)
{
    enum { COUNT = 3 };
    struct tcp_pair pairs[COUNT];
    for (int i = 0; i < COUNT; i++) {
        pairs[i] = tcp_pair_connect();
        (void)fill(pairs[i].here);
        linger_mark(pairs[i].here);
    }
    long begun = milliseconds();
    linger_before_close_range(0, ~0U);
    long took = milliseconds() - begun;
    ck_assert_int_ge(took, LINGER_MS / 2);
    ck_assert_int_lt(took, 2 * LINGER_MS);
    begun = milliseconds();
    linger_before_close_range(0, ~0U); /* a mark is valid for one wait */
    ck_assert_int_lt(milliseconds() - begun, LINGER_MS / 2);
}
END_TEST

START_TEST(closing_does_not_wait_for_a_peer_that_has_closed)
{
    struct tcp_pair pair = tcp_pair_connect();
    (void)fill(pair.here);
    linger_mark(pair.here);
    ck_assert_int_eq(close(pair.there), 0); /* unread data there: a reset */
    long begun = milliseconds();
    linger_before_close(pair.here);
    ck_assert_int_lt(milliseconds() - begun, LINGER_MS / 2);
}
END_TEST

/* The peer gets everything, though unread bytes reset the connection when it is closed in the end. */
START_TEST(a_non_blocking_descriptor_is_kept_and_not_waited_for)
{
    static char block[65536];
    struct tcp_pair pair = tcp_pair_connect();
    ck_assert_int_eq(send(pair.there, "ticket", 6, 0), 6);
    const size_t sent = fill(pair.here);
    ck_assert_int_eq(fcntl(pair.here, F_SETFL, O_NONBLOCK), 0);
    linger_mark(pair.here);
    long begun = milliseconds();
    linger_before_close(pair.here);
    ck_assert_int_lt(milliseconds() - begun, LINGER_MS / 2);
    ck_assert_int_eq(close(pair.here), 0);
    size_t got = 0;
    for (ssize_t count; (count = read(pair.there, block, sizeof block)) > 0;)
        got += (size_t)count;
    ck_assert_uint_eq(got, sent);
}
END_TEST

START_TEST(a_kept_duplicate_has_an_end)
{
    struct tcp_pair pair = tcp_pair_connect();
    (void)fill(pair.here);
    ck_assert_int_eq(fcntl(pair.here, F_SETFL, O_NONBLOCK), 0);
    linger_mark(pair.here);
    linger_before_close(pair.here);
    const int hidden = fd_next(0);
    ck_assert_int_ge(hidden, 0);
    ck_assert(fd_is_hidden(hidden));
    while (fd_is_hidden(hidden))
        (void)poll(NULL, 0, 1);
    ck_assert_int_gt(queued(pair.here), 0);
}
END_TEST

/* A child of fork(3), and two that libc does not see: one closes a number first, the other a range. */
START_TEST(a_child_does_not_wait_for_its_parents_connections)
{
    struct tcp_pair pair = tcp_pair_connect();
    (void)fill(pair.here);
    linger_mark(pair.here);
    pid_t child = _i == 0 ? fork() : (pid_t)syscall(SYS_clone, SIGCHLD, 0L, 0L, 0L, 0L);
    if (child == 0) {
        long begun = milliseconds();
        if (_i == 1)
            linger_before_close(pair.here);
        else
            linger_before_close_range(0, ~0U);
        _exit(milliseconds() - begun < LINGER_MS / 2 ? 0 : 1);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    (void)close(pair.there);
}
END_TEST

START_TEST(closing_does_not_wait_for_a_marked_number_that_is_no_longer_a_socket)
{
    struct tcp_pair pair = tcp_pair_connect();
    int pipes[2];
    ck_assert_int_eq(pipe(pipes), 0);
    linger_mark(pair.here);
    ck_assert_int_eq(dup2(pipes[1], pair.here), pair.here);
    ck_assert_int_eq(write(pair.here, "x", 1), 1);
    long begun = milliseconds();
    linger_before_close(pair.here);
    ck_assert_int_lt(milliseconds() - begun, LINGER_MS / 2);
}
END_TEST

static void start(void)
{
    ck_assert_int_eq(process_start(), 0);
}

int main(void)
{
    TCase *cases = tcase_create("linger");
    tcase_add_checked_fixture(cases, start, NULL);
    tcase_add_test(cases, nothing_is_waited_for_on_a_descriptor_without_a_mark);
    tcase_add_test(cases, a_marked_descriptor_waits_until_the_peers_kernel_has_everything);
    tcase_add_test(cases, a_peer_that_takes_nothing_delays_many_descriptors_no_longer_than_one);
    tcase_add_test(cases, a_non_blocking_descriptor_is_kept_and_not_waited_for);
    tcase_add_test(cases, a_kept_duplicate_has_an_end);
    tcase_add_test(cases, closing_does_not_wait_for_a_peer_that_has_closed);
    tcase_add_loop_test(cases, a_child_does_not_wait_for_its_parents_connections, 0, 3);
    tcase_add_test(cases, closing_does_not_wait_for_a_marked_number_that_is_no_longer_a_socket);
    return run_suite(cases, "linger");
}
