/* tls_signature_complete: what a program's list of signature algorithms lacks for TLS 1.3 is added at its end. */
#include "../suite.h"

#include <string.h>

#include "config/init.h"
#include "config/override.h"
#include "tls/signature.h"
#include "tls/state.h"

/* What the calls that set lists need, and completing a list does not. */
const struct policy *pfswrap_policy(void)
{
    ck_abort_msg("completing a list asks for no policy");
    return NULL;
}

void override_report(const char *setting, const char *asked, const char *forced)
{
    (void)setting, (void)asked, (void)forced;
    ck_abort_msg("completing a list logs nothing");
}

struct tls_saved_errors tls_errors_save(const struct libssl *lib)
{
    return (struct tls_saved_errors){.lib = lib};
}

void tls_errors_restore(struct tls_saved_errors saved)
{
    (void)saved;
}

enum { SIZE = 256 };

static void expect_completed(const char *list, const char *expected)
{
    char completed[SIZE];
    ck_assert_msg(tls_signature_complete(list, completed, sizeof completed), "not changed: %s", list);
    ck_assert_str_eq(completed, expected);
}

static void expect_unchanged(const char *list)
{
    char completed[SIZE];
    ck_assert_msg(!tls_signature_complete(list, completed, sizeof completed), "changed: %s", list);
}

START_TEST(pkcs1_algorithms_get_their_pss_ones_in_order_and_once)
{
    expect_completed("RSA+SHA256", "RSA+SHA256:rsa_pss_rsae_sha256");
    expect_completed("rsa_pkcs1_sha384", "rsa_pkcs1_sha384:rsa_pss_rsae_sha384");
    expect_completed("RSA+SHA512:RSA+SHA1:RSA+SHA256", "RSA+SHA512:RSA+SHA1:RSA+SHA256:rsa_pss_rsae_sha512:"
                                                       "rsa_pss_rsae_sha256");
    expect_completed("ECDSA+SHA1", "ECDSA+SHA1:ecdsa_secp256r1_sha256");
}
END_TEST

START_TEST(a_list_that_is_enough_for_tls13_is_unchanged)
{
    expect_unchanged("rsa_pss_rsae_sha256");
    expect_unchanged("RSA+SHA256:RSA-PSS+SHA256");
    expect_unchanged("ECDSA+SHA256:ECDSA+SHA384");
    expect_unchanged("ed25519");
    expect_unchanged("ed448:PSS+SHA512");
}
END_TEST

START_TEST(case_and_the_mark_of_optional_algorithms_do_not_matter)
{
    expect_unchanged("rsa+sha256:rsa-pss+sha256");
    expect_unchanged("?ed25519");
    expect_completed("?RSA+SHA256", "?RSA+SHA256:rsa_pss_rsae_sha256");
}
END_TEST

START_TEST(a_list_with_nothing_for_tls13_gets_the_usual_algorithms)
{
    expect_completed("DSA+SHA256", "DSA+SHA256:rsa_pss_rsae_sha256:ecdsa_secp256r1_sha256:ed25519");
}
END_TEST

START_TEST(a_list_without_room_for_more_is_unchanged)
{
    char completed[sizeof "RSA+SHA256:rsa_pss_rsae_sha256"];
    ck_assert(tls_signature_complete("RSA+SHA256", completed, sizeof completed));
    ck_assert(!tls_signature_complete("RSA+SHA256", completed, sizeof completed - 1));
    ck_assert(!tls_signature_complete("RSA+SHA256", completed, sizeof "RSA+SHA256"));
    ck_assert(!tls_signature_complete("RSA+SHA256", completed, sizeof "RSA+SHA256" - 1));
    ck_assert(!tls_signature_complete("", completed, 0));
}
END_TEST

START_TEST(empty_entries_do_not_hang_or_crash_it)
{
    char completed[SIZE];
    (void)tls_signature_complete("", completed, sizeof completed);
    (void)tls_signature_complete(":", completed, sizeof completed);
    (void)tls_signature_complete("::RSA+SHA256::", completed, sizeof completed);
    (void)tls_signature_complete("?", completed, sizeof completed);
    (void)tls_signature_complete("?:?", completed, sizeof completed);
    ck_assert_ptr_nonnull(strstr(completed, "ed25519"));
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("signature");
    tcase_add_test(cases, pkcs1_algorithms_get_their_pss_ones_in_order_and_once);
    tcase_add_test(cases, a_list_that_is_enough_for_tls13_is_unchanged);
    tcase_add_test(cases, case_and_the_mark_of_optional_algorithms_do_not_matter);
    tcase_add_test(cases, a_list_with_nothing_for_tls13_gets_the_usual_algorithms);
    tcase_add_test(cases, a_list_without_room_for_more_is_unchanged);
    tcase_add_test(cases, empty_entries_do_not_hang_or_crash_it);
    return run_suite(cases, "signature");
}
