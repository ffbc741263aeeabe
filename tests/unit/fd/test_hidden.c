/*
 * Hidden numbers: duplicates of the shim's that are not open for the program.
 */
#include "../suite.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/process.h"
#include "fd/hidden.h"
#include "fd/own.h"

static int open_null(void)
{
    const int fd = open("/dev/null", O_WRONLY);
    ck_assert_int_ge(fd, 0);
    return fd;
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

START_TEST(a_hidden_number_is_a_duplicate_with_close_on_exec_that_counts_as_sealed)
{
    struct stat one, other;
    const int fd = open_null(), hidden = fd_reserve_duplicate(fd, OWN_FIRST);
    ck_assert_int_ge(hidden, OWN_FIRST);
    ck_assert_int_eq(fcntl(hidden, F_GETFD), FD_CLOEXEC);
    ck_assert_int_eq(fstat(fd, &one), 0);
    ck_assert_int_eq(fstat(hidden, &other), 0);
    ck_assert_uint_eq(one.st_ino, other.st_ino);
    ck_assert(fd_is_hidden(hidden) && fd_is_sealed(hidden));
    ck_assert(!fd_is_known(fd));
    ck_assert_int_eq(atomic_load(&fd_reserved), 1);
}
END_TEST

START_TEST(a_hidden_number_becomes_foreign_and_is_closed_only_on_demand)
{
    const int fd = open_null();
    const int one = fd_reserve_duplicate(fd, OWN_FIRST), other = fd_reserve_duplicate(fd, OWN_FIRST);
    fd_unreserve(one, true);
    fd_unreserve(other, false);
    ck_assert(!is_open(one) && is_open(other));
    ck_assert_uint_eq(fd_word(one) | fd_word(other), 0);
    ck_assert_int_eq(atomic_load(&fd_reserved), 0);
}
END_TEST

START_TEST(where_no_high_number_is_free_a_hidden_one_is_lower)
{
    struct rlimit limit;
    const int fd = open_null();
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = 64;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    const int hidden = fd_reserve_duplicate(fd, OWN_FIRST);
    ck_assert_int_gt(hidden, STDERR_FILENO);
    ck_assert_int_lt(hidden, 64);
    ck_assert(fd_is_hidden(hidden));
}
END_TEST

START_TEST(what_is_not_open_has_no_hidden_duplicate)
{
    const int fd = open_null();
    ck_assert_int_eq(close(fd), 0);
    ck_assert_int_eq(fd_reserve_duplicate(fd, OWN_FIRST), -1);
    ck_assert_int_eq(atomic_load(&fd_reserved), 0);
}
END_TEST

START_TEST(only_a_hidden_number_can_be_unhidden_and_only_once)
{
    const int fd = open_null(), hidden = fd_reserve_duplicate(fd, OWN_FIRST);
    ck_assert(!fd_unhide(fd, 5));
    ck_assert(!fd_unhide(-1, 5));
    ck_assert(!fd_unhide(FD_TABLE_SIZE, 5));
    ck_assert(fd_unhide(hidden, 5));
    ck_assert_uint_eq(fd_word(hidden), fd_word_closing(5));
    ck_assert(!fd_unhide(hidden, 5));
}
END_TEST

START_TEST(a_range_must_keep_hidden_numbers_and_those_that_another_call_closes)
{
    enum { CLOSING = 700, GENERATION = 5 };
    const int hidden = fd_reserve_duplicate(open_null(), OWN_FIRST);
    (void)fd_table_put(CLOSING, fd_word_closing(GENERATION));
    ck_assert_int_eq(fd_lowest_kept(0, UINT_MAX, GENERATION), hidden);
    ck_assert_int_eq(fd_lowest_kept(0, (unsigned)hidden - 1, GENERATION), -1);
    ck_assert_int_eq(fd_lowest_kept((unsigned)hidden + 1, UINT_MAX, GENERATION), -1);
    ck_assert_int_eq(fd_lowest_kept((unsigned)hidden + 1, UINT_MAX, GENERATION + 1), CLOSING);
}
END_TEST

START_TEST(after_a_fork_the_parents_temporary_numbers_are_closed)
{
    const int fd = open_null();
    const int temporary = fd_keep_open(fd), hidden = fd_reserve_duplicate(fd, OWN_FIRST);
    ck_assert(fd_is_hidden(temporary) && fd_is_hidden(hidden));
    fd_begin_range();
    fd_forget_calls();
    ck_assert(!is_open(temporary) && fd_word(temporary) == 0);
    ck_assert(is_open(hidden) && fd_is_hidden(hidden));
    ck_assert_int_eq(atomic_load(&fd_reserved), 1);
}
END_TEST

static void start(void)
{
    ck_assert_int_eq(process_start(), 0);
}

int main(void)
{
    TCase *cases = tcase_create("hidden");
    tcase_add_checked_fixture(cases, start, NULL);
    tcase_add_test(cases, a_hidden_number_is_a_duplicate_with_close_on_exec_that_counts_as_sealed);
    tcase_add_test(cases, a_hidden_number_becomes_foreign_and_is_closed_only_on_demand);
    tcase_add_test(cases, where_no_high_number_is_free_a_hidden_one_is_lower);
    tcase_add_test(cases, what_is_not_open_has_no_hidden_duplicate);
    tcase_add_test(cases, only_a_hidden_number_can_be_unhidden_and_only_once);
    tcase_add_test(cases, a_range_must_keep_hidden_numbers_and_those_that_another_call_closes);
    tcase_add_test(cases, after_a_fork_the_parents_temporary_numbers_are_closed);
    return run_suite(cases, "hidden");
}
