/*
 * A histogram of times in nanoseconds. A step is a 64th of a power of two wide, so that values are right to 1.6
 * percent; the benchmarks merge the histograms of several rounds.
 */
#ifndef PFSWRAP_TESTS_HISTOGRAM_H
#define PFSWRAP_TESTS_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_BITS = 6, HISTOGRAM_STEPS = 1 << HISTOGRAM_BITS, HISTOGRAM_POWERS = 40 };

struct histogram {
    uint64_t counts[HISTOGRAM_POWERS * HISTOGRAM_STEPS];
};

/* Counts a time in seconds. */
void histogram_add(struct histogram *histogram, double seconds);

/* Prints a line `NANOSECONDS COUNT` for each step that is used. */
void histogram_print(const struct histogram *histogram);

#endif
