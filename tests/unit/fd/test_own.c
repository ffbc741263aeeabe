/*
 * The shim's own descriptors: where they are, that they move away from the program's, and which process has them
 * after a fork.
 */
#include "../suite.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/process.h"
#include "fd/own.h"
#include "fd/table.h"

static int open_null(void)
{
    int fd = open("/dev/null", O_WRONLY);
    ck_assert_int_ge(fd, 0);
    return fd;
}

static int number_of(struct descriptor *descriptor)
{
    int number = own_acquire(descriptor);
    own_release(descriptor);
    return number;
}

/* The file `fd` as one of the shim's own. */
static struct descriptor *taken(int fd)
{
    struct descriptor *own = NULL;
    ck_assert_int_eq(own_take(fd, &own), 0);
    return own;
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

START_TEST(an_owned_descriptor_moves_high_closes_on_exec_and_frees_the_callers_number)
{
    int fd = open_null();
    struct descriptor *own = taken(fd);
    ck_assert_ptr_nonnull(own);
    int number = number_of(own);
    ck_assert_int_ge(number, OWN_FIRST);
    ck_assert(!is_open(fd));
    ck_assert_int_eq(fcntl(number, F_GETFD), FD_CLOEXEC);
    ck_assert(fd_is_own(number) && !fd_is_own(fd) && !fd_is_own(-1));
    own_close(own);
    ck_assert(!is_open(number) && !fd_is_own(number));
}
END_TEST

START_TEST(under_a_low_limit_an_owned_descriptor_goes_as_high_as_it_can)
{
    struct rlimit limit;
    int fd = open_null();
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = 64;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    struct descriptor *own = taken(fd);
    ck_assert_ptr_nonnull(own);
    ck_assert_int_eq(number_of(own), 63);
}
END_TEST

START_TEST(where_the_high_numbers_are_taken_an_owned_descriptor_gets_a_lower_one)
{
    struct rlimit limit;
    int fd = open_null();
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = OWN_FIRST + 4;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    for (int number = OWN_FIRST; number < OWN_FIRST + 4; number++)
        ck_assert_int_eq(dup2(fd, number), number);
    struct descriptor *own = taken(fd);
    ck_assert_ptr_nonnull(own);
    ck_assert_int_gt(number_of(own), STDERR_FILENO);
    ck_assert_int_lt(number_of(own), OWN_FIRST);
}
END_TEST

START_TEST(without_a_free_number_owning_fails_with_an_errno_and_closes_the_callers)
{
    struct rlimit before;
    struct descriptor *own;
    int fd = open_null();
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit none = {0, before.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    ck_assert_int_eq(own_take(fd, &own), -EINVAL);
    ck_assert(!is_open(fd));
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0); /* for LeakSanitizer, which opens files at the end */
}
END_TEST

START_TEST(no_more_than_the_maximum_is_owned_and_nothing_leaks_beyond)
{
    struct descriptor *own[OWN_MAX];
    for (int i = 0; i < OWN_MAX; i++) {
        own[i] = taken(open_null());
        ck_assert_ptr_nonnull(own[i]);
    }
    int fd = open_null();
    struct descriptor *more;
    ck_assert_int_eq(own_take(fd, &more), -EMFILE);
    ck_assert(!is_open(fd));
    ck_assert(!is_open(number_of(own[OWN_MAX - 1]) + 1));
    own_close(own[0]);
    ck_assert_ptr_nonnull(taken(open_null()));
}
END_TEST

START_TEST(a_descriptor_moves_away_and_still_refers_to_the_same_file)
{
    struct stat before;
    struct stat after;
    struct descriptor *own = taken(open_null());
    int number = number_of(own);
    ck_assert_int_eq(fstat(number, &before), 0);
    errno = EXDEV;
    own_make_way(number);
    ck_assert_int_eq(errno, EXDEV);
    int moved = number_of(own);
    ck_assert_int_ne(moved, number);
    ck_assert(!fd_is_own(number) && fd_is_own(moved));
    ck_assert_int_eq(fstat(moved, &after), 0);
    ck_assert(before.st_rdev == after.st_rdev && before.st_ino == after.st_ino);
    own_make_way(number + 1000); /* nobody's: nothing happens */
    ck_assert_int_eq(number_of(own), moved);
}
END_TEST

START_TEST(a_forgotten_descriptor_stays_open_and_its_slot_is_free)
{
    struct descriptor *own = taken(open_null());
    int number = number_of(own);
    own_forget(own);
    ck_assert(is_open(number) && !fd_is_own(number));
    ck_assert_int_eq(number_of(own), -1);
    own_forget(NULL);
    own_close(NULL);
}
END_TEST

START_TEST(the_shims_lowest_number_in_a_range_is_found)
{
    ck_assert_int_eq(own_lowest(0, ~0U), -1);
    int low = number_of(taken(open_null()));
    int high = number_of(taken(open_null()));
    ck_assert_int_lt(low, high);
    ck_assert_int_eq(own_lowest(0, ~0U), low);
    ck_assert_int_eq(own_lowest((unsigned)low + 1, ~0U), high);
    ck_assert_int_eq(own_lowest((unsigned)high + 1, ~0U), -1);
    ck_assert_int_eq(own_lowest(0, (unsigned)low - 1), -1);
}
END_TEST

START_TEST(a_forked_child_has_the_descriptors_and_moves_its_own_copy)
{
    struct descriptor *own = taken(open_null());
    int number = number_of(own);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        own_make_way(number);
        _exit(number_of(own) != number && is_open(number_of(own)) ? 0 : 1);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(number_of(own), number);
}
END_TEST

static void start(void)
{
    ck_assert_int_eq(process_start(), 0);
}

int main(void)
{
    TCase *cases = tcase_create("own");
    tcase_add_checked_fixture(cases, start, NULL);
    tcase_add_test(cases, an_owned_descriptor_moves_high_closes_on_exec_and_frees_the_callers_number);
    tcase_add_test(cases, under_a_low_limit_an_owned_descriptor_goes_as_high_as_it_can);
    tcase_add_test(cases, where_the_high_numbers_are_taken_an_owned_descriptor_gets_a_lower_one);
    tcase_add_test(cases, without_a_free_number_owning_fails_with_an_errno_and_closes_the_callers);
    tcase_add_test(cases, no_more_than_the_maximum_is_owned_and_nothing_leaks_beyond);
    tcase_add_test(cases, a_descriptor_moves_away_and_still_refers_to_the_same_file);
    tcase_add_test(cases, a_forgotten_descriptor_stays_open_and_its_slot_is_free);
    tcase_add_test(cases, the_shims_lowest_number_in_a_range_is_found);
    tcase_add_test(cases, a_forked_child_has_the_descriptors_and_moves_its_own_copy);
    return run_suite(cases, "own");
}
