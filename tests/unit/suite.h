/*
 * main() of a unit test with one suite. Check's own limit of four seconds a case is too little for a sanitizer's
 * build on a busy machine; a case that hangs still fails.
 */
#ifndef PFSWRAP_TESTS_SUITE_H
#define PFSWRAP_TESTS_SUITE_H

#include <check.h>
#include <stdlib.h>

enum { CASE_SECONDS = 120 }; /* the limit of a case */

/*
 * Adds a test, `first` to `last` - 1 times. With PFSWRAP_TEST_CASE set, only if its name contains that word; with
 * PFSWRAP_TEST_WITHOUT set, only if that file has no reason to leave it out.
 */
void suite_add(TCase *cases, const TTest *test, int first, int last);

#undef tcase_add_test
#define tcase_add_test(cases, test) suite_add((cases), (test), 0, 1)
#undef tcase_add_loop_test
#define tcase_add_loop_test(cases, test, first, last) suite_add((cases), (test), (first), (last))

/* Runs the cases and prints TAP on standard output. Returns main()'s exit status: nonzero if a case failed. */
int run_suite(TCase *cases, const char *name);

#endif
