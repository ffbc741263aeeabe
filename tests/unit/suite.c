#include "suite.h"

#include <string.h>

void suite_add(TCase *cases, const TTest *test, int first, int last)
{
    const char *wanted = getenv("PFSWRAP_TEST_CASE");
    if (wanted == NULL || strstr(test->name, wanted) != NULL)
        _tcase_add_test(cases, test, 0, 0, first, last);
}

int run_suite(TCase *cases, const char *name)
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
