/*
 * ML-KEM-768: published known answers, implicit rejection, keys that are not valid, and the stack: the caller's or
 * other memory, how much of it is used, and that nothing is left there. Without ML-KEM in this build: that it says
 * so.
 */
#include "../suite.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "seal/mlkem.h"

static const struct mlkem_stack own = {NULL, 0};

static void from_hex(uint8_t *bytes, size_t size, const char *hex)
{
    size_t length;

    ck_assert_int_eq(0, sodium_hex2bin(bytes, size, hex, strlen(hex), NULL, &length, NULL));
    ck_assert_uint_eq(size, length);
}

/*
 * The first two of the known answers that NIST's competition format has for the final standard (kat_MLKEM_768.rsp
 * of github.com/post-quantum-cryptography/KAT, counts 0 and 1; also in libsodium's tests): the first 32 bytes of
 * the key and of the ciphertext, and the whole shared secret, which depends on all of their bytes.
 */
static const struct {
    const char *d, *z, *m, *key, *ciphertext, *shared;
} answers[] = {
    {"7c9935a0b07694aa0c6d10e4db6b1add2fd81a25ccb148032dcd739936737f2d",
     "b505d7cfad1b497499323c8686325e4792f267aafa3f87ca60d01cb54f29202a",
     "eb4a7c66ef4eba2ddb38c88d8bc706b1d639002198172a7b1942eca8f6c001ba",
     "a8e651a1e685f22478a8954f007bc7711b930772c78f092e82878e3e937f3679",
     "3b835a5fa145387a0819c4daa1e65fbe2ba5400afcd640bbddbbe3585f24bedd",
     "ac865f839fef1bf3d528dd7504bed2f64b5502b0fa81d1c32763658e4aac5037"},
    {"d60b93492a1d8c1c7ba6fc0b733137f3406cee8110a93f170e7a78658af326d9",
     "588522d326e7f105f11c4e8d97e119e193af42dc28409f4f7572ada538b52c1f",
     "46401015603c5e2174cb94ac742e836b516e2d570f15de0b9d0204d79ac64ba3",
     "93c140f6c47b7e53b96f72bb18447d277cc021c144a0f7a35e30b57386a78ac9",
     "4ddf4e2919943817ab3b4cb085daefe5fec774d83d96c2cee74149e25addd15f",
     "950492e940bfa86ac28183de02efc04017d1755106a854fbb2ac68174f705b41"},
};

START_TEST(the_published_answers_are_computed)
{
    uint8_t seed[MLKEM_SEED_BYTES], coins[MLKEM_COINS_BYTES], key[MLKEM_PUBLIC_BYTES];
    uint8_t ciphertext[MLKEM_CIPHERTEXT_BYTES], shared[MLKEM_SHARED_BYTES], expected[32];

    from_hex(seed, 32, answers[_i].d);
    from_hex(seed + 32, 32, answers[_i].z);
    from_hex(coins, 32, answers[_i].m);
    mlkem_public(&own, seed, key);
    from_hex(expected, 32, answers[_i].key);
    ck_assert_mem_eq(expected, key, 32);
    ck_assert_int_eq(0, mlkem_encapsulate(&own, key, coins, ciphertext, shared));
    from_hex(expected, 32, answers[_i].ciphertext);
    ck_assert_mem_eq(expected, ciphertext, 32);
    from_hex(expected, 32, answers[_i].shared);
    ck_assert_mem_eq(expected, shared, 32);
    memset(shared, 0, sizeof shared);
    mlkem_decapsulate(&own, seed, ciphertext, shared);
    ck_assert_mem_eq(expected, shared, 32);
}
END_TEST

/* Implicit rejection (FIPS 203, algorithm 18). */
START_TEST(a_ciphertext_that_was_changed_gives_another_secret)
{
    uint8_t seed[MLKEM_SEED_BYTES], coins[MLKEM_COINS_BYTES], key[MLKEM_PUBLIC_BYTES];
    uint8_t ciphertext[MLKEM_CIPHERTEXT_BYTES], shared[32], rejected[32], again[32], other[32];

    randombytes_buf(seed, sizeof seed);
    randombytes_buf(coins, sizeof coins);
    mlkem_public(&own, seed, key);
    ck_assert_int_eq(0, mlkem_encapsulate(&own, key, coins, ciphertext, shared));
    ciphertext[_i] ^= 1;
    mlkem_decapsulate(&own, seed, ciphertext, rejected);
    ck_assert_mem_ne(shared, rejected, 32);
    mlkem_decapsulate(&own, seed, ciphertext,
                      again); /* the same each time, so that it cannot be told from a secret */
    ck_assert_mem_eq(rejected, again, 32);
    seed[MLKEM_SEED_BYTES - 1] ^= 1; /* z, on which nothing but this depends */
    mlkem_decapsulate(&own, seed, ciphertext, other);
    ck_assert_mem_ne(rejected, other, 32);
    ciphertext[_i] ^= 1;
    mlkem_decapsulate(&own, seed, ciphertext, other);
    ck_assert_mem_eq(shared, other, 32);
}
END_TEST

START_TEST(a_key_that_is_not_reduced_is_refused)
{
    uint8_t seed[MLKEM_SEED_BYTES] = {7}, coins[MLKEM_COINS_BYTES] = {1}, key[MLKEM_PUBLIC_BYTES];
    uint8_t ciphertext[MLKEM_CIPHERTEXT_BYTES], shared[32];

    mlkem_public(&own, seed, key);
    key[1150] = 0xFF; /* the last of 768 numbers of 12 bits, all below 3,329 */
    key[1151] = 0xFF;
    ck_assert_int_eq(-1, mlkem_encapsulate(&own, key, coins, ciphertext, shared));
    memset(key, 0xFF, sizeof key);
    ck_assert_int_eq(-1, mlkem_encapsulate(&own, key, coins, ciphertext, shared));
}
END_TEST

START_TEST(the_ciphertext_may_replace_the_key)
{
    uint8_t seed[MLKEM_SEED_BYTES] = {3}, coins[MLKEM_COINS_BYTES] = {4}, bytes[MLKEM_PUBLIC_BYTES];
    uint8_t ciphertext[MLKEM_CIPHERTEXT_BYTES], shared[32], second[32];

    mlkem_public(&own, seed, bytes);
    ck_assert_int_eq(0, mlkem_encapsulate(&own, bytes, coins, ciphertext, shared));
    ck_assert_int_eq(0, mlkem_encapsulate(&own, bytes, coins, bytes, second));
    ck_assert_mem_eq(ciphertext, bytes, sizeof ciphertext);
    ck_assert_mem_eq(shared, second, 32);
}
END_TEST

enum { ROOM = 2 * MLKEM_STACK_BYTES };

/* The whole room has a pattern before; afterwards, zeros where the code ran, and the pattern below. */
static size_t used_of(const uint8_t *room)
{
    size_t at = 0;

    while (at < ROOM && room[at] == 0xA5)
        at++;
    return ROOM - at;
}

START_TEST(it_runs_on_other_memory_and_leaves_zeros_there)
{
    static uint8_t room[ROOM] __attribute__((aligned(16)));
    const struct mlkem_stack stack = {room, sizeof room};
    uint8_t seed[MLKEM_SEED_BYTES] = {9}, coins[MLKEM_COINS_BYTES] = {8}, key[MLKEM_PUBLIC_BYTES], same[32];
    uint8_t ciphertext[MLKEM_CIPHERTEXT_BYTES], shared[32];
    size_t used = 0;

    memset(room, 0xA5, sizeof room);
    mlkem_public(&stack, seed, key);
    ck_assert_int_eq(0, mlkem_encapsulate(&stack, key, coins, ciphertext, shared));
    mlkem_decapsulate(&stack, seed, ciphertext, same);
    ck_assert_mem_eq(shared, same, 32);
    used = used_of(room);
    ck_assert_uint_eq(MLKEM_STACK_BYTES, used); /* all of it was wiped, and no byte below it was written */
    ck_assert(sodium_is_zero(room + sizeof room - used, used));
}
END_TEST

START_TEST(the_stack_that_it_needs_is_known)
{
    enum { MORE = MLKEM_STACK_BYTES + 8 * 4096 };
    static uint8_t room[MORE] __attribute__((aligned(16)));
    const struct mlkem_stack stack = {room, sizeof room};
    uint8_t seed[MLKEM_SEED_BYTES] = {5}, coins[MLKEM_COINS_BYTES] = {6}, bytes[MLKEM_PUBLIC_BYTES], shared[32];

    /* Only MLKEM_STACK_BYTES are wiped, so a use of more would show below them. */
    memset(room, 0xA5, sizeof room);
    mlkem_public(&stack, seed, bytes);
    ck_assert_int_eq(0, mlkem_encapsulate(&stack, bytes, coins, bytes, shared));
    mlkem_decapsulate(&stack, seed, bytes, shared);
    for (size_t i = 0; i < MORE - MLKEM_STACK_BYTES; i++)
        ck_assert_uint_eq(0xA5, room[i]);
}
END_TEST

START_TEST(a_build_without_it_says_so)
{
    uint8_t seed[MLKEM_SEED_BYTES] = {1}, coins[MLKEM_COINS_BYTES] = {2}, key[MLKEM_PUBLIC_BYTES];
    uint8_t ciphertext[MLKEM_CIPHERTEXT_BYTES], shared[32];

    ck_assert_ptr_null(mlkem_name());
    mlkem_public(&own, seed, key);
    ck_assert_int_eq(-1, mlkem_encapsulate(&own, key, coins, ciphertext, shared));
}
END_TEST

START_TEST(its_name_has_the_version)
{
    ck_assert(mlkem_is_available());
    ck_assert_int_eq(0, strncmp(mlkem_name(), "libsodium 1.", 12));
}
END_TEST

static TCase *cases(void)
{
    TCase *tc = tcase_create("mlkem");

    if (!mlkem_is_available()) {
        tcase_add_test(tc, a_build_without_it_says_so);
        return tc;
    }
    tcase_add_test(tc, its_name_has_the_version);
    tcase_add_test(tc, the_stack_that_it_needs_is_known);
    tcase_add_loop_test(tc, the_published_answers_are_computed, 0, sizeof answers / sizeof answers[0]);
    tcase_add_loop_test(tc, a_ciphertext_that_was_changed_gives_another_secret, 0, 3);
    tcase_add_test(tc, a_key_that_is_not_reduced_is_refused);
    tcase_add_test(tc, the_ciphertext_may_replace_the_key);
    tcase_add_test(tc, it_runs_on_other_memory_and_leaves_zeros_there);
    return tc;
}

int main(void)
{
    if (sodium_init() < 0)
        return EXIT_FAILURE;
    return run_suite(cases(), "mlkem");
}
