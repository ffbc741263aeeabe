/*
 * Children that the shim learns of late, or by mistake: made by a system call of the program's own, in a fork that
 * seems to fail, inside another fork. Each counts as a holder exactly once.
 */
#include "../suite.h"

#include <signal.h>

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

START_TEST(what_an_unseen_child_has_not_it_leaves_alone)
{
    struct link link = link_open(65536);
    ck_assert_int_eq(link_send(link.client, "a", 1), 1);
    const long child = raw_syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        char byte;
        const bool refused = link_receive(link.server, &byte, 1, 0) == -1 && errno == ECONNRESET;
        const bool closed = fd_close(link.server) == 0 && fd_close(link.client) == 0;
        release_all();
        (void)raw_syscall(SYS_exit_group, refused && closed && endpoint_count == 0 ? 0 : 1);
    }
    link_expect_exit((pid_t)child, 0);
    ck_assert_int_eq(link_send(link.client, "b", 1), 1);
    link_expect(&link, "ab");
}
END_TEST

START_TEST(an_unseen_child_joins_what_is_shared_and_leaves_it)
{
    struct link link = link_open(65536);
    pid_t first = fork();
    ck_assert_int_ge(first, 0);
    if (first == 0)
        _exit(fd_close(link.client) == 0 ? 0 : 1);
    link_expect_exit(first, 0);
    ck_assert_uint_eq(link_holders(link.client), 1);
    const long child = raw_syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        const bool sent = link_send(link.client, "a", 1) == 1 && link_holders(link.client) == 2;
        (void)raw_syscall(SYS_exit_group, fd_close(link.client) == 0 && sent ? 0 : 1);
    }
    link_expect_exit((pid_t)child, 0);
    ck_assert_uint_eq(link_holders(link.client), 1);
    ck_assert_int_eq(link_send(link.client, "b", 1), 1);
    link_expect(&link, "ab");
}
END_TEST

START_TEST(an_unseen_child_has_no_part_in_what_its_parent_has_ended)
{
    struct link link = link_open(65536);
    pid_t first = fork();
    ck_assert_int_ge(first, 0);
    if (first == 0)
        _exit(0);
    link_expect_exit(first, 0);
    int end[2];
    char byte = 0;
    ck_assert_int_eq(pipe(end), 0);
    const long child = raw_syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        bool is_over = read(end[0], &byte, 1) == 1; /* nothing of the shim's before this */
        is_over = is_over && link_send(link.client, "b", 1) == -1 && errno == ECONNRESET;
        (void)raw_syscall(SYS_exit_group, is_over && fd_close(link.client) == 0 ? 0 : 1);
    }
    ck_assert_int_eq(link_send(link.client, "a", 1), 1);
    ck_assert_int_eq(fd_close(link.client), 0);
    ck_assert_int_eq(write(end[1], "x", 1), 1);
    link_expect_exit((pid_t)child, 0);
    link_expect(&link, "a");
}
END_TEST

START_TEST(a_fork_that_fails_leaves_no_holder_behind)
{
    struct link link = link_open(65536);
    process_begin_fork(PROCESS_FORK_RAW);
    ck_assert_uint_eq(link_holders(link.client), 2);
    process_end_fork(PROCESS_FORK_FAILED);
    ck_assert_uint_eq(link_holders(link.client), 1);
    ck_assert_int_eq(link_send(link.client, "a", 1), 1);
    link_expect(&link, "a");
}
END_TEST

/* Another library's handler has changed errno, so a fork looks as if it had failed, but there is a child. */
START_TEST(a_fork_that_is_wrongly_taken_for_a_failure_makes_a_holder)
{
    struct link link = link_open(65536);
    int go[2];
    char byte = 0;
    ck_assert_int_eq(pipe(go), 0);
    process_begin_fork(PROCESS_FORK_RAW);
    const pid_t child = (pid_t)raw_syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
        bool is_right = read(go[0], &byte, 1) == 1; /* the parent has decided */
        process_end_fork(PROCESS_FORK_CHILD);
        is_right = is_right && link_holders(link.client) == 2 && link_send(link.client, "a", 1) == 1;
        (void)raw_syscall(SYS_exit_group, fd_close(link.client) == 0 && is_right ? 0 : 1);
    }
    process_end_fork(PROCESS_FORK_FAILED);
    ck_assert_uint_eq(link_holders(link.client), 1);
    ck_assert_int_eq(write(go[1], "x", 1), 1);
    link_expect_exit(child, 0);
    ck_assert_uint_eq(link_holders(link.client), 1);
    ck_assert_int_eq(link_send(link.client, "b", 1), 1);
    link_expect(&link, "ab");
}
END_TEST

/* In a fork within a fork each of the two children is a holder of its own. */
START_TEST(forks_within_forks_are_counted_each)
{
    struct link link = link_open(65536);
    process_begin_fork(PROCESS_FORK_RAW);
    pid_t inner = fork();
    ck_assert_int_ge(inner, 0);
    if (inner == 0)
        _exit(fd_close(link.client) == 0 ? 0 : 1);
    link_expect_exit(inner, 0);
    pid_t outer = _Fork();
    process_end_fork(process_fork_end_of(outer));
    if (outer == 0)
        _exit(fd_close(link.client) == 0 ? 0 : 1);
    link_expect_exit(outer, 0);
    ck_assert_uint_eq(link_holders(link.client), 1);
    ck_assert_int_eq(link_send(link.client, "a", 1), 1);
    link_expect(&link, "a");
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("share_children");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, what_an_unseen_child_has_not_it_leaves_alone);
    tcase_add_test(cases, an_unseen_child_joins_what_is_shared_and_leaves_it);
    tcase_add_test(cases, an_unseen_child_has_no_part_in_what_its_parent_has_ended);
    tcase_add_test(cases, a_fork_that_fails_leaves_no_holder_behind);
    tcase_add_test(cases, a_fork_that_is_wrongly_taken_for_a_failure_makes_a_holder);
    tcase_add_test(cases, forks_within_forks_are_counted_each);
    return run_suite(cases, "share_children");
}
