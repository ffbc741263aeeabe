/*
 * After a fork both processes use the connection. What was made later, or by a fork without handlers, stays with
 * one.
 */
#include "../suite.h"

#include <signal.h>
#include <sys/wait.h>

#include "../connection/link.h"
#include "base/fork.h"
#include "base/process.h"
#include "base/raw_syscall.h"
#include "connection/holders.h"
#include "connection/release.h"
#include "fd/close.h"
#include "transfer/segment.h"
#include "transfer/share.h"

static char directory[] = "/tmp/pfswrap-share-XXXXXX";

static void setup(void)
{
    memcpy(directory + sizeof directory - 7, "XXXXXX", 6);
    link_start_policy(directory);
}

static void teardown(void)
{
    link_end_policy(directory);
}

START_TEST(both_processes_use_it_in_turn)
{
    struct link link = link_open(65536);
    ck_assert_int_eq(link_send(link.client, "a", 1), 1);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0)
        _exit(link_send(link.client, "b", 1) == 1 ? 0 : 1);
    link_expect_exit(child, 0);
    ck_assert_int_eq(link_send(link.client, "c", 1), 1);
    link_expect(&link, "abc");
}
END_TEST

START_TEST(a_half_received_frame_survives_the_fork)
{
    struct link link = link_open(65536);
    char text[8] = "";
    ck_assert_int_eq(link_send(link.client, "hello", 5), 5);
    link_await(link.client_wire);
    ck_assert_int_eq(link_move(link.client_wire, link.server_wire, 10), 10);
    link_await(link.server);
    ck_assert_int_eq(link_receive(link.server, text, sizeof text, 0), -1);
    ck_assert_int_eq(errno, EAGAIN);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        while (link_move(link.client_wire, link.server_wire, 100) > 0)
            continue;
        link_await(link.server);
        _exit(link_receive(link.server, text, sizeof text, 0) == 5 && memcmp(text, "hello", 5) == 0 ? 0 : 1);
    }
    link_expect_exit(child, 0);
}
END_TEST

/* A buffer that was given back twice would belong to two connections. */
static bool buffers_are_distinct(void)
{
    enum { COUNT = 4 };
    int32_t indexes[COUNT];
    for (int i = 0; i < COUNT; i++) {
        if (connection_borrow(&indexes[i]) == NULL)
            return false;
        for (int j = 0; j < i; j++)
            if (indexes[i] == indexes[j])
                return false;
    }
    return true;
}

START_TEST(a_fork_without_handlers_gets_an_error)
{
    struct link link = link_open(65536);
    long child = raw_syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        char byte;
        bool refused = link_send(link.client, "b", 1) == -1 && errno == ECONNRESET &&
                       link_receive(link.server, &byte, 1, 0) == -1 && errno == ECONNRESET;
        (void)raw_syscall(SYS_exit_group, refused && buffers_are_distinct() ? 0 : 1);
    }
    link_expect_exit((pid_t)child, 0);
}
END_TEST

START_TEST(a_child_killed_in_the_middle_poisons_what_it_held)
{
    struct link link = link_open(65536);
    int ready[2];
    char byte;
    ck_assert_int_eq(pipe(ready), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        struct endpoint *endpoint;
        struct connection *connection;
        (void)endpoint_enter(link.client, &endpoint, &connection);
        (void)!write(ready[1], "x", 1);
        for (;;)
            (void)pause();
    }
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    ck_assert_int_eq(link_send(link.client, "a", 1), -1);
    ck_assert_int_eq(errno, ECONNRESET);
}
END_TEST

START_TEST(the_last_holder_ends_the_stream)
{
    struct link link = link_open(65536);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        bool shared = true;
        struct endpoint *endpoint;
        struct connection *connection;
        if (endpoint_enter(link.client, &endpoint, &connection) == ENDPOINT_ENTERED) {
            shared = holders_release(connection);
            endpoint_leave(connection);
        }
        _exit(shared ? 0 : 1);
    }
    link_expect_exit(child, 0);
    struct endpoint *endpoint;
    struct connection *connection;
    ck_assert_int_eq(endpoint_enter(link.client, &endpoint, &connection), ENDPOINT_ENTERED);
    ck_assert(!holders_release(connection));
    endpoint_leave(connection);
}
END_TEST

START_TEST(a_killed_holder_no_longer_counts)
{
    struct link link = link_open(65536);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0)
        for (;;)
            (void)pause();
    struct endpoint *endpoint;
    struct connection *connection;
    for (bool registered = false; !registered;) {
        ck_assert_int_eq(endpoint_enter(link.client, &endpoint, &connection), ENDPOINT_ENTERED);
        for (int i = 0; i < CONNECTION_HOLDERS; i++)
            registered = registered || connection->holders[i].pid == child;
        endpoint_leave(connection);
    }
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    siginfo_t info;
    ck_assert_int_eq(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0); /* a zombie has ended */
    ck_assert_int_eq(endpoint_enter(link.client, &endpoint, &connection), ENDPOINT_ENTERED);
    ck_assert(!holders_release(connection));
    endpoint_leave(connection);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
}
END_TEST

START_TEST(in_a_child_a_segment_that_no_connection_is_in_is_free)
{
    struct link link = link_open(65536);
    struct segment *unused = segment_make(1); /* another thread is about to use it */
    ck_assert_ptr_nonnull(unused);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        const struct segment *used = endpoint_of(link.client)->segment;
        bool is_right = used != NULL && used != unused && segment_make(1) == unused;
        _exit(is_right && segment_make(1) != used && link_send(link.client, "a", 1) == 1 ? 0 : 1);
    }
    link_expect_exit(child, 0);
    link_expect(&link, "a");
}
END_TEST

/* The parent of both processes uses the connection, and they have inherited it. `used` is the parent's descriptor.
 */
START_TEST(both_processes_leave_a_connection_alone_that_another_one_uses)
{
    int fd, peer, go[2];
    char text[8] = "";
    struct endpoint *endpoint;
    struct connection *connection;
    link_pair(&fd, &peer);
    const int used = dup(fd);
    link_seal(fd, LINK_CONNECT, true, true);
    ck_assert_int_eq(endpoint_enter(fd, &endpoint, &connection), ENDPOINT_ENTERED);
    connection->inherited = true;
    endpoint_leave(connection);
    ck_assert_int_eq(pipe(go), 0);
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        bool is_right = read(go[0], text, 1) == 1;
        is_right = is_right && link_send(fd, "x", 1) == -1 && errno == ECONNRESET;
        _exit(fd_close(fd) == 0 && is_right ? 0 : 1);
    }
    ck_assert_int_eq(send(used, "ask", 3, 0), 3);
    link_await(peer);
    ck_assert_int_eq(recv(peer, text, sizeof text, 0), 3);
    ck_assert_int_eq(send(peer, "answer", 6, 0), 6);
    link_await(used);
    ck_assert_int_eq(write(go[1], "x", 1), 1);
    link_expect_exit(child, 0);
    ck_assert_int_eq(link_send(fd, "x", 1), -1);
    ck_assert_int_eq(errno, ECONNRESET);
    ck_assert_int_eq(fd_close(fd), 0);
    ck_assert_int_eq(recv(used, text, sizeof text, 0), 6); /* neither of the two has taken it */
    ck_assert_int_eq(recv(peer, text, sizeof text, MSG_DONTWAIT), -1);
    ck_assert_int_eq(errno, EAGAIN);
}
END_TEST

/* As in a signal handler that interrupted a call and waits for its child: the lock stays taken meanwhile. */
static void fork_inside_a_call(const struct link *link)
{
    struct endpoint *endpoint;
    struct connection *connection;
    ck_assert_int_eq(endpoint_enter(link->client, &endpoint, &connection), ENDPOINT_ENTERED);
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        const bool refused = link_send(link->client, "x", 1) == -1 && errno == ECONNRESET;
        _exit(fd_close(link->client) == 0 && fd_close(link->server) == 0 && refused ? 0 : 1);
    }
    link_expect_exit(child, 0);
    endpoint_leave(connection);
}

START_TEST(a_child_made_inside_a_call_does_not_wait_for_it)
{
    struct link link = link_open(65536);
    fork_inside_a_call(&link);
    ck_assert_int_eq(link_send(link.client, "a", 1), 1);
    link_expect(&link, "a");
    pid_t child = fork(); /* it is shared from here on */
    ck_assert_int_ge(child, 0);
    if (child == 0)
        _exit(fd_close(link.client) == 0 && fd_close(link.server) == 0 ? 0 : 1);
    link_expect_exit(child, 0);
    fork_inside_a_call(&link);
    ck_assert_uint_eq(link_holders(link.client), 1);
    ck_assert_uint_eq(link_holders(link.server), 1);
    ck_assert_int_eq(link_send(link.client, "b", 1), 1);
    link_expect(&link, "b");
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("share");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, both_processes_use_it_in_turn);
    tcase_add_test(cases, a_half_received_frame_survives_the_fork);
    tcase_add_test(cases, a_fork_without_handlers_gets_an_error);
    tcase_add_test(cases, a_child_killed_in_the_middle_poisons_what_it_held);
    tcase_add_test(cases, the_last_holder_ends_the_stream);
    tcase_add_test(cases, a_killed_holder_no_longer_counts);
    tcase_add_test(cases, in_a_child_a_segment_that_no_connection_is_in_is_free);
    tcase_add_test(cases, both_processes_leave_a_connection_alone_that_another_one_uses);
    tcase_add_test(cases, a_child_made_inside_a_call_does_not_wait_for_it);
    return run_suite(cases, "share");
}
