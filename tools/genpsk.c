/*
 * pfswrap genpsk: a random preshared key on stdout. There is no way to choose one: a psk that a person can remember
 * is one that others can guess.
 */
#include <stdio.h>
#include <stdlib.h>

#include <sodium.h>

#include <pfswrap/keys.h>

#include "commands.h"
#include "keyio.h"

int command_genpsk(int argc, char **argv)
{
    uint8_t psk[PFSWRAP_KEY_BYTES];
    int status;

    (void)argv;
    if (argc != 1) {
        (void)fputs("usage: pfswrap genpsk\n", stderr);
        return EXIT_FAILURE;
    }
    if (sodium_init() < 0) {
        (void)fputs("pfswrap genpsk: libsodium could not be started\n", stderr);
        return EXIT_FAILURE;
    }
    pfswrap_key_generate(psk);
    status = keyio_print_key("genpsk", psk, true);
    sodium_memzero(psk, sizeof psk);
    return status;
}
