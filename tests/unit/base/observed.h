/*
 * Processes whose forks are observed: three observers of the fork, of which two write down what they are notified
 * of. A test lists them in `process_observers`.
 */
#ifndef PFSWRAP_TESTS_BASE_OBSERVED_H
#define PFSWRAP_TESTS_BASE_OBSERVED_H

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fork.h"
#include "base/process.h"

enum { NOTES = 200 };

extern const struct process_observer first, indifferent, second;

/* Of this thread: what the observers were notified of, a letter each: capitals are the second observer's. */
extern __thread char notes[NOTES];
extern __thread enum process_fork noted_kind;
extern __thread void (*during_before)(void); /* called once, in the midst of a fork's beginning */

/* The notes so far, which begin anew. */
void expect_notes(const char *expected);

/* Whether all is true that the shim says about the process that runs. */
bool knows_itself(void);

/* Ends a child. ThreadSanitizer's _exit() would wait for threads that are not there. */
_Noreturn void leave(int status);

/* In a child: ends it, and says which line found something wrong. */
#define CHILD_EXPECT(condition)                                                                                    \
    do {                                                                                                           \
        if (!(condition)) {                                                                                        \
            (void)fprintf(stderr, "line %d: not true in the child: %s (notes %s)\n", __LINE__, #condition, notes); \
            leave(1);                                                                                              \
        }                                                                                                          \
    } while (0)

/* Waits for the end of a child that must have the exit status 0. */
void expect_success(pid_t child);

/* The fixture of each case. */
void start_process_once(void);

#endif
