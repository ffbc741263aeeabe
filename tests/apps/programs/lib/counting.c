/*
 * libsodium's random bytes are replaced by a counter. See counting.h.
 */
#include "counting.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <sodium.h>

static uint8_t next_random;

static const char *counting_name(void)
{
    return "counting";
}

static uint32_t counting_random(void)
{
    abort(); /* the channel asks for buffers only */
}

static void counting_buffer(void *const buffer, const size_t size)
{
    count_up(buffer, size, next_random);
    next_random = (uint8_t)(next_random + size);
}

void counting_start(uint8_t first)
{
    static randombytes_implementation counting = {
        .implementation_name = counting_name, .random = counting_random, .buf = counting_buffer};

    next_random = first;
    must(randombytes_set_implementation(&counting) == 0, "random bytes");
}

void must(int condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "%s: %s\n", program_invocation_short_name, what);
        exit(EXIT_FAILURE);
    }
}

void count_up(uint8_t *bytes, size_t size, uint8_t first)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(first + i);
}

void end_make(struct end *end, uint8_t first)
{
    count_up(end->secret, sizeof end->secret, first);
    end->keyring = pfswrap_keyring_new();
    must(end->keyring != NULL && pfswrap_keyring_add_identity(end->keyring, end->secret) == 0, "no keyring");
    pfswrap_key_derive_public(end->public_key, end->secret);
    end->config = (struct pfswrap_seal_config){.keyring = end->keyring};
}
