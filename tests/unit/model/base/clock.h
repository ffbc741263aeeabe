/*
 * The clock of the sources that the model runs: the test answers it.
 */
#ifndef PFSWRAP_BASE_CLOCK_H
#define PFSWRAP_BASE_CLOCK_H

#include <stdint.h>

uint64_t clock_ms(void);

#endif
