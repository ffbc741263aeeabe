/* See signature.h. The files are hostile until signature_verify() has accepted them. */
#include "seal/signature.h"

#include <inttypes.h>
#include <string.h>

#include <sodium.h>

#include "seal/keyring.h"

enum { ALGORITHM_BYTES = 2 };

/* What the base64 of a public key and of a signature stands for. */
struct encoded_key {
    uint8_t algorithm[ALGORITHM_BYTES];
    struct signature_key key;
};
struct encoded_signature {
    uint8_t algorithm[ALGORITHM_BYTES], id[SIGNATURE_ID_BYTES], signature[SIGNATURE_BYTES];
};
_Static_assert(sizeof(struct encoded_key) == 42 && sizeof(struct encoded_signature) == 74, "there is no padding");
_Static_assert(SIGNATURE_KEY_TEXT_BYTES ==
                   sodium_base64_ENCODED_LEN(sizeof(struct encoded_key), sodium_base64_VARIANT_ORIGINAL),
               "base64 with padding");
_Static_assert(SIGNATURE_BYTES == crypto_sign_BYTES, "Ed25519");

static const char untrusted_word[] = "untrusted comment: ", trusted_word[] = "trusted comment: ";

/* Decodes base64 of exactly `size` bytes. */
static int decode(void *bytes, size_t size, const char *text, size_t length)
{
    size_t decoded;

    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] > '~') /* libsodium 1.0.18 ignores the highest bit */
            return -1;
    return sodium_base642bin(bytes, size, text, length, NULL, &decoded, NULL, sodium_base64_VARIANT_ORIGINAL) ==
                       0 &&
                   decoded == size
               ? 0
               : -1;
}

int signature_key_decode(struct signature_key *key, const char *text, size_t length)
{
    struct encoded_key encoded;

    if (decode(&encoded, sizeof encoded, text, length) != 0 || memcmp(encoded.algorithm, "Ed", 2) != 0)
        return -1;
    *key = encoded.key;
    return 0;
}

void signature_key_encode(char text[SIGNATURE_KEY_TEXT_BYTES], const struct signature_key *key)
{
    const struct encoded_key encoded = {.algorithm = {'E', 'd'}, .key = *key};

    sodium_bin2base64(text, SIGNATURE_KEY_TEXT_BYTES, (const uint8_t *)&encoded, sizeof encoded,
                      sodium_base64_VARIANT_ORIGINAL);
}

uint64_t signature_id_number(const uint8_t id[SIGNATURE_ID_BYTES])
{
    uint64_t number = 0;

    for (size_t i = SIGNATURE_ID_BYTES; i-- > 0;)
        number = number << 8 | id[i];
    return number;
}

/* Takes the next line, without its end. NULL: there is none. */
static const char *next_line(const char **text, const char *end, size_t *length)
{
    const char *const line = *text, *const newline = memchr(line, '\n', (size_t)(end - line));

    if (line == end)
        return NULL;
    *text = newline != NULL ? newline + 1 : end;
    *length = (size_t)((newline != NULL ? newline : end) - line);
    if (*length > 0 && line[*length - 1] == '\r')
        (*length)--;
    return line;
}

static bool begins_with(const char *line, size_t length, const char *word)
{
    return line != NULL && length >= strlen(word) && memcmp(line, word, strlen(word)) == 0;
}

static int parse_first(struct signature *signature, const char *line, size_t length, const char *path,
                       struct pfswrap_keys_error *error)
{
    struct encoded_signature encoded;

    if (line == NULL || decode(&encoded, sizeof encoded, line, length) != 0) {
        keys_error_set(error, "%.400s:2: expected a signature of 100 characters in base64", path);
        return -1;
    }
    if (memcmp(encoded.algorithm, "ED", ALGORITHM_BYTES) != 0) {
        keys_error_set(error, "%.400s:2: expected a signature over a hash (\"ED\"), as minisign makes without -l",
                       path);
        return -1;
    }
    memcpy(signature->id, encoded.id, sizeof signature->id);
    memcpy(signature->of_content, encoded.signature, sizeof signature->of_content);
    return 0;
}

static int parse_comment(struct signature *signature, const char *line, size_t length, const char *path,
                         struct pfswrap_keys_error *error)
{
    const size_t prefix = sizeof trusted_word - 1;

    if (!begins_with(line, length, trusted_word) || length - prefix >= sizeof signature->comment ||
        memchr(line, '\0', length) != NULL) {
        keys_error_set(error, "%.400s:3: expected \"%s\" and at most %zu characters", path, trusted_word,
                       sizeof signature->comment - 1);
        return -1;
    }
    memset(signature->comment, 0, sizeof signature->comment);
    memcpy(signature->comment, line + prefix, length - prefix);
    return 0;
}

int signature_parse(struct signature *signature, const char *text, size_t length, const char *path,
                    struct pfswrap_keys_error *error)
{
    const char *const end = text + length;
    size_t size = 0;
    const char *line = next_line(&text, end, &size);

    if (!begins_with(line, size, untrusted_word)) {
        keys_error_set(error, "%.400s:1: expected a signature of minisign: \"%s...\"", path, untrusted_word);
        return -1;
    }
    line = next_line(&text, end, &size);
    if (parse_first(signature, line, size, path, error) != 0)
        return -1;
    line = next_line(&text, end, &size);
    if (parse_comment(signature, line, size, path, error) != 0)
        return -1;
    line = next_line(&text, end, &size);
    if (line == NULL || decode(signature->of_comment, sizeof signature->of_comment, line, size) != 0 ||
        text != end) {
        keys_error_set(error, "%.400s:4: expected the signature of the trusted comment, and nothing after it",
                       path);
        return -1;
    }
    return 0;
}

void signature_hash(uint8_t hash[SIGNATURE_HASH_BYTES], const void *content, size_t length)
{
    crypto_generichash(hash, SIGNATURE_HASH_BYTES, content, length, NULL, 0);
}

/* The second signature is over the first one and the comment. */
bool signature_verify_comment(const struct signature *signature, const struct signature_key *key)
{
    uint8_t bytes[SIGNATURE_BYTES + SIGNATURE_COMMENT_BYTES];
    const size_t length = strlen(signature->comment);

    memcpy(bytes, signature->of_content, SIGNATURE_BYTES);
    memcpy(bytes + SIGNATURE_BYTES, signature->comment, length);
    return crypto_sign_verify_detached(signature->of_comment, bytes, SIGNATURE_BYTES + length, key->public_key) ==
           0;
}

int signature_verify(const struct signature *signature, const struct signature_key *keys, size_t count,
                     const void *content, size_t length, const char *path, struct pfswrap_keys_error *error)
{
    uint8_t hash[SIGNATURE_HASH_BYTES];
    size_t i = 0;

    while (i < count && memcmp(keys[i].id, signature->id, sizeof signature->id) != 0)
        i++;
    if (i == count) {
        keys_error_set(error, "%.400s:2: signed by key %016" PRIX64 ", expected one of peers-signer", path,
                       signature_id_number(signature->id));
        return -1;
    }
    signature_hash(hash, content, length);
    if (crypto_sign_verify_detached(signature->of_content, hash, sizeof hash, keys[i].public_key) != 0) {
        keys_error_set(error, "%.400s:2: not a signature of this file by key %016" PRIX64 ", expected one", path,
                       signature_id_number(signature->id));
        return -1;
    }
    if (!signature_verify_comment(signature, &keys[i])) {
        keys_error_set(error, "%.400s:4: not a signature of the trusted comment, expected one", path);
        return -1;
    }
    return (int)i;
}
