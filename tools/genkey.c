/*
 * pfswrap genkey: a secret key on stdout, random, or made from a password read on stdin. May call the key functions
 * of shim/seal; knows no policy and opens no file.
 */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include <pfswrap/keys.h>

#include "commands.h"
#include "keyio.h"

enum { PASSWORD_MAX = 1024 };

static int usage(void)
{
    (void)fputs("usage: pfswrap genkey\n"
                "       pfswrap genkey --password --user NAME --server PUBLIC-KEY\n",
                stderr);
    return EXIT_FAILURE;
}

/* Twice from a terminal, since nothing else would tell of a slip until the key is used. Once from anything else. */
static int read_password(char password[PASSWORD_MAX])
{
    char again[PASSWORD_MAX] = {0};
    int result = -1;

    if (keyio_read_line("Password: ", false, password, PASSWORD_MAX) != 0)
        return -1;
    if (password[0] == '\0') {
        (void)fputs("pfswrap genkey: the password is empty\n", stderr);
    } else if (!keyio_stdin_is_terminal()) {
        result = 0;
    } else if (keyio_read_line("Again: ", false, again, sizeof again) == 0) {
        result = strcmp(password, again) == 0 ? 0 : -1;
        if (result != 0)
            (void)fputs("pfswrap genkey: the two passwords differ\n", stderr);
    }
    sodium_memzero(again, sizeof again);
    return result;
}

static int print_key_from_password(const char *user, const char *server)
{
    uint8_t secret[PFSWRAP_KEY_BYTES], server_public[PFSWRAP_KEY_BYTES];
    char password[PASSWORD_MAX] = {0};
    int status = EXIT_FAILURE;

    if (pfswrap_key_decode(server_public, server, strlen(server)) != 0) {
        (void)fprintf(stderr,
                      "pfswrap genkey: --server: expected a public key as %d characters of base64, found \"%s\"\n",
                      PFSWRAP_KEY_TEXT_BYTES - 1, server);
        return EXIT_FAILURE;
    }
    if (read_password(password) == 0) {
        if (pfswrap_key_from_password(secret, password, strlen(password), user, server_public) == 0) {
            status = keyio_print_key("genkey", secret, true);
        } else {
            (void)fprintf(
                stderr,
                "pfswrap genkey: no key for \"%s\": expected a name of 1 to %d characters of A-Z a-z 0-9 . _ - @, "
                "and 256 MiB of memory\n",
                user, PFSWRAP_NAME_BYTES - 1);
        }
    }
    sodium_memzero(password, sizeof password);
    sodium_memzero(secret, sizeof secret);
    return status;
}

int command_genkey(int argc, char **argv)
{
    static const struct option options[] = {{"password", no_argument, NULL, 'p'},
                                            {"user", required_argument, NULL, 'u'},
                                            {"server", required_argument, NULL, 's'},
                                            {NULL, 0, NULL, 0}};
    const char *user = NULL, *server = NULL;
    uint8_t secret[PFSWRAP_KEY_BYTES];
    bool password = false;
    int option, status;

    optind = 1;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'p':
            password = true;
            break;
        case 'u':
            user = optarg;
            break;
        case 's':
            server = optarg;
            break;
        default:
            return usage();
        }
    }
    if (optind != argc || password != (user != NULL) || password != (server != NULL))
        return usage();
    if (sodium_init() < 0) {
        (void)fputs("pfswrap genkey: libsodium could not be started\n", stderr);
        return EXIT_FAILURE;
    }
    if (password)
        return print_key_from_password(user, server);
    pfswrap_key_generate(secret);
    status = keyio_print_key("genkey", secret, true);
    sodium_memzero(secret, sizeof secret);
    return status;
}
