/*
 * The Noise handshakes against the public test vectors, and what must not be left in their state. The vectors are
 * tests/vectors/noise.json and, if it exists, a second file that PFSWRAP_NOISE_VECTORS names (otherwise
 * ../shared/vectors/noise.json).
 */
#include "../suite.h"
#include "ephemeral.h"

#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "seal/noise.h"

enum { MESSAGES_MAX = 8, FIELD_MAX = 512 };

struct field {
    uint8_t bytes[FIELD_MAX];
    size_t length;
};

struct vector {
    enum noise_pattern pattern;
    struct field prologue, psk, init_static, init_ephemeral, resp_static, resp_ephemeral, hash;
    struct field payloads[MESSAGES_MAX], ciphertexts[MESSAGES_MAX];
    size_t message_count;
};

static const struct mlkem_stack own_stack = {NULL, 0};
static char *text;

static void read_vectors(const char *path)
{
    FILE *file = fopen(path, "r");
    size_t size;

    ck_assert_msg(file != NULL, "%s cannot be read: run from the top of the tree", path);
    text = calloc(1, 1 << 20);
    ck_assert_ptr_nonnull(text);
    size = fread(text, 1, (1 << 20) - 1, file);
    ck_assert_uint_gt(size, 1000);
    fclose(file);
}

/* The string after "key", between `at` and `end`; false if there is none. psks are lists of one string. */
static bool find_string(const char *at, const char *end, const char *key, const char **value, size_t *length)
{
    char quoted[64];
    const char *found, *close;

    (void)snprintf(quoted, sizeof quoted, "\"%s\"", key);
    found = strstr(at, quoted);
    if (found == NULL || found >= end)
        return false;
    *value = strchr(found + strlen(quoted), '"') + 1;
    close = strchr(*value, '"');
    *length = (size_t)(close - *value);
    return true;
}

static bool find_hex(const char *at, const char *end, const char *key, struct field *field)
{
    const char *value;
    size_t length;

    memset(field, 0, sizeof *field);
    return find_string(at, end, key, &value, &length) &&
           sodium_hex2bin(field->bytes, sizeof field->bytes, value, length, NULL, &field->length, NULL) == 0;
}

static const char *find_object_end(const char *at)
{
    const char *next = strstr(at + 1, "\"protocol_name\"");

    return next != NULL ? next : at + strlen(at);
}

static bool load_vector(const char *protocol, struct vector *vector)
{
    const char *value, *end, *message;
    size_t length;

    for (const char *at = strstr(text, "\"protocol_name\""); at != NULL; at = strstr(at + 1, "\"protocol_name\"")) {
        end = find_object_end(at);
        ck_assert(find_string(at, end, "protocol_name", &value, &length));
        if (strlen(protocol) != length || memcmp(value, protocol, length) != 0)
            continue;
        memset(vector, 0, sizeof *vector);
        ck_assert(find_hex(at, end, "init_prologue", &vector->prologue));
        ck_assert(find_hex(at, end, "init_ephemeral", &vector->init_ephemeral));
        ck_assert(find_hex(at, end, "resp_static", &vector->resp_static));
        ck_assert(find_hex(at, end, "resp_ephemeral", &vector->resp_ephemeral));
        ck_assert(find_hex(at, end, "handshake_hash", &vector->hash));
        (void)find_hex(at, end, "init_psks", &vector->psk);
        (void)find_hex(at, end, "init_static", &vector->init_static);
        for (message = at; vector->message_count < MESSAGES_MAX; vector->message_count++) {
            message = strstr(message + 1, "\"payload\"");
            if (message == NULL || message >= end)
                break;
            ck_assert(find_hex(message, end, "payload", &vector->payloads[vector->message_count]));
            ck_assert(find_hex(message, end, "ciphertext", &vector->ciphertexts[vector->message_count]));
        }
        return true;
    }
    return false;
}

static void set_ephemeral(struct noise_handshake *handshake, const struct field *secret)
{
    memcpy(handshake->e, secret->bytes, sizeof handshake->e);
    crypto_scalarmult_base(handshake->e_public, handshake->e);
    handshake->has_ephemeral = 1;
}

/* Transport messages of the vectors: ChaChaPoly with the split keys, an empty associated text, and nonces from 0.
 */
static void check_transport(const uint8_t key[32], uint64_t n, const struct field *payload,
                            const struct field *ciphertext)
{
    uint8_t nonce[12] = {0}, out[FIELD_MAX];

    nonce[4] = (uint8_t)n;
    crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, payload->bytes, payload->length, NULL, 0, NULL, nonce,
                                              key);
    ck_assert_uint_eq(ciphertext->length, payload->length + 16);
    ck_assert_mem_eq(out, ciphertext->bytes, ciphertext->length);
}

static void run_vector(enum noise_pattern pattern, const char *protocol)
{
    struct vector v;
    struct noise_handshake initiator, responder;
    uint8_t s_public[32], client_public[32], out[FIELD_MAX], payload[FIELD_MAX], key_i[32], key_r[32], k[2][32];
    const struct noise_static client = {v.init_static.bytes, client_public, NULL};
    const struct noise_static server = {v.resp_static.bytes, s_public, NULL};
    struct noise_psk wrong = {.is_remote = false}, right = {.is_remote = false};
    const struct noise_psk *const psks[2] = {&wrong, &right}; /* the right one is the second that is tried */
    size_t psk = 9;

    ck_assert_msg(load_vector(protocol, &v), "%s is not among the vectors", protocol);
    ck_assert_uint_gt(v.message_count, 2);
    crypto_scalarmult_base(s_public, v.resp_static.bytes);
    crypto_scalarmult_base(client_public, v.init_static.bytes);
    memcpy(wrong.key, s_public, sizeof wrong.key);
    memcpy(right.key, v.psk.bytes, sizeof right.key);
    noise_start(&initiator, pattern, v.prologue.bytes, v.prologue.length, s_public);
    noise_start(&responder, pattern, v.prologue.bytes, v.prologue.length, s_public);

    set_ephemeral(&initiator, &v.init_ephemeral);
    ck_assert_int_eq(0, noise_write_1(&initiator, &client, v.payloads[0].bytes, v.payloads[0].length, out));
    ck_assert_uint_eq(v.ciphertexts[0].length, noise_overhead_1(pattern) + v.payloads[0].length);
    ck_assert_mem_eq(out, v.ciphertexts[0].bytes, v.ciphertexts[0].length);
    ck_assert_int_eq((int)v.payloads[0].length,
                     noise_read_1(&responder, &server, out, v.ciphertexts[0].length, payload));
    ck_assert_mem_eq(payload, v.payloads[0].bytes, v.payloads[0].length);
    if (noise_pattern_has_client_key(pattern))
        ck_assert_mem_eq(responder.rs, client_public, 32);

    set_ephemeral(&responder, &v.resp_ephemeral);
    ck_assert_int_eq(0, noise_write_2(&responder, &right, v.payloads[1].bytes, v.payloads[1].length, out));
    ck_assert_mem_eq(out, v.ciphertexts[1].bytes, v.ciphertexts[1].length);
    ck_assert_int_eq((int)v.payloads[1].length, noise_read_2(&initiator, &client, psks, 2, &psk, out,
                                                             v.ciphertexts[1].length, payload, &own_stack));
    ck_assert_mem_eq(payload, v.payloads[1].bytes, v.payloads[1].length);
    ck_assert_uint_eq(psk, noise_pattern_has_psk(pattern) ? 1 : 9);

    ck_assert_mem_eq(initiator.symmetric.h, v.hash.bytes, 32);
    ck_assert_mem_eq(responder.symmetric.h, v.hash.bytes, 32);
    noise_split(&initiator.symmetric, k[0], k[1]);
    noise_split(&responder.symmetric, key_i, key_r);
    ck_assert_mem_eq(k[0], key_i, 32);
    ck_assert_mem_eq(k[1], key_r, 32);
    for (size_t i = 2; i < v.message_count; i++)
        check_transport(k[i % 2], (i - 2) / 2, &v.payloads[i], &v.ciphertexts[i]);
}

static void run_vectors(enum noise_pattern pattern, const char *protocol)
{
    const char *named = getenv("PFSWRAP_NOISE_VECTORS");
    const char *const paths[] = {"tests/vectors/noise.json",
                                 named != NULL ? named : "../shared/vectors/noise.json"};

    for (size_t i = 0; i < 2; i++) {
        if (i == 0 || named != NULL || access(paths[i], R_OK) == 0) {
            read_vectors(paths[i]);
            run_vector(pattern, protocol);
            free(text);
        }
    }
}

START_TEST(IK_reproduces_the_public_vector)
{
    run_vectors(NOISE_IK, "Noise_IK_25519_ChaChaPoly_SHA256");
}
END_TEST

START_TEST(NK_reproduces_the_public_vector)
{
    run_vectors(NOISE_NK, "Noise_NK_25519_ChaChaPoly_SHA256");
}
END_TEST

START_TEST(IKpsk2_reproduces_the_public_vector)
{
    run_vectors(NOISE_IKPSK2, "Noise_IKpsk2_25519_ChaChaPoly_SHA256");
}
END_TEST

START_TEST(NKpsk2_reproduces_the_public_vector)
{
    run_vectors(NOISE_NKPSK2, "Noise_NKpsk2_25519_ChaChaPoly_SHA256");
}
END_TEST

START_TEST(an_all_zero_shared_secret_is_refused)
{
    static const uint8_t zero[32];
    struct noise_handshake handshake;
    uint8_t message[96] = {0}, payload[96], s[32], s_public[32];

    randombytes_buf(s, sizeof s);
    crypto_scalarmult_base(s_public, s);
    noise_start(&handshake, NOISE_NK, NULL, 0, s_public);
    ck_assert_int_eq(NOISE_E_SMALL_ORDER, noise_read_1(&handshake, &(struct noise_static){.secret = s}, message,
                                                       sizeof message, payload));
    noise_start(&handshake, NOISE_NK, NULL, 0, zero);
    ck_assert_int_eq(0, make_ephemeral(&handshake, &own_stack));
    ck_assert_int_eq(NOISE_E_SMALL_ORDER, noise_write_1(&handshake, NULL, NULL, 0, message));
}
END_TEST

START_TEST(a_message_is_not_written_without_a_fresh_ephemeral)
{
    struct noise_handshake handshake;
    uint8_t out[96], s[32], s_public[32];

    randombytes_buf(s, sizeof s);
    crypto_scalarmult_base(s_public, s);
    noise_start(&handshake, NOISE_NK, NULL, 0, s_public);
    ck_assert_int_eq(NOISE_E_STATE, noise_write_1(&handshake, NULL, NULL, 0, out));
    ck_assert_int_eq(NOISE_E_STATE, noise_write_2(&handshake, NULL, NULL, 0, out));
}
END_TEST

START_TEST(the_ephemeral_secret_is_wiped_by_its_last_use)
{
    struct noise_handshake initiator, responder;
    uint8_t s[32], s_public[32], out[128], payload[128];

    randombytes_buf(s, sizeof s);
    crypto_scalarmult_base(s_public, s);
    noise_start(&initiator, NOISE_NK, NULL, 0, s_public);
    noise_start(&responder, NOISE_NK, NULL, 0, s_public);
    ck_assert_int_eq(0, make_ephemeral(&initiator, &own_stack));
    ck_assert_int_eq(0, noise_write_1(&initiator, NULL, NULL, 0, out));
    ck_assert_int_eq(
        0, noise_read_1(&responder, &(struct noise_static){.secret = s}, out, noise_overhead_1(NOISE_NK), payload));
    ck_assert_int_eq(0, make_ephemeral(&responder, &own_stack));
    ck_assert(!sodium_is_zero(responder.e, 32));
    ck_assert_int_eq(0, noise_write_2(&responder, NULL, NULL, 0, out));
    ck_assert(sodium_is_zero(responder.e, 32));
    ck_assert(!sodium_is_zero(initiator.e, 32));
    ck_assert_int_eq(
        0, noise_read_2(&initiator, NULL, NULL, 0, NULL, out, noise_overhead_2(NOISE_NK), payload, &own_stack));
    ck_assert(sodium_is_zero(initiator.e, 32));
}
END_TEST

static TCase *cases(void)
{
    TCase *tc = tcase_create("noise");

    tcase_add_test(tc, IK_reproduces_the_public_vector);
    tcase_add_test(tc, NK_reproduces_the_public_vector);
    tcase_add_test(tc, IKpsk2_reproduces_the_public_vector);
    tcase_add_test(tc, NKpsk2_reproduces_the_public_vector);
    tcase_add_test(tc, an_all_zero_shared_secret_is_refused);
    tcase_add_test(tc, a_message_is_not_written_without_a_fresh_ephemeral);
    tcase_add_test(tc, the_ephemeral_secret_is_wiped_by_its_last_use);
    return tc;
}

int main(void)
{
    return sodium_init() < 0 ? EXIT_FAILURE : run_suite(cases(), "noise");
}
