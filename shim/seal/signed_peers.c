/* See signed_peers.h. */
#include "seal/signed_peers.h"

#include <stdio.h>
#include <string.h>

#include "seal/keyfile.h"
#include "seal/keyring.h"

enum { TRIES = 5 }; /* while the two files change */

uint64_t signed_peers_read_serial(const char *text, size_t length)
{
    uint64_t number = 0;

    if (length == 0 || length > 19 || text[0] == '0')
        return 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return 0;
        number = number * 10 + (uint64_t)(text[i] - '0');
    }
    return number <= INT64_MAX ? number : 0;
}

/* If `word` is KEY=VALUE with this key, returns the value. */
static const char *value_of(const char *word, const char *key, size_t length)
{
    const size_t prefix = strlen(key);

    return length >= prefix && memcmp(word, key, prefix) == 0 ? word + prefix : NULL;
}

/* Takes one word. Returns 0, or -1: it is not known, not valid, or there twice. */
static int read_word(struct signed_peers *version, const char *word, size_t length)
{
    const char *const serial = value_of(word, "serial=", length), *const created =
                                                                      value_of(word, "created=", length);
    const char *const end = word + length;

    if (serial != NULL && version->serial == 0) {
        version->serial = signed_peers_read_serial(serial, (size_t)(end - serial));
        return version->serial != 0 ? 0 : -1;
    }
    if (created != NULL && version->created == 0) {
        version->created = keyring_read_date(created, (size_t)(end - created));
        return version->created > 0 ? 0 : -1;
    }
    return -1;
}

int signed_peers_read_comment(struct signed_peers *version, const char *comment, const char *path,
                              struct pfswrap_keys_error *error)
{
    const size_t prefix = sizeof SIGNED_PEERS_WORDS - 1;
    int result = strncmp(comment, SIGNED_PEERS_WORDS, prefix) == 0 ? 0 : -1;

    *version = (struct signed_peers){0};
    for (const char *word = comment + (result == 0 ? prefix : 0); result == 0 && *word != '\0';) {
        const size_t length = strcspn(word, " ");

        result = read_word(version, word, length);
        word += length + (word[length] == ' ');
    }
    if (result == 0 && version->serial != 0)
        return 0;
    keys_error_set(error,
                   "%.400s:3: expected trusted comment: " SIGNED_PEERS_WORDS
                   "serial=NUMBER [created=YYYY-MM-DDThh:mm:ssZ]",
                   path);
    return -1;
}

/* Verifies what was read. Returns 0 with *version filled, or -1 with *error filled. */
static int verify(const char *path, const struct signature_key *keys, size_t count, const struct keyfile *peers,
                  const struct keyfile *file, struct signed_peers *version, struct pfswrap_keys_error *error)
{
    uint8_t hash[SIGNATURE_HASH_BYTES];
    struct signature signature;
    int signer;

    if (signature_parse(&signature, file->text, file->length, path, error) != 0)
        return -1;
    signer = signature_verify(&signature, keys, count, peers->text, peers->length, path, error);
    if (signer < 0 || signed_peers_read_comment(version, signature.comment, path, error) != 0)
        return -1;
    signature_hash(hash, peers->text, peers->length);
    memcpy(version->digest, hash, sizeof version->digest);
    version->signer = keys[signer];
    return 0;
}

/* Whether the peers file was replaced while the two files were read: then they may not belong together. */
static bool has_changed(const struct keyfile *peers, const char *path)
{
    struct stat now;

    return stat(path, &now) == 0 &&
           (now.st_dev != peers->status.st_dev || now.st_ino != peers->status.st_ino ||
            now.st_size != peers->status.st_size || now.st_mtim.tv_sec != peers->status.st_mtim.tv_sec ||
            now.st_mtim.tv_nsec != peers->status.st_mtim.tv_nsec);
}

/* Reads both files once. Returns 0; -1 with *error filled; or 1: they may not belong together. */
static int load_once(struct pfswrap_keyring *keyring, const char *path, const char *signature_path,
                     const struct signature_key *keys, size_t count, struct signed_peers *version,
                     struct pfswrap_keys_error *error)
{
    struct keyfile peers, file;
    int result = -1;

    if (keyfile_map(&peers, path, FILE_SETTINGS, PEERS_FILE_MAX, error) != 0)
        return -1;
    if (keyfile_map(&file, signature_path, FILE_SETTINGS, SIGNATURE_FILE_MAX, error) == 0) {
        result = verify(signature_path, keys, count, &peers, &file, version, error);
        keyfile_unmap(&file);
    }
    if (result != 0 && has_changed(&peers, path))
        result = 1;
    if (result == 0)
        result = pfswrap_keyring_parse_peers(keyring, peers.text, peers.length, path, error);
    keyfile_unmap(&peers);
    return result;
}

int signed_peers_load(struct pfswrap_keyring *keyring, const char *path, const struct signature_key *keys,
                      size_t count, struct signed_peers *version, struct pfswrap_keys_error *error)
{
    char signature_path[SIGNED_PEERS_PATH_MAX];
    const int length = snprintf(signature_path, sizeof signature_path, "%s" SIGNATURE_SUFFIX, path);
    int result = 1;

    if (length < 0 || (size_t)length >= sizeof signature_path) {
        keys_error_set(error, "%.400s: the path is too long for a signature beside it", path);
        return -1;
    }
    for (int i = 0; i < TRIES && result > 0; i++)
        result = load_once(keyring, path, signature_path, keys, count, version, error);
    return result == 0 ? 0 : -1;
}
