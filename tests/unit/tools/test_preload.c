/*
 * What LD_PRELOAD becomes, and that libpfswrap.so is looked for beside the program.
 */
#include "../suite.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "../../../tools/preload.h"

#define LIBRARY "/lib/pfswrap/libpfswrap.so"

static void expect_set(const char *before, const char *after)
{
    if (before != NULL)
        ck_assert_int_eq(setenv("LD_PRELOAD", before, 1), 0);
    else
        ck_assert_int_eq(unsetenv("LD_PRELOAD"), 0);
    ck_assert_int_eq(preload_set(LIBRARY, OBJECT_OWN), 0);
    ck_assert_str_eq(getenv("LD_PRELOAD"), after);
}

START_TEST(the_library_comes_first_and_others_stay)
{
    expect_set(NULL, LIBRARY);
    expect_set("", LIBRARY);
    expect_set("/other.so", LIBRARY ":/other.so");
    expect_set("/other.so /third.so", LIBRARY ":/other.so /third.so");
    expect_set("/other.so:" LIBRARY, LIBRARY ":/other.so");
}
END_TEST

START_TEST(a_library_that_is_first_already_is_not_added_again)
{
    expect_set(LIBRARY, LIBRARY);
    expect_set(LIBRARY ":/other.so", LIBRARY ":/other.so");
    expect_set(LIBRARY " /other.so", LIBRARY " /other.so");
    expect_set(LIBRARY ".1", LIBRARY ":" LIBRARY ".1"); /* another library */
}
END_TEST

START_TEST(an_object_for_other_programs_is_replaced)
{
    expect_set("/lib/pfswrap/aarch64-musl/libpfswrap.so", LIBRARY);
    expect_set("/lib/pfswrap/aarch64-musl/libpfswrap.so /other.so", LIBRARY " /other.so");
    expect_set("/opt/aarch64-musl/libpfswrap.so", LIBRARY ":/opt/aarch64-musl/libpfswrap.so"); /* not ours */
    ck_assert_int_eq(preload_set(LIBRARY, OBJECT_AARCH64_MUSL), 0);
    ck_assert_str_eq(getenv("LD_PRELOAD"),
                     "/lib/pfswrap/aarch64-musl/libpfswrap.so:/opt/aarch64-musl/libpfswrap.so");
}
END_TEST

START_TEST(the_library_is_looked_for_beside_the_program)
{
    char path[PRELOAD_PATH_MAX], problem[2 * PATH_MAX];
    ck_assert_int_eq(preload_find(path, OBJECT_OWN, problem, sizeof problem), -1);
    ck_assert_ptr_nonnull(strstr(path, "/tests/unit/tools/libpfswrap.so"));
    ck_assert_ptr_eq(strstr(problem, path), problem);
    ck_assert_str_eq(problem + strlen(path), " cannot be read: No such file or directory");
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("preload");
    tcase_add_test(cases, the_library_comes_first_and_others_stay);
    tcase_add_test(cases, a_library_that_is_first_already_is_not_added_again);
    tcase_add_test(cases, an_object_for_other_programs_is_replaced);
    tcase_add_test(cases, the_library_is_looked_for_beside_the_program);
    return run_suite(cases, "preload");
}
