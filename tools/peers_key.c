/*
 * A secret key of minisign: two letters each for the algorithm of the signature, of the password's hash and of the
 * checksum, the salt and limits of the hash, and the key, masked with the hash. Without a password, the letters of
 * its hash are zero bytes. See peers_key.h.
 */
#include "peers_key.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "keyio.h"
#include "message.h"
#include "seal/keyfile.h"

enum { PASSWORD_MAX = 1024, CHECKSUM_BYTES = 32, FILE_BYTES = 1024 };

#define MEMORY_MAX (UINT64_C(4) << 30) /* bytes that a password's hash may need */

struct masked_key {
    struct peers_key key;
    uint8_t checksum[CHECKSUM_BYTES]; /* BLAKE2b-256 of the signature's algorithm and the key */
};

struct encoded_key {
    char algorithm[2], hash[2], check[2];
    uint8_t salt[crypto_pwhash_scryptsalsa208sha256_SALTBYTES];
    uint8_t operations[8], memory[8]; /* limits of the hash, the least byte first */
    struct masked_key masked;
};
_Static_assert(sizeof(struct encoded_key) == 158, "there is no padding");

enum {
    TEXT_BYTES = sodium_base64_ENCODED_LEN(sizeof(struct encoded_key), sodium_base64_VARIANT_ORIGINAL),
};

static void checksum(uint8_t sum[CHECKSUM_BYTES], const struct encoded_key *encoded)
{
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, CHECKSUM_BYTES);
    crypto_generichash_update(&state, (const uint8_t *)encoded->algorithm, sizeof encoded->algorithm);
    crypto_generichash_update(&state, (const uint8_t *)&encoded->masked.key, sizeof encoded->masked.key);
    crypto_generichash_final(&state, sum, CHECKSUM_BYTES);
    sodium_memzero(&state, sizeof state);
}

/* Writes all of it to the file, and it is on the disk then. Returns 0, or -1 with errno. */
static int write_file(int fd, const char *text, size_t length)
{
    size_t done = 0;
    while (done < length) {
        const ssize_t n = write(fd, text + done, length - done);
        if (n < 0 && errno != EINTR)
            return -1;
        done += n > 0 ? (size_t)n : 0;
    }
    return fsync(fd);
}

struct signature_key peers_key_public(const struct peers_key *key)
{
    struct signature_key public_key;
    memcpy(public_key.id, key->id, sizeof public_key.id);
    memcpy(public_key.public_key, key->secret + crypto_sign_SEEDBYTES, sizeof public_key.public_key);
    return public_key;
}

void peers_key_print_public(const struct peers_key *key)
{
    const struct signature_key public_key = peers_key_public(key);
    char text[SIGNATURE_KEY_TEXT_BYTES];
    signature_key_encode(text, &public_key);
    out("untrusted comment: minisign public key %016" PRIX64 "\n%s\n", signature_id_number(key->id), text);
}

int peers_key_make(struct peers_key *key, const char *path)
{
    struct encoded_key encoded = {.algorithm = {'E', 'd'}, .check = {'B', '2'}};
    char base64[TEXT_BYTES], text[FILE_BYTES];
    uint8_t public_key[crypto_sign_PUBLICKEYBYTES];
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int result = -1;
    if (fd >= 0) {
        randombytes_buf(key->id, sizeof key->id);
        crypto_sign_keypair(public_key, key->secret);
        encoded.masked.key = *key;
        checksum(encoded.masked.checksum, &encoded);
        sodium_bin2base64(base64, sizeof base64, (const uint8_t *)&encoded, sizeof encoded,
                          sodium_base64_VARIANT_ORIGINAL);
        const int length = snprintf(text, sizeof text,
                                    "untrusted comment: minisign secret key of pfswrap peers keygen\n%s\n", base64);
        result = write_file(fd, text, (size_t)length);
    }
    if (result != 0)
        message("%s: %s", path, strerror(errno));
    if (fd >= 0)
        (void)close(fd);
    sodium_memzero(&encoded, sizeof encoded);
    sodium_memzero(base64, sizeof base64);
    sodium_memzero(text, sizeof text);
    return result;
}

/* Unmasks the key with a password. Returns 0, or -1 after a message. */
static int unmask(struct encoded_key *encoded, const char *path)
{
    char password[PASSWORD_MAX] = {0};
    uint8_t mask[sizeof encoded->masked];
    uint64_t operations, memory;
    int result = -1;
    memcpy(&operations, encoded->operations, sizeof operations);
    memcpy(&memory, encoded->memory, sizeof memory);
    if (le64toh(memory) > MEMORY_MAX) {
        message("%s:2: the hash of the password needs %" PRIu64 " bytes, expected at most %" PRIu64, path,
                le64toh(memory), MEMORY_MAX);
        return -1;
    }
    if (keyio_read_line("Password of the signing key: ", false, password, sizeof password) != 0)
        return -1;
    if (crypto_pwhash_scryptsalsa208sha256(mask, sizeof mask, password, strlen(password), encoded->salt,
                                           le64toh(operations), (size_t)le64toh(memory)) == 0) {
        uint8_t *bytes = (uint8_t *)&encoded->masked;
        for (size_t i = 0; i < sizeof mask; i++)
            bytes[i] ^= mask[i];
        result = 0;
    } else {
        message("%s: not enough memory for the hash of the password", path);
    }
    sodium_memzero(mask, sizeof mask);
    sodium_memzero(password, sizeof password);
    return result;
}

/* Takes the key out of its base64, which is the second line. Returns 0, or -1 after a message. */
static int decode(struct peers_key *key, const struct keyfile *file, const char *path)
{
    struct encoded_key encoded;
    uint8_t sum[CHECKSUM_BYTES];
    size_t decoded = 0;
    const char *const newline = memchr(file->text, '\n', file->length), *line = newline != NULL ? newline + 1 : "";
    const size_t length = strcspn(line, "\r\n");
    int result = sodium_base642bin((uint8_t *)&encoded, sizeof encoded, line, length, NULL, &decoded, NULL,
                                   sodium_base64_VARIANT_ORIGINAL);
    const bool has_password = result == 0 && memcmp(encoded.hash, "Sc", 2) == 0;
    if (result != 0 || decoded != sizeof encoded || memcmp(encoded.algorithm, "Ed", 2) != 0 ||
        memcmp(encoded.check, "B2", 2) != 0 || (!has_password && memcmp(encoded.hash, "\0\0", 2) != 0)) {
        message("%s:2: expected a secret key of minisign, %d characters in base64", path, TEXT_BYTES - 1);
        result = -1;
    }
    if (result == 0 && has_password)
        result = unmask(&encoded, path);
    if (result == 0) {
        checksum(sum, &encoded);
        result = sodium_memcmp(sum, encoded.masked.checksum, sizeof sum);
        if (!has_password && sodium_is_zero(encoded.masked.checksum, sizeof sum))
            result = 0; /* minisign -W writes none */
        if (result != 0)
            message(has_password ? "%s: wrong password" : "%s:2: the key is damaged: its checksum is another one",
                    path);
    }
    if (result == 0)
        *key = encoded.masked.key;
    sodium_memzero(&encoded, sizeof encoded);
    return result;
}

int peers_key_read(struct peers_key *key, const char *path)
{
    struct pfswrap_keys_error error;
    struct keyfile file;
    if (keyfile_map(&file, path, FILE_SECRET, FILE_BYTES, &error) != 0) {
        message("%s", error.text);
        return -1;
    }
    const int result = decode(key, &file, path);
    keyfile_unmap(&file);
    return result;
}

/* Puts a new file in place of the one that is there, whole. Returns 0, or -1 after a message. */
static int replace_file(const char *path, const char *text, size_t length)
{
    char temporary[SIGNATURE_FILE_MAX + 4096];
    const int size = snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
    const int fd = size < (int)sizeof temporary ? mkstemp(temporary) : -1;
    int result = fd >= 0 && fchmod(fd, 0644) == 0 ? write_file(fd, text, length) : -1;
    if (fd >= 0)
        (void)close(fd);
    if (result == 0)
        result = rename(temporary, path);
    if (result != 0) {
        message("%s: %s", path, strerror(errno));
        if (fd >= 0)
            (void)unlink(temporary);
    }
    return result;
}

int peers_key_sign(const struct peers_key *key, const void *content, size_t length, const char *comment,
                   const char *path)
{
    struct {
        char algorithm[2];
        uint8_t id[SIGNATURE_ID_BYTES], signature[SIGNATURE_BYTES];
    } first = {.algorithm = {'E', 'D'}};
    char first_text[101], second_text[89], text[SIGNATURE_FILE_MAX];
    uint8_t hash[SIGNATURE_HASH_BYTES], second[SIGNATURE_BYTES];
    uint8_t signed_bytes[SIGNATURE_BYTES + SIGNATURE_COMMENT_BYTES];
    const size_t comment_length = strnlen(comment, SIGNATURE_COMMENT_BYTES - 1);
    signature_hash(hash, content, length);
    memcpy(first.id, key->id, sizeof first.id);
    crypto_sign_detached(first.signature, NULL, hash, sizeof hash, key->secret);
    memcpy(signed_bytes, first.signature, SIGNATURE_BYTES);
    memcpy(signed_bytes + SIGNATURE_BYTES, comment, comment_length);
    crypto_sign_detached(second, NULL, signed_bytes, SIGNATURE_BYTES + comment_length, key->secret);
    sodium_bin2base64(first_text, sizeof first_text, (const uint8_t *)&first, sizeof first,
                      sodium_base64_VARIANT_ORIGINAL);
    sodium_bin2base64(second_text, sizeof second_text, second, sizeof second, sodium_base64_VARIANT_ORIGINAL);
    const int size = snprintf(text, sizeof text,
                              "untrusted comment: signature of pfswrap peers sign\n%s\ntrusted comment: %.*s\n%s\n",
                              first_text, (int)comment_length, comment, second_text);
    return replace_file(path, text, (size_t)size);
}
