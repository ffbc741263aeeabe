/*
 * A search for secrets in memory. A job runs on a stack of its own, which is searched from end to end. The copy of
 * a secret is XORed meanwhile, so that the search cannot find itself.
 */
#ifndef PFSWRAP_TESTS_SEAL_SEARCH_H
#define PFSWRAP_TESTS_SEAL_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STACK_BYTES = 1 << 20 };

/* A key that the search does not find, since it is XORed. */
struct secret {
    uint8_t masked[64];
    size_t length;
};
void remember(struct secret *secret, const uint8_t *key, size_t length);

/* Whether any 16-byte piece of the secret, at an 8-byte step, lies anywhere in the segment. */
bool finds(const struct secret *secret, const void *segment, size_t size);

/* Runs `job` on a new stack of STACK_BYTES, and leaves `stack` to be searched. */
extern uint8_t *stack;
void run_on_own_stack(void *(*job)(void *), void *argument);

#endif
