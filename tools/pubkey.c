/*
 * pfswrap pubkey: the public key, on stdout, of the secret key that is read on stdin. Opens no file: the shell
 * does.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include <pfswrap/keys.h>

#include "commands.h"
#include "keyio.h"

int command_pubkey(int argc, char **argv)
{
    uint8_t secret[PFSWRAP_KEY_BYTES], public_key[PFSWRAP_KEY_BYTES];
    char text[256] = {0};
    int status = EXIT_FAILURE;

    (void)argv;
    if (argc != 1) {
        (void)fputs("usage: pfswrap pubkey < SECRET-KEY-FILE\n", stderr);
        return EXIT_FAILURE;
    }
    if (sodium_init() < 0) {
        (void)fputs("pfswrap pubkey: libsodium could not be started\n", stderr);
        return EXIT_FAILURE;
    }
    if (keyio_read_line("Secret key: ", true, text, sizeof text) == 0) {
        if (pfswrap_key_decode(secret, text, strlen(text)) == 0) {
            pfswrap_key_derive_public(public_key, secret);
            status = keyio_print_key("pubkey", public_key, false);
        } else {
            (void)fprintf(stderr,
                          "pfswrap pubkey: stdin: expected a secret key as %d characters of base64, found %zu\n",
                          PFSWRAP_KEY_TEXT_BYTES - 1, strlen(text));
        }
    }
    sodium_memzero(secret, sizeof secret);
    sodium_memzero(text, sizeof text);
    return status;
}
