/*
 * Opening a policy file: its owner and permissions, its kind, and that loading refuses what this build does not
 * support.
 */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[] = "/tmp/pfswrap-load-XXXXXX";
static char path[64];

static void setup(void)
{
    strcpy(directory, "/tmp/pfswrap-load-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/test.conf", directory);
}

static void teardown(void)
{
    unlink(path);
    rmdir(path);
    rmdir(directory);
}

static void write_file(const char *text, mode_t mode)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(chmod(path, mode), 0);
}

/* Loading must fail with PATH followed by `rest`. */
static void expect_load_refused(const char *rest)
{
    char expected[512];
    snprintf(expected, sizeof expected, "%s%s", path, rest);
    ck_assert_int_eq(policy_load(&policy, path, &policy_problem), -1);
    ck_assert_str_eq(policy_problem.text, expected);
}

START_TEST(a_file_is_loaded_under_its_absolute_path)
{
    write_file("[policy]\nmode = audit\n", 0644);
    ck_assert_int_eq(policy_load(&policy, path, &policy_problem), 0);
    ck_assert_str_eq(policy.path, path);
    ck_assert_int_eq(policy.mode, POLICY_AUDIT);
    ck_assert_int_eq(chdir(directory), 0);
    ck_assert_int_eq(policy_load(&policy, "test.conf", &policy_problem), 0);
    ck_assert_str_eq(policy.path, path);
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert_int_eq(policy_load(&policy, path + 1, &policy_problem), 0);
    ck_assert_str_eq(policy.path, path);
}
END_TEST

START_TEST(builtin_names_the_built_in_policy)
{
    ck_assert_int_eq(policy_load(&policy, "builtin", &policy_problem), 0);
    ck_assert_str_eq(policy.path, "builtin");
    ck_assert_uint_eq(policy.tls.min_version, 0x0304);
}
END_TEST

START_TEST(a_missing_file_is_refused)
{
    expect_load_refused(": cannot be opened: No such file or directory, expected a policy file");
}
END_TEST

START_TEST(a_directory_and_a_fifo_are_refused_without_waiting)
{
    ck_assert_int_eq(mkdir(path, 0700), 0);
    expect_load_refused(": is not a regular file, expected a policy file");
    ck_assert_int_eq(rmdir(path), 0);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    expect_load_refused(": is not a regular file, expected a policy file");
}
END_TEST

#define EXPECTED ", expected nobody but its owner and root (chmod go-w, or a read-only mount)"

START_TEST(a_file_that_others_can_write_is_refused)
{
    char refusal[256];
    write_file("", 0664);
    ck_assert_int_eq(chown(path, (uid_t)-1, getegid()), 0);
    (void)snprintf(refusal, sizeof refusal, ": mode 0664: group %u can write it" EXPECTED, (unsigned)getegid());
    expect_load_refused(refusal);
    write_file("", 0646);
    expect_load_refused(": mode 0646: all users can write it" EXPECTED);
}
END_TEST

START_TEST(a_file_of_another_user_is_refused)
{
    write_file("", 0644);
    ck_assert_int_eq(chown(path, 12345, 0), 0);
    expect_load_refused(": owned by user 12345, expected user 0 or root, or a read-only mount");
}
END_TEST

START_TEST(an_error_of_the_text_names_the_absolute_path_and_line)
{
    write_file("[policy]\nmode = x\n", 0600);
    expect_load_refused(":2: mode = x, expected enforce or audit");
}
END_TEST

START_TEST(a_path_that_is_too_long_is_refused)
{
    static char name[5000];
    memset(name, 'x', sizeof name - 1);
    ck_assert_int_eq(policy_load(&policy, name, &policy_problem), -1);
    ck_assert_ptr_nonnull(strstr(policy_problem.text, "path is too long, expected at most 4095 bytes"));
}
END_TEST

START_TEST(loading_leaves_no_descriptor_open)
{
    write_file("[policy]\nmode = x\n", 0600);
    int before = dup(STDOUT_FILENO);
    close(before);
    policy_load(&policy, path, &policy_problem);
    int after = dup(STDOUT_FILENO);
    close(after);
    ck_assert_int_eq(before, after);
}
END_TEST

START_TEST(a_file_longer_than_one_read_is_whole)
{
    static char text[8192];
    size_t used = 0;
    for (unsigned i = 0; i < 100; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "; %060u\r\n", i);
    snprintf(text + used, sizeof text - used, "[policy]\nmode = audit\nlog = /x\nchildren = allow");
    write_file(text, 0600);
    ck_assert_int_eq(policy_load(&policy, path, &policy_problem), 0);
    ck_assert_int_eq(policy.mode, POLICY_AUDIT);
    ck_assert_int_eq(policy.children, POLICY_CHILDREN_ALLOW);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("load");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, a_file_is_loaded_under_its_absolute_path);
    tcase_add_test(cases, builtin_names_the_built_in_policy);
    tcase_add_test(cases, a_missing_file_is_refused);
    tcase_add_test(cases, a_directory_and_a_fifo_are_refused_without_waiting);
    tcase_add_test(cases, a_file_that_others_can_write_is_refused);
    if (geteuid() == 0) /* only root can give a file away */
        tcase_add_test(cases, a_file_of_another_user_is_refused);
    tcase_add_test(cases, an_error_of_the_text_names_the_absolute_path_and_line);
    tcase_add_test(cases, a_path_that_is_too_long_is_refused);
    tcase_add_test(cases, loading_leaves_no_descriptor_open);
    tcase_add_test(cases, a_file_longer_than_one_read_is_whole);
    return run_suite(cases, "policy load");
}
