#include "histogram.h"

#include <stddef.h>
#include <stdio.h>

/* Values below HISTOGRAM_STEPS have a step each; above, each power of two has HISTOGRAM_STEPS of them. */
static size_t step_of(uint64_t value)
{
    if (value < HISTOGRAM_STEPS)
        return (size_t)value;
    const unsigned power = 63U - (unsigned)__builtin_clzll(value);
    const size_t step = (size_t)(power - HISTOGRAM_BITS + 1) * HISTOGRAM_STEPS +
                        ((value >> (power - HISTOGRAM_BITS)) & (HISTOGRAM_STEPS - 1));
    const size_t last = HISTOGRAM_POWERS * HISTOGRAM_STEPS - 1;
    return step < last ? step : last;
}

static uint64_t step_value(size_t step)
{
    const size_t power = step / HISTOGRAM_STEPS;
    return power == 0 ? step : (uint64_t)(HISTOGRAM_STEPS + step % HISTOGRAM_STEPS) << (power - 1);
}

void histogram_add(struct histogram *histogram, double seconds)
{
    histogram->counts[step_of((uint64_t)(seconds * 1e9))]++;
}

void histogram_print(const struct histogram *histogram)
{
    for (size_t step = 0; step < HISTOGRAM_POWERS * HISTOGRAM_STEPS; step++)
        if (histogram->counts[step] > 0)
            printf("%llu %llu\n", (unsigned long long)step_value(step),
                   (unsigned long long)histogram->counts[step]);
}
