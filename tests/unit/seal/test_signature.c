/*
 * Signatures of minisign on peers files: a file that minisign 0.11 has signed is verified, each change of it is
 * refused, and what a trusted comment may say.
 */
#include "../suite.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "seal/keyring.h"
#include "seal/signed_peers.h"

static const char public_key[] = "RWQuppe6s/zKTfoLxbDrVuLFw2nduF3cwH271XGrdfCiL99K73Y2Oq2N";
static const char content[] = "# signed peers\nredis-1 hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=\n";
static const char signed_text[] =
    "untrusted comment: signature of a test\n"
    "RUQuppe6s/zKTSQy8iH09dH5PJleCLNCZlRGwSUzRWziNX+xlZdbgvcuGo2zsa6VK3s/z+wbnwZdODNcHvGdrG0vn9u35AIo9Aw=\n"
    "trusted comment: pfswrap peers serial=42 created=2026-11-30T07:00:00Z\n"
    "UAY+spn1SUKP7eB1+EMsyRZ9KkpAVlYMa0rRMZfBsPuvW3QQnNuj0RyELGNaaoKOWvO/C0LbEluhPfS9ndZaCw==\n";

static struct signature_key key;
static struct signature signature;
static struct pfswrap_keys_error error;

static void setup(void)
{
    ck_assert_int_ge(sodium_init(), 0);
    ck_assert_int_eq(0, signature_key_decode(&key, public_key, strlen(public_key)));
    memset(&error, 0, sizeof error);
}

static int parse(const char *text, size_t length)
{
    return signature_parse(&signature, text, length, "f.minisig", &error);
}

static int verify(const char *text, size_t length, const char *of)
{
    if (parse(text, length) != 0)
        return -1;
    return signature_verify(&signature, &key, 1, of, strlen(of), "f.minisig", &error);
}

START_TEST(a_file_that_minisign_has_signed_is_verified)
{
    ck_assert_int_eq(0, verify(signed_text, strlen(signed_text), content));
    ck_assert_str_eq("pfswrap peers serial=42 created=2026-11-30T07:00:00Z", signature.comment);
    ck_assert_int_eq(-1, verify(signed_text, strlen(signed_text), "other content\n"));
    ck_assert_ptr_nonnull(strstr(error.text, "f.minisig:2: not a signature of this file by key "));
}
END_TEST

START_TEST(a_change_of_one_bit_is_refused)
{
    char changed[sizeof signed_text];
    const char *const second = strchr(signed_text, '\n') + 1; /* the first line is not signed */
    const size_t first = (size_t)(second - signed_text);
    for (size_t i = first; i < strlen(signed_text) - 1; i++)
        for (int bit = 0; bit < 8; bit++) {
            memcpy(changed, signed_text, sizeof changed);
            changed[i] = (char)(changed[i] ^ 1 << bit);
            ck_assert_msg(verify(changed, sizeof changed - 1, content) == -1, "byte %zu, bit %d", i, bit);
            ck_assert_ptr_nonnull(strstr(error.text, "f.minisig:"));
        }
}
END_TEST

START_TEST(a_file_that_is_cut_or_longer_is_refused)
{
    char longer[sizeof signed_text + 2];
    for (size_t length = 0; length < strlen(signed_text) - 1; length++)
        ck_assert_int_eq(-1, verify(signed_text, length, content));
    ck_assert_int_eq(0, verify(signed_text, strlen(signed_text) - 1, content)); /* without the last newline */
    snprintf(longer, sizeof longer, "%s\n", signed_text);
    ck_assert_int_eq(-1, verify(longer, strlen(longer), content));
    ck_assert_str_eq("f.minisig:4: expected the signature of the trusted comment, and nothing after it",
                     error.text);
}
END_TEST

START_TEST(another_key_is_refused_by_its_id_or_by_the_signature)
{
    struct signature_key other = key;
    other.id[0] ^= 1;
    ck_assert_int_eq(0, parse(signed_text, strlen(signed_text)));
    ck_assert_int_eq(-1, signature_verify(&signature, &other, 1, content, strlen(content), "f", &error));
    ck_assert_ptr_nonnull(strstr(error.text, ", expected one of peers-signer"));
    ck_assert_int_eq(-1, signature_verify(&signature, NULL, 0, content, strlen(content), "f", &error));
    other = key;
    other.public_key[0] ^= 1;
    ck_assert_int_eq(-1, signature_verify(&signature, &other, 1, content, strlen(content), "f", &error));
    const struct signature_key both[] = {{.id = {1}}, key};
    ck_assert_int_eq(1, signature_verify(&signature, both, 2, content, strlen(content), "f", &error));
}
END_TEST

START_TEST(a_public_key_is_56_characters_that_begin_with_RW)
{
    char text[SIGNATURE_KEY_TEXT_BYTES];
    signature_key_encode(text, &key);
    ck_assert_str_eq(public_key, text);
    ck_assert_int_eq(-1, signature_key_decode(&key, public_key, strlen(public_key) - 1));
    memcpy(text, public_key, sizeof text);
    text[0] = 'Q';
    ck_assert_int_eq(-1, signature_key_decode(&key, text, strlen(text)));
    ck_assert_int_eq(-1, signature_key_decode(&key, "", 0));
}
END_TEST

START_TEST(a_trusted_comment_has_a_serial_number_and_perhaps_a_date)
{
    static const char *const wrong[] = {
        "",
        "pfswrap peers",
        "pfswrap peers ",
        "pfswrap peers created=2026-11-30",
        "pfswrap peers serial=",
        "pfswrap peers serial=0",
        "pfswrap peers serial=01",
        "pfswrap peers serial=-1",
        "pfswrap peers serial=9223372036854775808",
        "pfswrap peers serial=99999999999999999999",
        "pfswrap peers serial=1 serial=1",
        "pfswrap peers serial=1 created=2026-02-30",
        "pfswrap peers serial=1 created=2026-11-30 created=2026-11-30",
        "pfswrap peers serial=1  created=2026-11-30",
        "pfswrap peers serial=1 x",
        "pfswrap peers serial=1\t",
        "pfswrap psks serial=1",
        " pfswrap peers serial=1",
    };
    struct signed_peers version;
    ck_assert_int_eq(0,
                     signed_peers_read_comment(&version, "pfswrap peers serial=9223372036854775807", "f", &error));
    ck_assert_uint_eq(INT64_MAX, version.serial);
    ck_assert_int_eq(0, version.created);
    ck_assert_int_eq(
        0, signed_peers_read_comment(&version, "pfswrap peers created=1970-01-01T00:01:00Z serial=7", "f", &error));
    ck_assert_uint_eq(7, version.serial);
    ck_assert_int_eq(60, version.created);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ck_assert_msg(signed_peers_read_comment(&version, wrong[i], "f", &error) == -1, "%s", wrong[i]);
    ck_assert_ptr_nonnull(strstr(error.text, "f:3: expected trusted comment: pfswrap peers serial=NUMBER"));
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("signature");
    tcase_add_checked_fixture(cases, setup, NULL);
    tcase_add_test(cases, a_file_that_minisign_has_signed_is_verified);
    tcase_add_test(cases, a_change_of_one_bit_is_refused);
    tcase_add_test(cases, a_file_that_is_cut_or_longer_is_refused);
    tcase_add_test(cases, another_key_is_refused_by_its_id_or_by_the_signature);
    tcase_add_test(cases, a_public_key_is_56_characters_that_begin_with_RW);
    tcase_add_test(cases, a_trusted_comment_has_a_serial_number_and_perhaps_a_date);
    return run_suite(cases, "signature");
}
