/*
 * A clock that a test sets forward: time(2) of everything in the test's program is the kernel's Unix time and
 * `clock_ahead`. Only programs that use the variable have this clock.
 */
#ifndef PFSWRAP_TESTS_CLOCK_H
#define PFSWRAP_TESTS_CLOCK_H

#include <time.h>

extern time_t clock_ahead; /* in seconds */

#endif
