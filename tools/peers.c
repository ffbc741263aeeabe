/*
 * pfswrap peers keygen, sign, verify: peers files that are signed in minisign's format. docs/KEYS.md explains them.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sodium.h>

#include "arguments.h"
#include "commands.h"
#include "message.h"
#include "peers_key.h"
#include "peers_text.h"
#include "seal/keyfile.h"
#include "seal/signed_peers.h"

static const char usage[] =
    "expected pfswrap peers keygen SECRET-FILE, peers sign --key SECRET-FILE [--serial NUMBER] "
    "FILE, or peers verify --signer PUBLIC-KEY FILE";

struct options {
    const char *key, *serial, *signer;
};

static int set(void *options, const char *name, const char *value)
{
    struct options *chosen = options;
    if (strcmp(name, "--key") == 0)
        chosen->key = value;
    else if (strcmp(name, "--serial") == 0)
        chosen->serial = value;
    else if (strcmp(name, "--signer") == 0)
        chosen->signer = value;
    else
        return 1;
    return 0;
}

static int keygen(const struct options *options, const char *path)
{
    struct peers_key key;
    (void)options;
    if (peers_key_make(&key, path) != 0)
        return 1;
    peers_key_print_public(&key);
    sodium_memzero(&key, sizeof key);
    return out_finish();
}

/* Parses a peers file. Returns the number of its keys, or -1 after a message. */
static ssize_t count_peers(const struct keyfile *file, const char *path)
{
    struct pfswrap_keys_error error;
    struct pfswrap_keyring *const keyring = pfswrap_keyring_new();
    ssize_t count = -1;
    if (keyring == NULL)
        message("not enough memory");
    else if (file->length > 0 && file->text[file->length - 1] != '\n')
        message("%s: the last line has no end, expected a whole file", path);
    else if (pfswrap_keyring_parse_peers(keyring, file->text, file->length, path, &error) != 0)
        message("%s", error.text);
    else
        count = (ssize_t)pfswrap_keyring_count_peers(keyring, NULL);
    pfswrap_keyring_free(keyring);
    return count;
}

/*
 * The serial number: that of --serial, or one more than the signature that is there says. It must be this key's,
 * but may be of an earlier content. Returns 0 after a message.
 */
static uint64_t next_serial(const struct options *options, const struct peers_key *key, const char *path)
{
    struct pfswrap_keys_error error;
    struct signature signature;
    struct signed_peers before;
    struct keyfile file;
    uint64_t serial = 0;
    if (options->serial != NULL) {
        serial = signed_peers_read_serial(options->serial, strlen(options->serial));
        if (serial == 0)
            message("--serial %.80s, expected a whole number from 1 to 2^63-1", options->serial);
        return serial;
    }
    struct stat status;
    if (stat(path, &status) != 0 && errno == ENOENT)
        return 1;
    if (keyfile_map(&file, path, FILE_SETTINGS, SIGNATURE_FILE_MAX, &error) != 0) {
        message("%s", error.text);
        return 0;
    }
    const struct signature_key own = peers_key_public(key);
    const int result = signature_parse(&signature, file.text, file.length, path, &error);
    if (result == 0 && signature_verify_comment(&signature, &own) &&
        signed_peers_read_comment(&before, signature.comment, path, &error) == 0 && before.serial < INT64_MAX)
        serial = before.serial + 1;
    else
        message("%s: not a signature of a peers file by this key, expected one, or --serial NUMBER", path);
    keyfile_unmap(&file);
    return serial;
}

static int sign_file(const struct options *options, const struct peers_key *key, const char *path)
{
    char signature_path[PATH_MAX], comment[SIGNATURE_COMMENT_BYTES], date[32];
    struct pfswrap_keys_error error;
    struct keyfile file;
    uint64_t serial = 0;
    ssize_t count;
    int result = -1;
    if ((size_t)snprintf(signature_path, sizeof signature_path, "%s" SIGNATURE_SUFFIX, path) >=
        sizeof signature_path) {
        message("%s: the path is too long", path);
        return 1;
    }
    if (keyfile_map(&file, path, FILE_SETTINGS, PEERS_FILE_MAX, &error) != 0) {
        message("%s", error.text);
        return 1;
    }
    count = count_peers(&file, path);
    if (count >= 0)
        serial = next_serial(options, key, signature_path);
    if (serial != 0) {
        peers_text_date(date, sizeof date, (int64_t)time(NULL));
        (void)snprintf(comment, sizeof comment, SIGNED_PEERS_WORDS "serial=%" PRIu64 " created=%s", serial, date);
        result = peers_key_sign(key, file.text, file.length, comment, signature_path);
    }
    keyfile_unmap(&file);
    if (result != 0)
        return 1;
    out("%s: serial %" PRIu64 ", %zd keys\n", signature_path, serial, count);
    return out_finish();
}

static int sign(const struct options *options, const char *path)
{
    struct peers_key key;
    if (options->key == NULL) {
        message("peers sign has no --key, %s", usage);
        return 2;
    }
    const int result = peers_key_read(&key, options->key) == 0 ? sign_file(options, &key, path) : 1;
    sodium_memzero(&key, sizeof key);
    return result;
}

static int verify(const struct options *options, const char *path)
{
    struct pfswrap_keys_error error;
    struct signature_key signer;
    struct signed_peers version;
    char text[PEERS_TEXT_BYTES];
    if (options->signer == NULL || signature_key_decode(&signer, options->signer, strlen(options->signer)) != 0) {
        message("peers verify --signer %.80s, expected a public key of minisign: %d characters that begin with RW",
                options->signer != NULL ? options->signer : "is missing", SIGNATURE_KEY_TEXT_BYTES - 1);
        return 2;
    }
    struct pfswrap_keyring *const keyring = pfswrap_keyring_new();
    const int result = keyring != NULL ? signed_peers_load(keyring, path, &signer, 1, &version, &error) : -1;
    if (result == 0)
        out("%s: %s, %zu keys\n", path, peers_text(text, &version), pfswrap_keyring_count_peers(keyring, NULL));
    else
        message("%s", keyring != NULL ? error.text : "not enough memory");
    pfswrap_keyring_free(keyring);
    return result == 0 ? out_finish() : 1;
}

int command_peers(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*call)(const struct options *options, const char *path);
    } calls[] = {{"keygen", keygen}, {"sign", sign}, {"verify", verify}};
    static const struct arguments_flag no_flags[] = {{NULL, NULL}};
    struct options options = {0};
    const struct arguments arguments = {
        .command = "peers", .usage = usage, .flags = no_flags, .options = &options, .set = set};
    if (argc < 2) {
        message("%s", usage);
        return 2;
    }
    const int first = arguments_read(argc - 1, argv + 1, &arguments);
    if (first < 0)
        return 2;
    if (sodium_init() < 0) {
        message("libsodium cannot be initialised");
        return 1;
    }
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        if (strcmp(argv[1], calls[i].name) == 0 && first + 1 == argc - 1)
            return calls[i].call(&options, argv[1 + first]);
    message("%s", usage);
    return 2;
}
