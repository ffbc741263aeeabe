/*
 * main() of a unit test with one suite. Check's own limit of four seconds a case is too little for a sanitizer's
 * build on a busy machine; a case that hangs still fails.
 */
#ifndef PFSWRAP_TESTS_SUITE_H
#define PFSWRAP_TESTS_SUITE_H

#include <check.h>
#include <stdlib.h>

enum { CASE_SECONDS = 120 }; /* the limit of a case */

/* Runs the cases and prints TAP on standard output. Returns main()'s exit status: nonzero if a case failed. */
int run_suite(TCase *cases, const char *name);

#endif
