/*
 * Numbers, words and planes for the tests of the table of descriptors. Each test lists the three planes in
 * `planes`: the first takes numbers over, the other two have records.
 */
#ifndef PFSWRAP_TESTS_FD_NUMBERS_H
#define PFSWRAP_TESTS_FD_NUMBERS_H

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/process.h"
#include "fd/change.h"
#include "fd/plane.h"

enum { NUMBER = 100, OTHER = 101, GENERATION = 7, RECORD = 3 };

/* `records_too` has a number closed behind its back when it is asked whether its record is current. */
extern const struct plane takes_over, records, records_too;

/* What the first two planes were last told to drop, and how often. */
extern int dropped_fd, dropped_count;
extern uint64_t dropped_word;

/* The word of a sealed number, and of a number that has a record of the plane `records`. */
uint64_t sealed(uint32_t generation);
uint64_t recorded(uint32_t record);

/* New descriptors: /dev/null, and a TCP socket. */
int open_null(void);
int open_socket(void);

bool is_open(int fd);

/* The fixture of each case. */
void start_process(void);

#endif
