/* Which file is chosen for a program: by the variable, by the program's name, the default, the built-in policy. */
#include "support.h"

#include "policy/locate.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static char directory[64];
static char located[PATH_MAX];

static void touch(const char *name, mode_t mode)
{
    char file[128];
    snprintf(file, sizeof file, "%s/%s", directory, name);
    int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, mode);
    ck_assert_int_ge(fd, 0);
    close(fd);
}

static void drop(const char *name)
{
    char file[128];
    snprintf(file, sizeof file, "%s/%s", directory, name);
    unlink(file);
}

static void setup(void)
{
    strcpy(directory, "/tmp/pfswrap-locate-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    unsetenv("PFSWRAP_POLICY");
}

static void teardown(void)
{
    drop("nginx.conf");
    drop("default.conf");
    rmdir(directory);
}

/* The chosen file's name without the directory, or the whole answer if it is elsewhere. */
static const char *locate(const char *program)
{
    ck_assert_int_eq(policy_locate_in(located, sizeof located, directory, program), 0);
    size_t length = strlen(directory);
    return strncmp(located, directory, length) == 0 ? located + length + 1 : located;
}

START_TEST(without_any_file_the_built_in_policy_is_chosen)
{
    ck_assert_str_eq(locate("nginx"), "builtin");
    ck_assert_str_eq(locate(""), "builtin");
    strcat(directory, "/none");
    ck_assert_str_eq(locate("nginx"), "builtin");
    directory[strlen(directory) - 5] = '\0';
}
END_TEST

START_TEST(the_programs_own_file_comes_before_the_default)
{
    touch("default.conf", 0600);
    ck_assert_str_eq(locate("nginx"), "default.conf");
    touch("nginx.conf", 0600);
    ck_assert_str_eq(locate("nginx"), "nginx.conf");
    ck_assert_str_eq(locate("/usr/sbin/nginx"), "nginx.conf");
    ck_assert_str_eq(locate("/usr/sbin/"), "default.conf");
    ck_assert_str_eq(locate("apache2"), "default.conf");
}
END_TEST

START_TEST(an_invalid_file_is_chosen_so_that_loading_fails)
{
    touch("default.conf", 0600);
    char link[128];
    snprintf(link, sizeof link, "%s/nginx.conf", directory);
    ck_assert_int_eq(symlink("nginx.conf", link), 0); /* a loop: stat(2) fails with ELOOP */
    ck_assert_str_eq(locate("nginx"), "nginx.conf");
    ck_assert_int_eq(policy_load(&policy, located, &policy_problem), -1);
}
END_TEST

START_TEST(the_variable_comes_before_all_files)
{
    ck_assert_int_eq(setenv("PFSWRAP_POLICY", "/some/where", 1), 0);
    ck_assert_int_eq(policy_locate(located, sizeof located, "nginx"), 0);
    ck_assert_str_eq(located, "/some/where");
    ck_assert_int_eq(setenv("PFSWRAP_POLICY", "builtin", 1), 0);
    ck_assert_int_eq(policy_locate(located, sizeof located, "nginx"), 0);
    ck_assert_str_eq(located, "builtin");
}
END_TEST

START_TEST(an_answer_that_does_not_fit_is_an_error)
{
    char small[8];
    ck_assert_int_eq(setenv("PFSWRAP_POLICY", "1234567", 1), 0);
    ck_assert_int_eq(policy_locate(small, sizeof small, "x"), 0);
    ck_assert_int_eq(setenv("PFSWRAP_POLICY", "12345678", 1), 0);
    ck_assert_int_eq(policy_locate(small, sizeof small, "x"), -1);
    ck_assert_int_eq(policy_locate_in(small, sizeof small, directory, "x"), -1);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("locate");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, without_any_file_the_built_in_policy_is_chosen);
    tcase_add_test(cases, the_programs_own_file_comes_before_the_default);
    tcase_add_test(cases, an_invalid_file_is_chosen_so_that_loading_fails);
    tcase_add_test(cases, the_variable_comes_before_all_files);
    tcase_add_test(cases, an_answer_that_does_not_fit_is_an_error);
    return run_suite(cases, "policy locate");
}
