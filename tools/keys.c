/*
 * pfswrap genkey, pubkey, genpsk: keys for the seal protocol. Keys are read from standard input and written to
 * standard output in base64; no file is opened here. A preshared key is always random: one that a person can
 * remember could be guessed.
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

/* Initialises libsodium. Returns false after a message if it cannot. */
static bool start(const char *command)
{
    if (sodium_init() >= 0)
        return true;
    (void)fprintf(stderr, "pfswrap %s: libsodium cannot be initialised\n", command);
    return false;
}

static int print_random_key(const char *command)
{
    uint8_t key[PFSWRAP_KEY_BYTES];
    int status;

    pfswrap_key_generate(key);
    status = keyio_print_key(command, key, true);
    if (status == EXIT_SUCCESS)
        status = keyio_print_created(command);
    sodium_memzero(key, sizeof key);
    return status;
}

/* --- genkey --- */

static int genkey_usage(void)
{
    (void)fputs("usage: pfswrap genkey\n"
                "       pfswrap genkey --password --user NAME --server PUBLIC-KEY\n",
                stderr);
    return EXIT_FAILURE;
}

/*
 * Reads the password: from a terminal twice, because a typing mistake would be noticed only when the key is used.
 * Returns 0, or -1 after a message.
 */
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
                      "pfswrap genkey: --server: expected a public key of %d characters in base64, found \"%s\"\n",
                      PFSWRAP_KEY_TEXT_BYTES - 1, server);
        return EXIT_FAILURE;
    }
    if (read_password(password) == 0) {
        if (pfswrap_key_from_password(secret, password, strlen(password), user, server_public) == 0) {
            status = keyio_print_key("genkey", secret, true);
        } else {
            (void)fprintf(stderr,
                          "pfswrap genkey: cannot make a key for \"%s\": expected a name of 1 to %d characters "
                          "from A-Z a-z 0-9 . _ - @, and 256 MiB of memory\n",
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
    bool password = false;
    int option;

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
            return genkey_usage();
        }
    }
    if (optind != argc || password != (user != NULL) || password != (server != NULL))
        return genkey_usage();
    if (!start("genkey"))
        return EXIT_FAILURE;
    return password ? print_key_from_password(user, server) : print_random_key("genkey");
}

/* --- pubkey --- */

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
    if (!start("pubkey"))
        return EXIT_FAILURE;
    if (keyio_read_line("Secret key: ", true, text, sizeof text) == 0) {
        if (pfswrap_key_decode(secret, text, strlen(text)) == 0) {
            pfswrap_key_derive_public(public_key, secret);
            status = keyio_print_key("pubkey", public_key, false);
        } else {
            (void)fprintf(stderr,
                          "pfswrap pubkey: stdin: expected a secret key of %d characters in base64, found %zu "
                          "characters that are not a key\n",
                          PFSWRAP_KEY_TEXT_BYTES - 1, strlen(text));
        }
    }
    sodium_memzero(secret, sizeof secret);
    sodium_memzero(text, sizeof text);
    return status;
}

/* --- genpsk --- */

int command_genpsk(int argc, char **argv)
{
    (void)argv;
    if (argc != 1) {
        (void)fputs("usage: pfswrap genpsk\n", stderr);
        return EXIT_FAILURE;
    }
    return start("genpsk") ? print_random_key("genpsk") : EXIT_FAILURE;
}
