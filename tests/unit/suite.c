#include "suite.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/*
 * Whether the file that $PFSWRAP_TEST_WITHOUT names has a line `NAME: REASON` for this case: an emulator lacks what
 * the case needs (tests/emulated/). Prints the reason.
 */
static bool is_left_out(const char *name)
{
    const char *path = getenv("PFSWRAP_TEST_WITHOUT");
    FILE *list = path != NULL ? fopen(path, "r") : NULL;
    const size_t length = strlen(name);
    char line[300];
    bool found = false;
    while (list != NULL && !found && fgets(line, sizeof line, list) != NULL)
        found = strncmp(line, name, length) == 0 && line[length] == ':';
    if (found)
        (void)printf("# not run: %s", line);
    if (list != NULL)
        (void)fclose(list);
    return found;
}

void suite_add(TCase *cases, const TTest *test, int first, int last)
{
    const char *wanted = getenv("PFSWRAP_TEST_CASE");
    if ((wanted == NULL || strstr(test->name, wanted) != NULL) && !is_left_out(test->name))
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
