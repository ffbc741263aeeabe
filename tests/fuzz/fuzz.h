/*
 * What the fuzz targets share: keyrings that are the same in every run, random numbers that are not random, and the
 * guarantees that every result of open() must keep. Test code only: nothing here may be linked into anything else.
 */
#ifndef PFSWRAP_TESTS_FUZZ_H
#define PFSWRAP_TESTS_FUZZ_H

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pfswrap/seal.h>

#include "seal/channel.h"

#define FUZZ_CHECK(condition)                                                                                      \
    do {                                                                                                           \
        if (!(condition)) {                                                                                        \
            (void)fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);                    \
            abort();                                                                                               \
        }                                                                                                          \
    } while (0)

enum { FUZZ_NOW = 1800000000 }; /* seconds since 1970 */

struct fuzz_end {
    struct pfswrap_keyring *keyring;
    struct pfswrap_seal_config config;
    uint8_t secret[32], public_key[32];
};

extern struct fuzz_end fuzz_client, fuzz_server;
extern const char *const fuzz_names[1]; /* the peers that fuzz_client may reach */
extern uint64_t fuzz_state;             /* of the random numbers; a target sets it before each input */

/* To be called once: makes the ends' keys, with a preshared key if `psk`, and replaces libsodium's random numbers.
 */
void fuzz_start(bool psk);

/*
 * Calls open() once, in a buffer of exactly the bytes that it may read, and checks the guarantees of its result.
 * Returns the event, or the negative error.
 */
int fuzz_open(struct pfswrap_seal *channel, const struct pfswrap_seal_config *config, const uint8_t *in,
              size_t available, struct pfswrap_seal_opened *opened);

#endif
