/* Forks within forks: in an observer, in a signal handler, and in several threads at once. */
#include "../suite.h"
#include "observed.h"

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>

#if !__GLIBC_PREREQ(2, 34)
#define _Fork() ((pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL))
#endif

const struct process_observer *const process_observers[] = {&first, &indifferent, &second, NULL};

static pid_t nested_child;

static void fork_within(void)
{
    nested_child = fork();
    if (nested_child == 0) {
        CHILD_EXPECT(knows_itself() && noted_kind == PROCESS_FORK_LIBC);
        leave(strcmp(notes, "BbBbcC") == 0 ? 0 : 1);
    }
}

START_TEST(a_fork_in_the_midst_of_another_is_one_of_its_own)
{
    during_before = fork_within;
    const pid_t child = fork();
    if (child == 0) {
        CHILD_EXPECT(strcmp(notes, "BbBbpPcC") == 0 && knows_itself());
        leave(0);
    }
    expect_notes("BbBbpPpP");
    expect_success(nested_child);
    expect_success(child);
}
END_TEST

/* The child of the inner fork goes on with the outer one: its own child is one that nobody announced. */
static void fork_within_and_go_on(void)
{
    nested_child = fork();
    memset(notes, 0, sizeof notes);
}

START_TEST(the_child_of_an_inner_fork_may_go_on_with_the_outer_one)
{
    const pid_t parent = getpid();
    during_before = fork_within_and_go_on;
    const pid_t child = fork();
    if (child == 0) {
        CHILD_EXPECT(knows_itself() && strcmp(notes, "cC") == 0);
        leave(0);
    }
    if (getpid() != parent) {
        int status = 1;
        CHILD_EXPECT(knows_itself());
        CHILD_EXPECT(waitpid(child, &status, 0) == child);
        leave(status);
    }
    expect_success(nested_child);
    expect_success(child);
}
END_TEST

static void handle(int number)
{
    (void)number;
    const pid_t child = fork();
    if (child == 0)
        leave(knows_itself() ? 0 : 1);
    int status = 1;
    nested_child = waitpid(child, &status, 0) == child && status == 0 ? child : -1;
}

static void raise_within(void)
{
    (void)raise(SIGUSR1);
}

START_TEST(a_signal_handler_may_fork_in_the_midst_of_a_fork)
{
    ck_assert(signal(SIGUSR1, handle) != SIG_ERR);
    during_before = raise_within;
    const pid_t child = fork();
    if (child == 0)
        leave(knows_itself() ? 0 : 1);
    ck_assert_int_gt(nested_child, 0);
    expect_success(child);
    expect_notes("BbBbpPpP");
}
END_TEST

static void *fork_often(void *nothing)
{
    enum { ROUNDS = 50 };
    for (int i = 0; i < ROUNDS; i++) {
        memset(notes, 0, sizeof notes);
        pid_t child;
        if (i % 2 == 0) {
            child = fork();
        } else {
            process_begin_fork(PROCESS_FORK_RAW);
            child = _Fork();
            process_end_fork(process_fork_end_of(child));
        }
        if (child == 0)
            leave(knows_itself() && strcmp(notes, "BbcC") == 0 ? 0 : 1);
        int status = 1;
        if (strcmp(notes, "BbpP") != 0 || waitpid(child, &status, 0) != child || status != 0)
            return NULL;
    }
    return &nested_child + (nothing != NULL);
}

START_TEST(threads_that_fork_at_once_each_have_their_children)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, fork_often, NULL), 0);
    for (int i = 0; i < THREADS; i++) {
        void *done;
        ck_assert_int_eq(pthread_join(threads[i], &done), 0);
        ck_assert_ptr_nonnull(done);
    }
    ck_assert(knows_itself());
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("nested_forks");
    tcase_add_checked_fixture(cases, start_process_once, NULL);
    tcase_add_test(cases, a_fork_in_the_midst_of_another_is_one_of_its_own);
    tcase_add_test(cases, the_child_of_an_inner_fork_may_go_on_with_the_outer_one);
    tcase_add_test(cases, a_signal_handler_may_fork_in_the_midst_of_a_fork);
    tcase_add_test(cases, threads_that_fork_at_once_each_have_their_children);
    return run_suite(cases, "nested_forks");
}
