/*
 * A lease: of the copies of a process only the first to use a connection's keys may go on using them.
 */
#include "tls/layer_lease.h"

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../suite.h"

static struct layer_lease lease;

static bool use(void)
{
    if (!layer_lease_enter(&lease))
        return false;
    layer_lease_leave(&lease);
    return true;
}

/* The result of use() in a copy of this process, made by fork or by a raw clone. */
static bool use_in_copy(bool raw)
{
    int status = 0;
    pid_t child = raw ? (pid_t)syscall(SYS_fork) : fork();
    if (child == 0)
        _exit(use() ? 1 : 0);
    ck_assert_int_eq(child, waitpid(child, &status, 0));
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status) == 1;
}

START_TEST(one_process_can_use_it_repeatedly)
{
    ck_assert(layer_lease_make(&lease));
    for (int i = 0; i < 1000; i++)
        ck_assert(use());
    layer_lease_free(&lease);
}
END_TEST

START_TEST(a_copy_that_is_first_takes_it_and_the_original_cannot_continue)
{
    ck_assert(layer_lease_make(&lease));
    ck_assert(use());
    ck_assert(use_in_copy(_i == 1));
    ck_assert(!use());
    ck_assert(!use());
    layer_lease_free(&lease);
}
END_TEST

START_TEST(a_copy_that_does_not_use_it_changes_nothing)
{
    int status;
    ck_assert(layer_lease_make(&lease));
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    ck_assert_int_eq(child, waitpid(child, &status, 0));
    ck_assert(use());
    layer_lease_free(&lease);
}
END_TEST

START_TEST(a_copy_made_in_the_middle_of_a_use_cannot_use_it)
{
    ck_assert(layer_lease_make(&lease));
    ck_assert(layer_lease_enter(&lease));
    ck_assert(!use_in_copy(_i == 1));
    layer_lease_leave(&lease);
    ck_assert(use());
    layer_lease_free(&lease);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("lease");

    tcase_add_test(cases, one_process_can_use_it_repeatedly);
    tcase_add_loop_test(cases, a_copy_that_is_first_takes_it_and_the_original_cannot_continue, 0, 2);
    tcase_add_test(cases, a_copy_that_does_not_use_it_changes_nothing);
    tcase_add_loop_test(cases, a_copy_made_in_the_middle_of_a_use_cannot_use_it, 0, 2);
    return run_suite(cases, "lease");
}
