/*
 * A peer that holds the keys and breaks the rules: it encrypts frames with any type, tag and content by the stream
 * of a channel, without the channel's code. Each test begins with an open pair.
 */
#ifndef PFSWRAP_TESTS_SEAL_FORGE_H
#define PFSWRAP_TESTS_SEAL_FORGE_H

#include "pair.h"

#include "seal/channel.h"

enum { MESSAGE = 0, PUSH = 1, REKEY = 2, FINAL = 3 }; /* tags of libsodium's secretstream */

extern struct pair *pair;
extern struct wire wire;

/* Fixtures of a case. A test may also call setup() to continue with a new pair. */
void setup(void);
void teardown(void);

/* Opens `length` bytes at `to`, and restores its channel. Returns 0 or the error. */
int try_open(struct end *to, const uint8_t *bytes, size_t length);

/* Writes a frame with any type, tag and content, in the stream of `from`, to `out`. Returns its size, length + 21.
 */
size_t forge(struct end *from, uint8_t type, uint8_t tag, const void *data, size_t length, uint8_t *out);

/* Appends such a frame with a text of at most 43 bytes to `wire`. */
void append_forged(struct end *from, uint8_t tag, const char *data);

/* Forges a frame of `from` and opens it at `to`, as try_open() does. */
int try_forged(struct end *from, struct end *to, uint8_t type, uint8_t tag, const void *data, size_t length);

#endif
