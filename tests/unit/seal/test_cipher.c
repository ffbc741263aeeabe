/*
 * The cipher's two implementations give the same bytes: for every length, tag and additional data, in both
 * directions, over rekeys and the end of the counter, with the instructions of each kind of processor that this
 * machine can be. Kinds that it cannot be are skipped.
 */
#include "../suite.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include <pfswrap/keys.h>

#include "seal/cipher.h"

#ifdef __has_include
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif
#ifndef RUNNING_ON_VALGRIND
#define RUNNING_ON_VALGRIND 0
#endif

enum { LENGTH_MAX = 20000, SHIFT_MAX = 64, CANARY = 0xC5, GUARD = 64 };
enum { TAG_MESSAGE = 0, TAG_PUSH = 1, TAG_REKEY = 2, TAG_FINAL = 3 };

static const char *const level_names[CIPHER_LEVELS] = {"libsodium", "the base",  "SSSE3",   "AVX",
                                                       "AVX2",      "AVX-512VL", "AVX-512", "AVX-512 with IFMA"};

/* Memory with room for any position, and a guard on both sides. */
struct area {
    uint8_t bytes[GUARD + SHIFT_MAX + LENGTH_MAX + CIPHER_OVERHEAD + GUARD];
};

static struct area plain, ours, theirs, back;

/* Where a buffer of the given round begins: at every position against a cache line. */
static uint8_t *at(struct area *area, size_t round)
{
    return area->bytes + GUARD + round % SHIFT_MAX;
}

/* Check notes the place of each assertion that holds, with a write to a file: too much for the loops of this file.
 */
static void expect(bool holds, const char *what, size_t length)
{
    if (!holds)
        ck_abort_msg("%s, length %zu", what, length);
}

static void set_guards(uint8_t *begin, size_t length)
{
    memset(begin - GUARD, CANARY, GUARD + length + GUARD);
}

static bool is_untouched(const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (bytes[i] != CANARY)
            return false;
    return true;
}

static void check_guards(const uint8_t *begin, size_t length)
{
    expect(is_untouched(begin - GUARD, GUARD) && is_untouched(begin + length, GUARD), "written outside", length);
}

static bool use_level(int level)
{
    ck_assert_int_ge(sodium_init(), 0);
    if (cipher_set_level((enum cipher_level)level))
        return true;
    printf("# SKIP %s: this build or processor does not have it\n", level_names[level]);
    return false;
}

/* A stream and a plaintext that are the same in each run. */
static void start(cipher_stream *stream)
{
    static const uint8_t seed[randombytes_SEEDBYTES] = {17};

    memset(stream, 0, sizeof *stream);
    randombytes_buf_deterministic(stream->k, sizeof stream->k, seed);
    randombytes_buf_deterministic(stream->nonce, sizeof stream->nonce, stream->k);
    randombytes_buf_deterministic(plain.bytes, sizeof plain.bytes, seed);
    memset(stream->nonce, 0, 4);
    stream->nonce[0] = 1;
}

/* The additional data and the tag of a round: those of the protocol, and now and then any others. */
static uint8_t vary(size_t round, uint8_t ad[CIPHER_AD_BYTES])
{
    static const uint8_t tags[] = {TAG_MESSAGE, TAG_REKEY, TAG_FINAL, TAG_PUSH, TAG_REKEY, 0xFF, TAG_MESSAGE};

    ad[0] = (uint8_t)(round % 3);
    ad[1] = (uint8_t)(round >> 8);
    ad[2] = (uint8_t)(round * 7);
    return tags[round % sizeof tags];
}

static void push_as_libsodium(cipher_stream *stream, uint8_t *out, const uint8_t *data, size_t length,
                              const uint8_t *ad, uint8_t tag)
{
    (void)crypto_secretstream_xchacha20poly1305_push(stream, out, NULL, data, length, ad, CIPHER_AD_BYTES, tag);
}

static bool pull_as_libsodium(cipher_stream *stream, uint8_t *out, uint8_t *tag, const uint8_t *in, size_t length,
                              const uint8_t *ad)
{
    return crypto_secretstream_xchacha20poly1305_pull(stream, out, NULL, tag, in, length + CIPHER_OVERHEAD, ad,
                                                      CIPHER_AD_BYTES) == 0;
}

/* One message, sealed and opened by both; the streams must stay the same. */
static void exchange(cipher_stream streams[4], size_t length, size_t round)
{
    uint8_t ad[CIPHER_AD_BYTES], tag_ours = 0x55, tag_theirs = 0x55;
    const uint8_t tag = vary(round, ad);
    const uint8_t *const data = at(&plain, round * 5);
    uint8_t *const sealed = at(&ours, round * 3), *const expected = at(&theirs, 0);
    uint8_t *const opened = at(&back, round);

    set_guards(sealed, length + CIPHER_OVERHEAD);
    cipher_push(&streams[0], sealed, data, length, ad, tag);
    push_as_libsodium(&streams[1], expected, data, length, ad, tag);
    expect(memcmp(sealed, expected, length + CIPHER_OVERHEAD) == 0, "another frame", length);
    check_guards(sealed, length + CIPHER_OVERHEAD);

    set_guards(opened, length);
    expect(cipher_pull(&streams[2], opened, &tag_ours, expected, length, ad), "not opened", length);
    expect(memcmp(opened, data, length) == 0, "another plaintext", length);
    check_guards(opened, length);
    expect(pull_as_libsodium(&streams[3], at(&theirs, 0), &tag_theirs, sealed, length, ad), "refused", length);
    expect(tag_ours == tag && tag_theirs == tag, "another tag", length);
    for (int i = 1; i < 4; i++)
        expect(memcmp(&streams[0], &streams[i], sizeof streams[0]) == 0, "another state", length);
}

static void start_all(cipher_stream streams[4])
{
    start(&streams[0]);
    streams[1] = streams[2] = streams[3] = streams[0];
}

START_TEST(every_length_is_sealed_and_opened_as_by_libsodium)
{
    cipher_stream streams[4];
    const size_t step = RUNNING_ON_VALGRIND ? 61 : 1;

    if (!use_level(_i))
        return;
    start_all(streams);
    for (size_t length = 0; length <= LENGTH_MAX; length += length < 300 ? 1 : step)
        exchange(streams, length, length);
}
END_TEST

START_TEST(every_length_is_opened_in_its_own_place)
{
    cipher_stream sender, receiver;
    uint8_t ad[CIPHER_AD_BYTES], tag;

    if (!use_level(_i))
        return;
    start(&sender);
    receiver = sender;
    for (size_t length = 0; length <= LENGTH_MAX; length += length < 700 ? 1 : 37) {
        const uint8_t sent = vary(length, ad);
        uint8_t *const frame = at(&ours, length);

        push_as_libsodium(&sender, frame, plain.bytes, length, ad, sent);
        expect(cipher_pull(&receiver, frame + 1, &tag, frame, length, ad) && tag == sent, "not opened", length);
        expect(memcmp(frame + 1, plain.bytes, length) == 0, "another plaintext", length);
    }
}
END_TEST

START_TEST(the_end_of_the_counter_and_each_tag_with_the_rekey_bit_renew_the_key)
{
    static const uint8_t counters[][4] = {
        {0xFF, 0xFF, 0xFF, 0xFF}, {0xFE, 0xFF, 0xFF, 0xFF}, {0xFF, 0, 0, 0}, {0xFF, 0xFF, 0, 0}, {0, 0, 0, 0}};
    cipher_stream streams[4];

    if (!use_level(_i))
        return;
    for (size_t c = 0; c < sizeof counters / sizeof counters[0]; c++) {
        for (size_t tag_round = 0; tag_round < 7; tag_round++) {
            start_all(streams);
            for (int i = 0; i < 4; i++)
                memcpy(streams[i].nonce, counters[c], 4);
            for (size_t more = 0; more < 4; more++)
                exchange(streams, 100 * more, tag_round + 7 * more);
        }
    }
    start_all(streams);
    memset(streams[0].nonce, 0xFF, 4);
    streams[1] = streams[0];
    cipher_push(&streams[0], at(&ours, 0), plain.bytes, 1, (const uint8_t[3]){0}, TAG_MESSAGE);
    ck_assert(memcmp(streams[0].k, streams[1].k, sizeof streams[0].k) != 0);
    ck_assert_uint_eq(streams[0].nonce[0], 1);
}
END_TEST

/* Opens `frame`, which is not authentic: nothing may be written or change. */
static void check_refused(cipher_stream *receiver, uint8_t *frame, size_t length, const uint8_t *ad)
{
    static uint8_t before[LENGTH_MAX];
    const cipher_stream state = *receiver;
    uint8_t *const out = at(&back, length), tag;

    set_guards(out, length);
    expect(!cipher_pull(receiver, out, &tag, frame, length, ad), "opened", length);
    expect(is_untouched(out - GUARD, GUARD + length + GUARD), "written", length);
    memcpy(before, frame, length + CIPHER_OVERHEAD);
    expect(!cipher_pull(receiver, frame + 1, &tag, frame, length, ad), "opened in its place", length);
    expect(memcmp(before, frame, length + CIPHER_OVERHEAD) == 0, "written in its place", length);
    expect(memcmp(&state, receiver, sizeof state) == 0, "another state", length);
}

START_TEST(a_frame_with_any_other_bit_is_refused_before_a_byte_is_written)
{
    static const size_t lengths[] = {0, 1, 8, 15, 16, 63, 64, 65, 100, 250, 1000, 4096, 16384};
    uint8_t ad[CIPHER_AD_BYTES] = {0, 1, 2}, tag;
    cipher_stream sender, receiver;

    if (!use_level(_i))
        return;
    for (size_t n = 0; n < sizeof lengths / sizeof lengths[0]; n++) {
        const size_t length = lengths[n], size = length + CIPHER_OVERHEAD;
        const size_t step = size < 300 && !RUNNING_ON_VALGRIND ? 1 : size / 31 + 1;
        uint8_t *const frame = at(&ours, n);

        start(&sender);
        receiver = sender;
        push_as_libsodium(&sender, frame, plain.bytes, length, ad, TAG_REKEY);
        for (size_t i = 0; i < size; i += step) {
            frame[i] ^= (uint8_t)(1 << i % 8);
            check_refused(&receiver, frame, length, ad);
            frame[i] ^= (uint8_t)(1 << i % 8);
        }
        for (size_t i = size - CIPHER_MAC_BYTES; i < size; i++) {
            frame[i] ^= 0x80;
            check_refused(&receiver, frame, length, ad);
            frame[i] ^= 0x80;
        }
        for (size_t i = 0; i < sizeof ad; i++) {
            ad[i] ^= 0x10;
            check_refused(&receiver, frame, length, ad);
            ad[i] ^= 0x10;
        }
        if (length > 0)
            check_refused(&receiver, frame, length - 1, ad);
        ck_assert(cipher_pull(&receiver, at(&back, 0), &tag, frame, length, ad));
        ck_assert_int_eq(0, memcmp(at(&back, 0), plain.bytes, length));
    }
}
END_TEST

START_TEST(two_levels_may_take_turns_in_one_stream)
{
    cipher_stream streams[4];

    ck_assert_int_ge(sodium_init(), 0);
    start_all(streams);
    for (size_t round = 0; round < 600; round++) {
        (void)cipher_set_level((enum cipher_level)(round % CIPHER_LEVELS));
        exchange(streams, round * 29, round);
    }
}
END_TEST

START_TEST(a_keyring_makes_the_choice)
{
    struct pfswrap_keyring *keyring;
    bool built;

    ck_assert_int_ge(sodium_init(), 0);
    built = cipher_set_level(CIPHER_BASE);
    ck_assert(cipher_set_level(CIPHER_LIBSODIUM));
    ck_assert_str_eq(cipher_name(), "libsodium");
    keyring = pfswrap_keyring_new();
    ck_assert_ptr_nonnull(keyring);
    pfswrap_keyring_free(keyring);
    if (built && sodium_runtime_has_avx2())
        ck_assert_int_eq(0, strncmp(cipher_name(), "OpenSSL ", 8));
    else
        ck_assert_str_eq(cipher_name(), "libsodium");
}
END_TEST

START_TEST(a_level_that_is_not_there_changes_nothing)
{
    ck_assert_int_ge(sodium_init(), 0);
    ck_assert(cipher_set_level(CIPHER_LIBSODIUM));
    ck_assert(!cipher_set_level(CIPHER_LEVELS));
    ck_assert(!cipher_set_level((enum cipher_level) - 1));
    ck_assert_str_eq(cipher_name(), "libsodium");
}
END_TEST

static TCase *cases(void)
{
    TCase *tc = tcase_create("cipher");

    tcase_add_loop_test(tc, every_length_is_sealed_and_opened_as_by_libsodium, 0, CIPHER_LEVELS);
    tcase_add_loop_test(tc, every_length_is_opened_in_its_own_place, 0, CIPHER_LEVELS);
    tcase_add_loop_test(tc, the_end_of_the_counter_and_each_tag_with_the_rekey_bit_renew_the_key, 0, CIPHER_LEVELS);
    tcase_add_loop_test(tc, a_frame_with_any_other_bit_is_refused_before_a_byte_is_written, 0, CIPHER_LEVELS);
    tcase_add_test(tc, two_levels_may_take_turns_in_one_stream);
    tcase_add_test(tc, a_keyring_makes_the_choice);
    tcase_add_test(tc, a_level_that_is_not_there_changes_nothing);
    return tc;
}

int main(void)
{
    return run_suite(cases(), "cipher");
}
