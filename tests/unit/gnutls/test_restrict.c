/*
 * Priority strings of GnuTLS: what the policy makes of them.
 */
#include "../suite.h"

#include <stdio.h>
#include <string.h>

#include "config/init.h"
#include "config/override.h"
#include "gnutls/algorithm.h"
#include "gnutls/restrict.h"

static struct policy policy;

const struct policy *pfswrap_policy(void)
{
    return &policy;
}

static char override[PRIORITY_MAX]; /* the string of the last override */

void override_report(const char *setting, const char *asked, const char *forced)
{
    (void)forced;
    ck_assert_str_eq(setting, "priority");
    (void)snprintf(override, sizeof override, "%s", asked);
}

/* What the library makes of the program's string: lists that end with 0. */
static struct lists {
    unsigned protocols[8], groups[8], ciphers[8], kx[8], signatures[8];
} asked;

static int parse_result; /* of the program's string */
static int parsed, freed;
static const char *parsed_string;
static unsigned parsed_flags;

static int fake_init2(gnutls_priority_t *priority, const char *string, const char **error, unsigned flags)
{
    parsed++;
    parsed_string = string;
    parsed_flags = flags;
    *priority = (gnutls_priority_t)(void *)&asked;
    if (parse_result < 0 && error != NULL)
        *error = string + 1;
    return parse_result;
}

static void fake_deinit(gnutls_priority_t priority)
{
    ck_assert_ptr_eq((void *)priority, &asked);
    freed++;
}

static int count_of(const unsigned *values, const unsigned **list)
{
    int count = 0;
    while (values[count] != 0)
        count++;
    *list = values;
    return count;
}

static int fake_protocols(gnutls_priority_t priority, const unsigned **list)
{
    (void)priority;
    return count_of(asked.protocols, list);
}

static int fake_groups(gnutls_priority_t priority, const unsigned **list)
{
    (void)priority;
    return count_of(asked.groups, list);
}

static int fake_ciphers(gnutls_priority_t priority, const unsigned **list)
{
    (void)priority;
    return count_of(asked.ciphers, list);
}

static int fake_kx(gnutls_priority_t priority, const unsigned **list)
{
    (void)priority;
    return count_of(asked.kx, list);
}

static int fake_signatures(gnutls_priority_t priority, const unsigned **list)
{
    (void)priority;
    return count_of(asked.signatures, list);
}

/* The library does not know groups with ML-KEM, as 3.7 does not. */
static bool has_groups = true, has_ciphers = true;

static gnutls_group_t fake_group_id(const char *name)
{
    return !has_groups                      ? GNUTLS_GROUP_INVALID
           : strcmp(name, "X25519") == 0    ? GNUTLS_GROUP_X25519
           : strcmp(name, "SECP256R1") == 0 ? GNUTLS_GROUP_SECP256R1
           : strcmp(name, "SECP384R1") == 0 ? GNUTLS_GROUP_SECP384R1
                                            : GNUTLS_GROUP_INVALID;
}

static gnutls_cipher_algorithm_t fake_cipher_id(const char *name)
{
    return !has_ciphers                         ? GNUTLS_CIPHER_UNKNOWN
           : strcmp(name, "AES-128-GCM") == 0   ? GNUTLS_CIPHER_AES_128_GCM
           : strcmp(name, "AES-256-GCM") == 0   ? GNUTLS_CIPHER_AES_256_GCM
           : strcmp(name, "AES-128-CCM-8") == 0 ? GNUTLS_CIPHER_AES_128_CCM_8
                                                : GNUTLS_CIPHER_UNKNOWN;
}

static const struct gnutls lib = {
    .gnutls_priority_init2 = fake_init2,
    .gnutls_priority_deinit = fake_deinit,
    .gnutls_priority_protocol_list = fake_protocols,
    .gnutls_priority_group_list = fake_groups,
    .gnutls_priority_cipher_list = fake_ciphers,
    .gnutls_priority_kx_list = fake_kx,
    .gnutls_priority_sign_list = fake_signatures,
    .gnutls_group_get_id = fake_group_id,
    .gnutls_cipher_get_id = fake_cipher_id,
};

/* A program whose string agrees with the policy: X25519MLKEM768, X25519 and P-256; AES-256-GCM and AES-128-GCM. */
static void setup(void)
{
    policy_builtin(&policy);
    policy.tls = (struct policy_tls){.min_version = 0x0304,
                                     .groups = {0x11ec, 29, 23},
                                     .group_count = 3,
                                     .ciphersuites = {0x1302, 0x1301},
                                     .ciphersuite_count = 2};
    asked = (struct lists){.protocols = {GNUTLS_TLS1_3},
                           .groups = {GNUTLS_GROUP_SECP256R1, GNUTLS_GROUP_X25519},
                           .ciphers = {GNUTLS_CIPHER_AES_128_GCM, GNUTLS_CIPHER_AES_256_GCM},
                           .kx = {GNUTLS_KX_ECDHE_RSA}};
}

static struct priority_restricted result;

static const char *restricted(const char *string, bool is_datagram)
{
    ck_assert_int_eq(priority_restrict(&lib, &result, string, NULL, 0, is_datagram), 0);
    ck_assert_int_eq(freed, parsed);
    return result.string;
}

START_TEST(groups_and_ciphers_that_the_policy_allows_are_kept_in_the_programs_order)
{
    ck_assert_str_eq(restricted("NORMAL", false),
                     "NORMAL:-VERS-ALL:+VERS-TLS1.3:-KX-ALL:-MAC-ALL:+AEAD:-GROUP-ALL:+GROUP-SECP256R1:"
                     "+GROUP-X25519:-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM");
    ck_assert_str_eq(override, "");
}
END_TEST

START_TEST(groups_and_ciphers_that_the_policy_does_not_allow_are_removed_and_reported)
{
    asked.groups[0] = GNUTLS_GROUP_FFDHE2048;
    asked.ciphers[0] = GNUTLS_CIPHER_AES_128_CBC;
    ck_assert_str_eq(restricted("LEGACY", false),
                     "LEGACY:-VERS-ALL:+VERS-TLS1.3:-KX-ALL:-MAC-ALL:+AEAD:-GROUP-ALL:+GROUP-X25519:-CIPHER-ALL:"
                     "+AES-256-GCM");
    ck_assert_str_eq(override, "LEGACY");
}
END_TEST

START_TEST(a_program_without_an_allowed_group_or_cipher_gets_the_policys_that_the_library_knows)
{
    asked.groups[0] = GNUTLS_GROUP_FFDHE2048;
    asked.groups[1] = 0;
    asked.ciphers[0] = GNUTLS_CIPHER_AES_128_CBC;
    asked.ciphers[1] = 0;
    ck_assert_ptr_nonnull(strstr(restricted("NORMAL", false), ":-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:"
                                                              "-CIPHER-ALL:+AES-256-GCM:+AES-128-GCM"));
}
END_TEST

START_TEST(an_older_version_alone_is_an_override)
{
    asked.protocols[1] = GNUTLS_TLS1_2;
    (void)restricted("NORMAL", false);
    ck_assert_str_eq(override, "NORMAL");
    override[0] = '\0';
    policy.tls.min_version = 0x0303;
    (void)restricted("NORMAL", false);
    ck_assert_str_eq(override, "");
    asked.protocols[1] = GNUTLS_TLS1_1;
    (void)restricted("NORMAL", false);
    ck_assert_str_eq(override, "NORMAL");
}
END_TEST

START_TEST(tls12_comes_with_its_ephemeral_key_exchanges_where_the_policy_allows_it)
{
    policy.tls.min_version = 0x0303;
    ck_assert_ptr_nonnull(strstr(restricted("NORMAL", false),
                                 ":-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:-MAC-ALL"));
}
END_TEST

START_TEST(a_datagram_session_gets_dtls12_and_no_tls)
{
    const char *string = restricted("NORMAL", true);
    ck_assert_ptr_nonnull(
        strstr(string, ":-VERS-ALL:+VERS-DTLS1.2:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:-MAC-ALL:+AEAD"));
    ck_assert_ptr_null(strstr(string, "VERS-TLS"));
}
END_TEST

START_TEST(a_preshared_key_of_any_kind_becomes_one_with_ecdhe)
{
    static const unsigned kinds[] = {GNUTLS_KX_PSK, GNUTLS_KX_DHE_PSK, GNUTLS_KX_ECDHE_PSK, GNUTLS_KX_RSA_PSK};
    asked.kx[0] = kinds[_i];
    ck_assert_ptr_nonnull(strstr(restricted("NORMAL", false), ":-KX-ALL:+ECDHE-PSK:-MAC-ALL"));
}
END_TEST

START_TEST(a_string_for_tls12_gets_the_signatures_that_it_lacks_for_tls13)
{
    asked.protocols[0] = GNUTLS_TLS1_2;
    asked.signatures[0] = GNUTLS_SIGN_RSA_SHA256;
    asked.signatures[1] = GNUTLS_SIGN_RSA_PSS_RSAE_SHA384;
    const char *string = restricted("NORMAL", false);
    ck_assert_ptr_nonnull(strstr(string, ":+SIGN-RSA-PSS-RSAE-SHA256:+SIGN-ECDSA-SECP256R1-SHA256"));
    ck_assert_ptr_null(strstr(string, "+SIGN-RSA-PSS-RSAE-SHA384"));
    asked.protocols[1] = GNUTLS_TLS1_3;
    ck_assert_ptr_null(strstr(restricted("NORMAL", false), "+SIGN"));
}
END_TEST

START_TEST(the_librarys_default_is_restricted_by_a_string_that_is_appended_to_it)
{
    ck_assert_str_eq(restricted(NULL, false),
                     "-VERS-ALL:+VERS-TLS1.3:-KX-ALL:-MAC-ALL:+AEAD:-GROUP-ALL:+GROUP-SECP256R1:+GROUP-X25519:"
                     "-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM");
    ck_assert_uint_eq(result.flags, GNUTLS_PRIORITY_INIT_DEF_APPEND);
    asked.groups[0] = GNUTLS_GROUP_FFDHE2048; /* the default is not what the program asked for */
    (void)restricted(NULL, false);
    ck_assert_str_eq(override, "");
}
END_TEST

START_TEST(the_programs_flags_are_kept)
{
    const unsigned flags = GNUTLS_PRIORITY_INIT_DEF_APPEND;
    ck_assert_int_eq(priority_restrict(&lib, &result, "-GROUP-X25519", NULL, flags, false), 0);
    ck_assert_uint_eq(parsed_flags, flags);
    ck_assert_uint_eq(result.flags, flags);
    ck_assert_int_eq(strncmp(result.string, "-GROUP-X25519:-VERS-ALL", 23), 0);
    (void)restricted("NORMAL", false);
    ck_assert_uint_eq(result.flags, 0);
}
END_TEST

START_TEST(the_librarys_error_for_the_programs_string_is_returned_with_its_position)
{
    static const char string[] = "NO-SUCH-WORD";
    const char *error = NULL;
    parse_result = GNUTLS_E_INVALID_REQUEST;
    ck_assert_int_eq(priority_restrict(&lib, &result, string, &error, 0, false), GNUTLS_E_INVALID_REQUEST);
    ck_assert_ptr_eq(error, string + 1);
    ck_assert_ptr_eq(parsed_string, string);
    ck_assert_int_eq(freed, 0);
}
END_TEST

START_TEST(a_library_without_a_group_or_a_cipher_of_the_policy_is_refused)
{
    has_groups = false;
    ck_assert_int_eq(priority_restrict(&lib, &result, "NORMAL", NULL, 0, false), GNUTLS_E_NO_PRIORITIES_WERE_SET);
    has_groups = true;
    has_ciphers = false;
    ck_assert_int_eq(priority_restrict(&lib, &result, "NORMAL", NULL, 0, false), GNUTLS_E_NO_PRIORITIES_WERE_SET);
    ck_assert_int_eq(freed, 2);
}
END_TEST

START_TEST(a_string_without_room_for_the_policy_is_refused_and_never_cut)
{
    static char string[PRIORITY_MAX + 100];
    memset(string, ' ', sizeof string - 1);
    size_t appended = strlen(restricted("", false)) + 1; /* and a colon in front */
    string[PRIORITY_MAX - 1 - appended] = '\0';
    ck_assert_uint_eq(strlen(restricted(string, false)), PRIORITY_MAX - 1);
    string[PRIORITY_MAX - 1 - appended] = ' ';
    for (size_t length = PRIORITY_MAX - appended; length < sizeof string; length++) {
        string[length] = '\0';
        ck_assert_int_eq(priority_restrict(&lib, &result, string, NULL, 0, false), GNUTLS_E_NO_PRIORITIES_WERE_SET);
        string[length] = ' ';
    }
}
END_TEST

START_TEST(groups_and_ciphers_have_their_iana_numbers)
{
    ck_assert_uint_eq(algorithm_group_id(&lib, GNUTLS_GROUP_X25519), 29);
    ck_assert_uint_eq(algorithm_group_id(&lib, GNUTLS_GROUP_FFDHE2048), 0);
    ck_assert_uint_eq(algorithm_group_id(&lib, GNUTLS_GROUP_INVALID), 0); /* what unknown names give as well */
    ck_assert_uint_eq(algorithm_suite_id(&lib, GNUTLS_CIPHER_AES_128_CCM_8), 0x1305);
    ck_assert_uint_eq(algorithm_suite_id(&lib, GNUTLS_CIPHER_UNKNOWN), 0);
    ck_assert(algorithm_group_is_allowed(&lib, GNUTLS_GROUP_SECP256R1));
    ck_assert(!algorithm_group_is_allowed(&lib, GNUTLS_GROUP_SECP384R1));
    ck_assert(!algorithm_group_is_allowed(&lib, GNUTLS_GROUP_INVALID));
    ck_assert(!algorithm_cipher_is_allowed(&lib, GNUTLS_CIPHER_AES_128_CCM_8));
    ck_assert_ptr_null(algorithm_group_name(&lib, 0x11ec));
    ck_assert_ptr_null(algorithm_cipher_name(&lib, 0x1303));
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("restrict");
    tcase_add_checked_fixture(cases, setup, NULL);
    tcase_add_test(cases, groups_and_ciphers_that_the_policy_allows_are_kept_in_the_programs_order);
    tcase_add_test(cases, groups_and_ciphers_that_the_policy_does_not_allow_are_removed_and_reported);
    tcase_add_test(cases, a_program_without_an_allowed_group_or_cipher_gets_the_policys_that_the_library_knows);
    tcase_add_test(cases, an_older_version_alone_is_an_override);
    tcase_add_test(cases, tls12_comes_with_its_ephemeral_key_exchanges_where_the_policy_allows_it);
    tcase_add_test(cases, a_datagram_session_gets_dtls12_and_no_tls);
    tcase_add_loop_test(cases, a_preshared_key_of_any_kind_becomes_one_with_ecdhe, 0, 4);
    tcase_add_test(cases, a_string_for_tls12_gets_the_signatures_that_it_lacks_for_tls13);
    tcase_add_test(cases, the_librarys_default_is_restricted_by_a_string_that_is_appended_to_it);
    tcase_add_test(cases, the_programs_flags_are_kept);
    tcase_add_test(cases, the_librarys_error_for_the_programs_string_is_returned_with_its_position);
    tcase_add_test(cases, a_library_without_a_group_or_a_cipher_of_the_policy_is_refused);
    tcase_add_test(cases, a_string_without_room_for_the_policy_is_refused_and_never_cut);
    tcase_add_test(cases, groups_and_ciphers_have_their_iana_numbers);
    return run_suite(cases, "restrict");
}
