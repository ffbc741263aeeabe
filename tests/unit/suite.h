/*
 * main() of a unit test with one suite: TAP on stdout, a nonzero exit status if a case failed. Check's own limit of
 * four seconds a case is too little for a sanitizer's build on a busy machine; who hangs is told all the same.
 */
#ifndef PFSWRAP_TESTS_SUITE_H
#define PFSWRAP_TESTS_SUITE_H

#include <check.h>
#include <stdlib.h>

enum { CASE_SECONDS = 120 };

static inline int run_suite(TCase *cases, const char *name)
{
    Suite *suite = suite_create(name);
    tcase_set_timeout(cases, CASE_SECONDS);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
