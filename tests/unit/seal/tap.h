/*
 * What every unit test of the seal protocol has in common: a main() that runs its cases with TAP on stdout. May
 * call Check; knows nothing of channels.
 */
#ifndef TESTS_UNIT_SEAL_TAP_H
#define TESTS_UNIT_SEAL_TAP_H

#include <check.h>
#include <stdlib.h>

static inline int tap_run(const char *name, TCase *(*cases)(void))
{
    Suite *suite = suite_create(name);
    SRunner *runner;
    int failed;

    suite_add_tcase(suite, cases());
    runner = srunner_create(suite);
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
