/*
 * A signed peers file and its signature (seal/signature.h, seal/signed_peers.h): any two texts. The input is the
 * signature's file, a zero byte, and the peers file. Nothing is accepted that the key has not signed: the target's
 * key has signed one file only. A mistake is named with its line, what was parsed is bounded, and a trusted comment
 * that is accepted has a serial number. Bytes that say so are signed first, so that the checks behind the signature
 * see inputs, too.
 */
#include "fuzz.h"

#include "seal/keyring.h"
#include "seal/signed_peers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SIGNS = 'S', PUBLIC = 32, SECRET = 64 };

static struct signature_key key;
static uint8_t secret[SECRET];

static void make_key(void)
{
    static const uint8_t seed[crypto_sign_SEEDBYTES] = {7};

    FUZZ_CHECK(sodium_init() >= 0);
    FUZZ_CHECK(crypto_sign_seed_keypair(key.public_key, secret, seed) == 0);
    memcpy(key.id, "fuzzed!!", sizeof key.id);
}

/* A signature by the key over this content, with a trusted comment of the input's. */
static void sign(struct signature *signature, const uint8_t *content, size_t length)
{
    uint8_t hash[SIGNATURE_HASH_BYTES], covered[SIGNATURE_BYTES + SIGNATURE_COMMENT_BYTES];
    const size_t comment = strnlen(signature->comment, sizeof signature->comment);

    signature_hash(hash, content, length);
    memcpy(signature->id, key.id, sizeof key.id);
    FUZZ_CHECK(crypto_sign_detached(signature->of_content, NULL, hash, sizeof hash, secret) == 0);
    memcpy(covered, signature->of_content, SIGNATURE_BYTES);
    memcpy(covered + SIGNATURE_BYTES, signature->comment, comment);
    FUZZ_CHECK(crypto_sign_detached(signature->of_comment, NULL, covered, SIGNATURE_BYTES + comment, secret) == 0);
}

static void check_error(const struct pfswrap_keys_error *error)
{
    FUZZ_CHECK(strnlen(error->text, sizeof error->text) < sizeof error->text);
    FUZZ_CHECK(strncmp(error->text, "peers", 5) == 0);
}

static void check_comment(const struct signature *signature)
{
    struct pfswrap_keys_error error = {""};
    struct signed_peers version = {0};

    if (signed_peers_read_comment(&version, signature->comment, "peers.minisig", &error) != 0)
        check_error(&error);
    else
        FUZZ_CHECK(version.serial >= 1 && version.serial <= INT64_MAX && version.created >= 0);
}

/* The whole way of a file that the key has signed: the content is accepted as a peers file, or a line is named. */
static void check_signed(struct signature *signature, const uint8_t *content, size_t length)
{
    struct pfswrap_keys_error error = {""};
    uint8_t changed[64];

    sign(signature, content, length);
    FUZZ_CHECK(signature_verify(signature, &key, 1, content, length, "peers.minisig", &error) == 0);
    FUZZ_CHECK(signature_verify_comment(signature, &key));
    signature->of_content[length % SIGNATURE_BYTES] ^= 1;
    FUZZ_CHECK(signature_verify(signature, &key, 1, content, length, "peers.minisig", &error) < 0);
    check_error(&error);
    signature->of_content[length % SIGNATURE_BYTES] ^= 1;
    if (length == 0 || length > sizeof changed)
        return;
    memcpy(changed, content, length);
    changed[length / 2] ^= 1;
    FUZZ_CHECK(signature_verify(signature, &key, 1, changed, length, "peers.minisig", &error) < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const bool signs = size > 0 && data[0] == SIGNS;
    struct pfswrap_keys_error error = {""};
    struct signature signature;

    if (secret[0] == 0 && sodium_is_zero(secret, sizeof secret))
        make_key();
    data += signs;
    size -= signs;
    const uint8_t *const zero = size > 0 ? memchr(data, 0, size) : NULL;
    const size_t length = zero != NULL ? (size_t)(zero - data) : size, rest = zero != NULL ? size - length - 1 : 0;
    char *const text = malloc(length > 0 ? length : 1);

    FUZZ_CHECK(text != NULL);
    if (length > 0)
        memcpy(text, data, length);
    if (signature_parse(&signature, text, length, "peers.minisig", &error) != 0) {
        check_error(&error);
    } else {
        const uint8_t *const content = zero != NULL ? zero + 1 : (const uint8_t *)"";

        FUZZ_CHECK(strnlen(signature.comment, sizeof signature.comment) < sizeof signature.comment);
        FUZZ_CHECK(signature_verify(&signature, &key, 1, content, rest, "peers.minisig", &error) < 0);
        check_error(&error);
        check_comment(&signature);
        if (signs)
            check_signed(&signature, content, rest);
    }
    free(text);
    return 0;
}
