/*
 * Keyrings: what may be added, the peers file line by line, key files and their permissions, and that secrets are
 * in memory that is locked, guarded and excluded from core dumps.
 */
#include "../suite.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "seal/keyring.h"

#define KEY_A "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo="
#define KEY_B "3p7bfXt9wbTTW2HC7OQ1Nz+DQ8hbeGdNrfx+FG+IK08="
#define KEY_ZERO "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

static struct pfswrap_keyring *keyring;
static struct pfswrap_keys_error error;
static char directory[] = "/tmp/pfswrap-keyring-XXXXXX";
static char path[sizeof directory + 16];

static void setup(void)
{
    keyring = pfswrap_keyring_new();
    ck_assert_ptr_nonnull(keyring);
    memset(&error, 0, sizeof error);
    memcpy(directory + sizeof directory - 7, "XXXXXX", 6);
    ck_assert_ptr_nonnull(mkdtemp(directory));
    (void)snprintf(path, sizeof path, "%s/file", directory);
}

static void teardown(void)
{
    pfswrap_keyring_free(keyring);
    (void)unlink(path);
    (void)rmdir(directory);
}

static int parse(const char *text)
{
    return pfswrap_keyring_parse_peers(keyring, text, strlen(text), "/etc/pfswrap/peers", &error);
}

static void write_file(const char *text, mode_t mode)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq((int)strlen(text), (int)write(fd, text, strlen(text)));
    ck_assert_int_eq(0, fchmod(fd, mode));
    close(fd);
}

START_TEST(a_peers_file_gives_names_keys_and_dates)
{
    ck_assert_int_eq(
        0, parse("# who may come\n\nredis-1 " KEY_A "\n\t app.eu@2  " KEY_B "\tnot-after=2027-03-01\r\n"));
    ck_assert_uint_eq(2, pfswrap_keyring_count_peers(keyring, NULL));
    ck_assert_uint_eq(1, pfswrap_keyring_count_peers(keyring, "redis-1"));
    ck_assert_uint_eq(0, pfswrap_keyring_count_peers(keyring, "redis"));
    ck_assert_str_eq("app.eu@2", keyring->peers[1].name);
    ck_assert_int_eq(PFSWRAP_NEVER, keyring->peers[0].not_after);
    ck_assert_int_eq(1803945599, keyring->peers[1].not_after); /* date -ud '2027-03-01 23:59:59' +%s */
}
END_TEST

START_TEST(dates_are_read_to_the_second)
{
    static const struct {
        const char *date;
        int64_t last; /* from date -u */
    } dates[] = {
        {"1970-01-01", 86399},
        {"2000-02-29", 951868799},
        {"2026-11-22T08:30:15Z", 1795336215},
        {"2100-03-01T00:00:00Z", 4107542400},
        {"9999-12-31", 253402300799},
    };

    for (size_t i = 0; i < sizeof dates / sizeof dates[0]; i++) {
        char line[128];

        (void)snprintf(line, sizeof line, "p %s not-after=%s", i % 2 ? KEY_A : KEY_B, dates[i].date);
        teardown();
        setup();
        ck_assert_int_eq(0, parse(line));
        ck_assert_int_eq(dates[i].last, keyring->peers[0].not_after);
    }
}
END_TEST

START_TEST(every_invalid_line_is_named_with_what_was_expected)
{
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        {"redis", ":1: expected NAME BASE64-PUBLIC-KEY [not-after=DATE], found one word"},
        {"\n\n# x\nredis " KEY_A " not-after=2027-01-01 more",
         ":4: expected NAME BASE64-PUBLIC-KEY [not-after=DATE], found more"},
        {"re/dis " KEY_A, ":1: a name is 1 to 63 characters"},
        {"aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggg " KEY_A, ":1: a name is at most 63"},
        {"redis AAAA", ":1: expected a public key of 44 characters in base64, found 4"},
        {"redis hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmp=", ":1: expected a public key"},
        {"redis " KEY_A "\nother " KEY_A, ":2: this public key already belongs to redis"},
        {"redis " KEY_ZERO, ":1: not a usable public key: a point of small order"},
        {"redis " KEY_A " expires=2027-01-01", ":1: expected not-after=DATE, found \"expires=2027-01-01\""},
        {"redis " KEY_A " not-after=2027-02-29", ":1: expected a date"},
        {"redis " KEY_A " not-after=2027-13-01", ":1: expected a date"},
        {"redis " KEY_A " not-after=2027-1-01", ":1: expected a date"},
        {"redis " KEY_A " not-after=2027-01-01T24:00:00Z", ":1: expected a date"},
        {"redis " KEY_A " not-after=2027-01-01T10:00:00", ":1: expected a date"},
        {"redis " KEY_A " not-after=2027-01-01T10:00:00Zx", ":1: expected a date"},
        {"redis " KEY_A " not-after=", ":1: expected a date"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char expected[256];

        pfswrap_keyring_free(keyring);
        keyring = pfswrap_keyring_new();
        ck_assert_int_eq(-1, parse(cases[i].text));
        (void)snprintf(expected, sizeof expected, "/etc/pfswrap/peers%s", cases[i].message);
        ck_assert_msg(strncmp(error.text, expected, strlen(expected)) == 0, "\"%s\" is not \"%s\"", error.text,
                      expected);
    }
}
END_TEST

/* Each point is compared with what X25519 itself makes of it, and so are its neighbours. */
START_TEST(every_point_of_small_order_is_refused_and_its_neighbours_are_not)
{
    static const char *const points[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    };
    const uint8_t scalar[PFSWRAP_KEY_BYTES] = {8};
    uint8_t key[PFSWRAP_KEY_BYTES], product[PFSWRAP_KEY_BYTES];
    int refused = 0;
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++)
        for (int change = 0; change < 16;
             change++) { /* with the highest bit and without; and the last three bits */
            ck_assert_int_eq(0, sodium_hex2bin(key, sizeof key, points[i], 64, NULL, NULL, NULL));
            key[31] = (uint8_t)(key[31] ^ (change & 8) << 4);
            key[0] = (uint8_t)(key[0] ^ (change & 7));
            const bool is_small = crypto_scalarmult(product, scalar, key) != 0;
            struct pfswrap_keyring *const other = pfswrap_keyring_new();
            ck_assert_int_eq(pfswrap_keyring_add_peer(other, "a", key, PFSWRAP_NEVER, &error), is_small ? -1 : 0);
            ck_assert(is_small || (change & 7) != 0);
            pfswrap_keyring_free(other);
            refused += is_small;
        }
    ck_assert_int_ge(refused, 14);
}
END_TEST

START_TEST(a_name_may_have_several_keys_and_the_table_grows)
{
    static uint8_t keys[1000][32];
    uint8_t key[32];

    for (int i = 0; i < 1000; i++) {
        randombytes_buf(keys[i], sizeof keys[i]);
        if (i % 4 == 0)
            memset(keys[i], 0xff, 4); /* the same place in the index, its last one */
        ck_assert_ptr_null(keyring_find_peer(keyring, keys[i]));
        ck_assert_int_eq(0,
                         pfswrap_keyring_add_peer(keyring, i % 2 ? "odd" : "even", keys[i], PFSWRAP_NEVER, &error));
    }
    for (int i = 0; i < 1000; i++) {
        ck_assert_mem_eq(keyring_find_peer(keyring, keys[i])->public_key, keys[i], sizeof keys[i]);
        ck_assert_int_eq(-1, pfswrap_keyring_add_peer(keyring, "odd", keys[i], PFSWRAP_NEVER, &error));
        memcpy(key, keys[i], sizeof key);
        key[31] ^= 1;
        ck_assert_ptr_null(keyring_find_peer(keyring, key));
    }
    ck_assert_uint_eq(500, pfswrap_keyring_count_peers(keyring, "odd"));
}
END_TEST

START_TEST(identities_and_psks_are_sixteen_each_and_never_twice)
{
    uint8_t key[32];

    for (int i = 0; i < 16; i++) {
        randombytes_buf(key, sizeof key);
        ck_assert_int_eq(0, pfswrap_keyring_add_identity(keyring, key));
        ck_assert_int_eq(-1, i < 15 ? pfswrap_keyring_add_identity(keyring, key) : -1);
        ck_assert_int_eq(0, pfswrap_keyring_add_psk(keyring, key));
        ck_assert_int_eq(-1, i < 15 ? pfswrap_keyring_add_psk(keyring, key) : -1);
    }
    randombytes_buf(key, sizeof key);
    ck_assert_int_eq(-1, pfswrap_keyring_add_identity(keyring, key));
    ck_assert_int_eq(-1, pfswrap_keyring_add_psk(keyring, key));
    ck_assert_uint_eq(16, pfswrap_keyring_count_identities(keyring));
    ck_assert_uint_eq(16, pfswrap_keyring_count_psks(keyring));
}
END_TEST

START_TEST(a_key_file_is_read_if_no_other_user_can_read_it)
{
    static const mode_t good[] = {0600, 0400}, bad[] = {0604, 0620, 0602, 0644, 0666};

    for (size_t i = 0; i < 2; i++) {
        write_file(i ? KEY_B : KEY_A "\n", good[i]);
        ck_assert_msg(pfswrap_keyring_load_identity(keyring, path, &error) == 0, "%s", error.text);
        ck_assert_msg(pfswrap_keyring_load_psk(keyring, path, &error) == 0, "%s", error.text);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        write_file(KEY_A "\n", bad[i]);
        ck_assert_int_eq(-1, pfswrap_keyring_load_identity(keyring, path, &error));
        ck_assert_ptr_nonnull(strstr(error.text, "expected 0400 or 0600"));
        ck_assert_int_eq(0, strncmp(error.text, path, strlen(path)));
        ck_assert_int_eq(-1, pfswrap_keyring_load_psk(keyring, path, &error));
    }
}
END_TEST

START_TEST(a_key_file_of_another_user_or_of_another_kind_is_refused)
{
    if (geteuid() == 0) {
        write_file(KEY_A "\n", 0600);
        ck_assert_int_eq(0, chown(path, 12345, 0));
        ck_assert_int_eq(-1, pfswrap_keyring_load_identity(keyring, path, &error));
        ck_assert_ptr_nonnull(strstr(error.text, "owned by user 12345"));
    }
    (void)unlink(path);
    ck_assert_int_eq(-1, pfswrap_keyring_load_identity(keyring, path, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "No such file"));
    ck_assert_int_eq(0, mkfifo(path, 0600));
    ck_assert_int_eq(-1, pfswrap_keyring_load_identity(keyring, path, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "not a regular file"));
    ck_assert_int_eq(-1, pfswrap_keyring_load_identity(keyring, directory, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "not a regular file"));
}
END_TEST

START_TEST(a_key_file_without_a_key_is_refused)
{
    static const char *const texts[] = {"", "\n", "secret\n", KEY_A "x\n", KEY_A "\n" KEY_B "\n", (" " KEY_A)};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        write_file(texts[i], 0600);
        ck_assert_int_eq(-1, pfswrap_keyring_load_identity(keyring, path, &error));
        ck_assert_ptr_nonnull(strstr(error.text, "expected"));
        ck_assert_ptr_null(strstr(error.text, "secret")); /* a possible key is not repeated in the message */
    }
}
END_TEST

START_TEST(a_key_file_says_when_the_key_was_made_or_its_time_does)
{
    const struct timespec times[] = {{.tv_sec = 1000}, {.tv_sec = 2000}}; /* of access, and of modification */

    write_file(KEY_A "\n# created 2027-03-01T12:00:00Z\n\n# a word\n", 0600);
    ck_assert_msg(pfswrap_keyring_load_identity(keyring, path, &error) == 0, "%s", error.text);
    ck_assert_int_eq(1803902400, keyring->identities[0].period.created); /* date -ud '2027-03-01 12:00:00' +%s */
    ck_assert_int_eq(PFSWRAP_NEVER, keyring->identities[0].period.not_after);
    write_file(KEY_B "\r\n#created 2027-03-01\r\n# other: created 1\n", 0600);
    ck_assert_int_eq(0, utimensat(AT_FDCWD, path, times, 0));
    ck_assert_msg(pfswrap_keyring_load_psk(keyring, path, &error) == 0, "%s", error.text);
    ck_assert_int_eq(2000, keyring->psks[0].period.created);
    write_file(KEY_B "\n\n# created yesterday\n", 0600);
    ck_assert_int_eq(-1, pfswrap_keyring_load_identity(keyring, path, &error));
    ck_assert_ptr_nonnull(strstr(error.text, ":3: expected # created YYYY-MM-DDThh:mm:ssZ"));
    write_file(KEY_B "\n# created 2027-03-01\n" KEY_A "\n", 0600);
    ck_assert_int_eq(-1, pfswrap_keyring_load_identity(keyring, path, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "nothing after it but comments"));
}
END_TEST

START_TEST(a_peers_file_may_be_read_but_not_written_by_others)
{
    write_file("redis " KEY_A "\n", 0644);
    ck_assert_msg(pfswrap_keyring_load_peers(keyring, path, &error) == 0, "%s", error.text);
    write_file("other " KEY_B "\n", 0664);
    ck_assert_int_eq(-1, pfswrap_keyring_load_peers(keyring, path, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "expected nobody but its owner and root"));
    write_file("other " KEY_B "\n\nbad\n", 0600);
    ck_assert_int_eq(-1, pfswrap_keyring_load_peers(keyring, path, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "file:3: expected NAME"));
}
END_TEST

START_TEST(base64_is_exact_and_round_trips)
{
    uint8_t key[32], again[32];
    char text[PFSWRAP_KEY_TEXT_BYTES];

    for (int i = 0; i < 100; i++) {
        pfswrap_key_generate(key);
        pfswrap_key_encode(text, key);
        ck_assert_uint_eq(44, strlen(text));
        ck_assert_int_eq(0, pfswrap_key_decode(again, text, 44));
        ck_assert_mem_eq(key, again, 32);
        ck_assert_int_eq(-1, pfswrap_key_decode(again, text, 43));
        text[i % 44] = (char)(text[i % 44] | 0x80);
        ck_assert_int_eq(-1, pfswrap_key_decode(again, text, 44));
    }
}
END_TEST

START_TEST(a_public_key_is_derived_as_in_RFC_7748)
{
    /* Section 6.1: Alice's key pair. */
    static const char alice[] = "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a";
    uint8_t secret[32], public_key[32];
    char text[PFSWRAP_KEY_TEXT_BYTES];

    ck_assert_int_eq(0, sodium_hex2bin(secret, sizeof secret, alice, strlen(alice), NULL, NULL, NULL));
    pfswrap_key_derive_public(public_key, secret);
    pfswrap_key_encode(text, public_key);
    ck_assert_str_eq(KEY_A, text);
}
END_TEST

static TCase *cases(void)
{
    TCase *tc = tcase_create("keyring");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_peers_file_gives_names_keys_and_dates);
    tcase_add_test(tc, dates_are_read_to_the_second);
    tcase_add_test(tc, every_invalid_line_is_named_with_what_was_expected);
    tcase_add_test(tc, every_point_of_small_order_is_refused_and_its_neighbours_are_not);
    tcase_add_test(tc, a_name_may_have_several_keys_and_the_table_grows);
    tcase_add_test(tc, identities_and_psks_are_sixteen_each_and_never_twice);
    tcase_add_test(tc, a_key_file_is_read_if_no_other_user_can_read_it);
    tcase_add_test(tc, a_key_file_of_another_user_or_of_another_kind_is_refused);
    tcase_add_test(tc, a_key_file_without_a_key_is_refused);
    tcase_add_test(tc, a_key_file_says_when_the_key_was_made_or_its_time_does);
    tcase_add_test(tc, a_peers_file_may_be_read_but_not_written_by_others);
    tcase_add_test(tc, base64_is_exact_and_round_trips);
    tcase_add_test(tc, a_public_key_is_derived_as_in_RFC_7748);
    return tc;
}

int main(void)
{
    return run_suite(cases(), "keyring");
}
