/*
 * A guard: of the copies of a process only the first to use a connection's keys may go on using them.
 */
#include "tls/fork_guard.h"

#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../suite.h"

static struct fork_guard guard;

static bool use(void)
{
    if (!fork_guard_enter(&guard))
        return false;
    fork_guard_leave(&guard);
    return true;
}

/* The result of use() in a copy of this process, made by fork or by a raw clone. */
static bool use_in_copy(bool raw)
{
    int status = 0;
    pid_t child = raw ? (pid_t)syscall(SYS_clone, SIGCHLD, 0L, 0L, 0L, 0L) : fork();
    if (child == 0)
        _exit(use() ? 1 : 0);
    ck_assert_int_eq(child, waitpid(child, &status, 0));
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status) == 1;
}

START_TEST(one_process_can_use_it_repeatedly)
{
    ck_assert(fork_guard_make(&guard));
    for (int i = 0; i < 1000; i++)
        ck_assert(use());
    fork_guard_free(&guard);
}
END_TEST

START_TEST(a_copy_that_is_first_takes_it_and_the_original_cannot_continue)
{
    ck_assert(fork_guard_make(&guard));
    ck_assert(use());
    ck_assert(use_in_copy(_i == 1));
    ck_assert(!use());
    ck_assert(!use());
    fork_guard_free(&guard);
}
END_TEST

START_TEST(a_copy_that_does_not_use_it_changes_nothing)
{
    int status;
    ck_assert(fork_guard_make(&guard));
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    ck_assert_int_eq(child, waitpid(child, &status, 0));
    ck_assert(use());
    fork_guard_free(&guard);
}
END_TEST

START_TEST(a_copy_made_in_the_middle_of_a_use_cannot_use_it)
{
    ck_assert(fork_guard_make(&guard));
    ck_assert(fork_guard_enter(&guard));
    ck_assert(!use_in_copy(_i == 1));
    fork_guard_leave(&guard);
    ck_assert(use());
    fork_guard_free(&guard);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("guard");

    tcase_add_test(cases, one_process_can_use_it_repeatedly);
    tcase_add_loop_test(cases, a_copy_that_is_first_takes_it_and_the_original_cannot_continue, 0, 2);
    tcase_add_test(cases, a_copy_that_does_not_use_it_changes_nothing);
    tcase_add_loop_test(cases, a_copy_made_in_the_middle_of_a_use_cannot_use_it, 0, 2);
    return run_suite(cases, "guard");
}
