/*
 * Random bytes and keys that count upwards, for connections that can be made again byte for byte. Test code: such
 * random bytes have no other use.
 */
#ifndef PFSWRAP_TESTS_COUNTING_H
#define PFSWRAP_TESTS_COUNTING_H

#include <stddef.h>
#include <stdint.h>

#include <pfswrap/seal.h>

/* From now on, libsodium's random bytes count upwards from `first`. To be called after sodium_init(). */
void counting_start(uint8_t first);

/* Ends the program with one line if `condition` is false. */
void must(int condition, const char *what);

/* Fills `bytes` with numbers that count upwards from `first`. */
void count_up(uint8_t *bytes, size_t size, uint8_t first);

/* One end of a connection. */
struct end {
    const char *name;
    struct pfswrap_seal channel;
    struct pfswrap_seal_config config;
    struct pfswrap_keyring *keyring;
    uint8_t secret[32], public_key[32];
};

/*
 * Makes the keyring of an end, whose secret key counts upwards from `first`, with a configuration that has nothing
 * else. The keyring is to be freed with pfswrap_keyring_free().
 */
void end_make(struct end *end, uint8_t first);

#endif
