/*
 * Random bytes that count upwards, for connections that can be made again byte for byte. Test code: such random
 * bytes have no other use.
 */
#ifndef PFSWRAP_TESTS_COUNTING_H
#define PFSWRAP_TESTS_COUNTING_H

#include <stddef.h>
#include <stdint.h>

/* From now on, libsodium's random bytes count upwards from `first`. To be called after sodium_init(). */
void counting_start(uint8_t first);

/* Ends the program with one line if `condition` is false. */
void must(int condition, const char *what);

/* Fills `bytes` with numbers that count upwards from `first`. */
void count_up(uint8_t *bytes, size_t size, uint8_t first);

#endif
