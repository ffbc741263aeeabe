/*
 * Cipher suites: which the policy allows, and what a connection's lists become.
 */
#include "../suite.h"

#include <stdio.h>
#include <string.h>

#include "config/init.h"
#include "config/override.h"
#include "tls/ciphers.h"

static struct policy policy;

const struct policy *pfswrap_policy(void)
{
    return &policy;
}

static char overrides[1024]; /* "setting=asked>forced " */

void override_report(const char *setting, const char *asked, const char *forced)
{
    size_t used = strlen(overrides);
    (void)snprintf(overrides + used, sizeof overrides - used, "%s=%s>%s ", setting, asked, forced);
}

/* libssl's ciphers; a pointer to one of these is a SSL_CIPHER. */
static const struct cipher {
    uint32_t id;
    int exchange;
    bool is_aead;
} aes128 = {0x03001301, NID_kx_any, true}, ccm8 = {0x03001305, NID_kx_any, true},
  ecdhe_gcm = {0x0300c02f, NID_kx_ecdhe, true}, ecdhe_psk = {0x0300ccac, NID_kx_ecdhe_psk, true},
  ecdhe_cbc = {0x0300c013, NID_kx_ecdhe, false}, rsa_gcm = {0x0300009c, NID_kx_rsa, true},
  dhe_gcm = {0x0300009e, NID_kx_dhe, true};

static uint32_t fake_id(const SSL_CIPHER *cipher)
{
    return ((const struct cipher *)(const void *)cipher)->id;
}

static int fake_exchange(const SSL_CIPHER *cipher)
{
    return ((const struct cipher *)(const void *)cipher)->exchange;
}

static int fake_is_aead(const SSL_CIPHER *cipher)
{
    return ((const struct cipher *)(const void *)cipher)->is_aead;
}

/* A connection's ciphers: a list that ends with NULL. */
static const struct cipher *const *connection_ciphers;

static STACK_OF(SSL_CIPHER) * fake_get_ciphers(const SSL *ssl)
{
    (void)ssl;
    return (STACK_OF(SSL_CIPHER) *)(void *)(uintptr_t)connection_ciphers;
}

static int fake_count(const OPENSSL_STACK *stack)
{
    const struct cipher *const *list = (const void *)stack;
    int count = 0;
    while (list[count] != NULL)
        count++;
    return count;
}

static void *fake_value(const OPENSSL_STACK *stack, int index)
{
    const struct cipher *const *list = (const void *)stack;
    return (void *)(uintptr_t)list[index];
}

static char suites_set[LIBSSL_LIST_MAX], list_set[LIBSSL_LIST_MAX];
static int answer = 1;

static int fake_set_suites(SSL *ssl, const char *list)
{
    (void)ssl;
    (void)snprintf(suites_set, sizeof suites_set, "%s", list);
    return answer;
}

static int fake_set_list(SSL *ssl, const char *list)
{
    (void)ssl;
    (void)snprintf(list_set, sizeof list_set, "%s", list);
    return answer;
}

static int fake_context_set_suites(SSL_CTX *context, const char *list)
{
    (void)context;
    (void)snprintf(suites_set, sizeof suites_set, "%s", list);
    return answer;
}

static struct libssl lib = {
    .SSL_CIPHER_get_id = fake_id,
    .SSL_CIPHER_get_kx_nid = fake_exchange,
    .SSL_CIPHER_is_aead = fake_is_aead,
    .SSL_get_ciphers = fake_get_ciphers,
    .OPENSSL_sk_num = fake_count,
    .OPENSSL_sk_value = fake_value,
    .SSL_set_ciphersuites = fake_set_suites,
    .SSL_set_cipher_list = fake_set_list,
    .SSL_CTX_set_ciphersuites = fake_context_set_suites,
};

#define LIST(...) ((const struct cipher *const[]){__VA_ARGS__, NULL})
static const char policy_suites[] = "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256";

static void setup(void)
{
    policy_builtin(&policy);
    policy.tls.ciphersuites[0] = 0x1302;
    policy.tls.ciphersuites[1] = 0x1301;
    policy.tls.ciphersuite_count = 2;
}

static bool is_allowed(const struct cipher *cipher)
{
    return tls_cipher_is_allowed(&lib, (const SSL_CIPHER *)(const void *)cipher);
}

static const char *enforce(const struct cipher *const *ciphers, bool dtls)
{
    connection_ciphers = ciphers;
    return tls_ciphers_enforce(&lib, NULL, dtls, true);
}

START_TEST(the_suites_of_the_policy_and_ecdhe_with_aead_are_allowed)
{
    ck_assert(is_allowed(&aes128));
    ck_assert(!is_allowed(&ccm8));
    ck_assert(is_allowed(&ecdhe_gcm));
    ck_assert(is_allowed(&ecdhe_psk));
    ck_assert(!is_allowed(&ecdhe_cbc));
    ck_assert(!is_allowed(&rsa_gcm));
    ck_assert(!is_allowed(&dhe_gcm));
}
END_TEST

START_TEST(a_new_context_gets_the_policys_suites_in_the_policys_order)
{
    ck_assert_ptr_null(tls_ciphers_begin(&lib, NULL));
    ck_assert_str_eq(suites_set, policy_suites);
    answer = 0;
    ck_assert_ptr_nonnull(tls_ciphers_begin(&lib, NULL));
}
END_TEST

START_TEST(a_list_with_an_allowed_suite_is_kept)
{
    ck_assert_ptr_null(enforce(LIST(&aes128), false));
    ck_assert_str_eq(overrides, "");
    ck_assert_ptr_null(enforce(LIST(&ccm8, &aes128), false));
    ck_assert_str_eq(suites_set, "");
    ck_assert_ptr_nonnull(strstr(overrides, "ciphersuites=some outside the policy>"));
}
END_TEST

START_TEST(a_list_without_an_allowed_suite_is_replaced)
{
    ck_assert_ptr_null(enforce(LIST(&ccm8), false));
    ck_assert_str_eq(suites_set, policy_suites);
    suites_set[0] = overrides[0] = '\0';
    ck_assert_ptr_null(enforce(LIST(&ecdhe_gcm), false));
    ck_assert_str_eq(suites_set, policy_suites);
    ck_assert_ptr_nonnull(strstr(overrides, "ciphersuites=none>"));
    answer = 0;
    ck_assert_ptr_nonnull(enforce(LIST(&ccm8), false));
}
END_TEST

START_TEST(ciphers_of_tls12_matter_only_where_the_policy_allows_tls12)
{
    ck_assert_ptr_null(enforce(LIST(&aes128, &rsa_gcm), false));
    ck_assert_str_eq(list_set, "");
    policy.tls.min_version = TLS1_2_VERSION;
    ck_assert_ptr_null(enforce(LIST(&aes128, &rsa_gcm), false));
    ck_assert_str_eq(list_set, "ECDHE+AESGCM:ECDHE+CHACHA20");
    list_set[0] = '\0';
    ck_assert_ptr_null(enforce(LIST(&aes128, &rsa_gcm, &ecdhe_gcm), false));
    ck_assert_str_eq(list_set, "");
}
END_TEST

START_TEST(dtls_needs_a_cipher_of_dtls12_and_no_suite_of_tls13)
{
    ck_assert_ptr_null(enforce(LIST(&ecdhe_gcm), true));
    ck_assert_str_eq(suites_set, "");
    ck_assert_str_eq(list_set, "");
    ck_assert_ptr_null(enforce(LIST(&dhe_gcm), true));
    ck_assert_str_eq(list_set, "ECDHE+AESGCM:ECDHE+CHACHA20");
    answer = 0;
    ck_assert_ptr_nonnull(enforce(LIST(&dhe_gcm), true));
}
END_TEST

START_TEST(without_enforcement_nothing_is_set)
{
    connection_ciphers = LIST(&ccm8);
    ck_assert_ptr_null(tls_ciphers_enforce(&lib, NULL, false, false));
    ck_assert_str_eq(suites_set, "");
    ck_assert_ptr_nonnull(strstr(overrides, "ciphersuites="));
}
END_TEST

START_TEST(a_cipher_list_is_reported_if_it_has_a_cipher_without_forward_secrecy)
{
    connection_ciphers = LIST(&aes128, &ecdhe_gcm);
    tls_ciphers_report(&lib, fake_get_ciphers(NULL), "HIGH");
    ck_assert_str_eq(overrides, "");
    connection_ciphers = LIST(&aes128, &ecdhe_gcm, &rsa_gcm);
    tls_ciphers_report(&lib, fake_get_ciphers(NULL), "ALL");
    ck_assert_ptr_nonnull(strstr(overrides, "cipher-list=ALL>"));
    tls_ciphers_report(&lib, NULL, "ALL");
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("ciphers");
    tcase_add_checked_fixture(cases, setup, NULL);
    tcase_add_test(cases, the_suites_of_the_policy_and_ecdhe_with_aead_are_allowed);
    tcase_add_test(cases, a_new_context_gets_the_policys_suites_in_the_policys_order);
    tcase_add_test(cases, a_list_with_an_allowed_suite_is_kept);
    tcase_add_test(cases, a_list_without_an_allowed_suite_is_replaced);
    tcase_add_test(cases, ciphers_of_tls12_matter_only_where_the_policy_allows_tls12);
    tcase_add_test(cases, dtls_needs_a_cipher_of_dtls12_and_no_suite_of_tls13);
    tcase_add_test(cases, without_enforcement_nothing_is_set);
    tcase_add_test(cases, a_cipher_list_is_reported_if_it_has_a_cipher_without_forward_secrecy);
    return run_suite(cases, "ciphers");
}
