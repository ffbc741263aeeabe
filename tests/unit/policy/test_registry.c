/* The registries: lookup by name in any spelling and case, and by number; no number or name occurs twice. */
#include "support.h"

#include "policy/registry.h"

#include <strings.h>

START_TEST(a_group_is_found_by_each_of_its_names)
{
    static const struct {
        const char *name;
        uint16_t id;
        enum tls_group_kind kind;
    } known[] = {
        {"P-256", 23, TLS_GROUP_ECDHE},
        {"secp256r1", 23, TLS_GROUP_ECDHE},
        {"prime256v1", 23, TLS_GROUP_ECDHE},
        {"x25519", 29, TLS_GROUP_ECDHE},
        {"X25519", 29, TLS_GROUP_ECDHE},
        {"x448", 30, TLS_GROUP_ECDHE},
        {"P-521", 25, TLS_GROUP_ECDHE},
        {"brainpoolp256r1TLS13", 31, TLS_GROUP_ECDHE},
        {"curveSM2", 41, TLS_GROUP_ECDHE},
        {"GC512C", 40, TLS_GROUP_ECDHE},
        {"X25519MLKEM768", 4588, TLS_GROUP_HYBRID},
        {"SecP256r1MLKEM768", 4587, TLS_GROUP_HYBRID},
        {"SecP384r1MLKEM1024", 4589, TLS_GROUP_HYBRID},
        {"curveSM2MLKEM768", 4590, TLS_GROUP_HYBRID},
        {"MLKEM512", 512, TLS_GROUP_KEM},
        {"MLKEM1024", 514, TLS_GROUP_KEM},
        {"ffdhe2048", 256, TLS_GROUP_FFDHE},
        {"FFDHE8192", 260, TLS_GROUP_FFDHE},
        {"P-224", 21, TLS_GROUP_LEGACY},
        {"secp256k1", 22, TLS_GROUP_LEGACY},
        {"brainpoolP256r1", 26, TLS_GROUP_LEGACY},
        {"sect571r1", 14, TLS_GROUP_LEGACY},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        const struct tls_group *group = tls_group_by_name(known[i].name);
        ck_assert_msg(group != NULL, "%s is not found", known[i].name);
        ck_assert_uint_eq(group->id, known[i].id);
        ck_assert_int_eq(group->kind, known[i].kind);
        ck_assert_ptr_eq(tls_group_by_id(known[i].id), group);
    }
    ck_assert_ptr_null(tls_group_by_name("P-257"));
    ck_assert_ptr_null(tls_group_by_name(""));
    ck_assert_ptr_null(tls_group_by_id(0));
}
END_TEST

START_TEST(each_name_and_each_number_means_one_group)
{
    unsigned count = 0;
    for (unsigned id = 0; id <= UINT16_MAX; id++) {
        const struct tls_group *group = tls_group_by_id((uint16_t)id);
        if (group == NULL)
            continue;
        count++;
        ck_assert_uint_eq(group->id, id);
        ck_assert_ptr_eq(tls_group_by_name(group->name), group);
        ck_assert_ptr_eq(tls_group_by_name(group->iana), group);
        if (group->openssl != NULL)
            ck_assert_ptr_eq(tls_group_by_name(group->openssl), group);
    }
    ck_assert_uint_eq(count, 57); /* 41 curves, 4 + 2 hybrids, 3 ML-KEM, 5 ffdhe, 2 explicit */
}
END_TEST

START_TEST(a_cipher_suite_is_found_by_name_and_number)
{
    const struct tls_ciphersuite *suite = tls_ciphersuite_by_name("tls_aes_256_gcm_sha384");
    ck_assert_ptr_nonnull(suite);
    ck_assert_uint_eq(suite->id, 0x1302);
    ck_assert_str_eq(suite->name, "TLS_AES_256_GCM_SHA384");
    ck_assert_ptr_eq(tls_ciphersuite_by_id(0x1302), suite);
    ck_assert_ptr_null(tls_ciphersuite_by_id(0xc02f));
    ck_assert_ptr_null(tls_ciphersuite_by_name("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"));
    unsigned count = 0;
    for (unsigned id = 0; id <= UINT16_MAX; id++) {
        suite = tls_ciphersuite_by_id((uint16_t)id);
        if (suite == NULL)
            continue;
        count++;
        ck_assert_ptr_eq(tls_ciphersuite_by_name(suite->name), suite);
    }
    ck_assert_uint_eq(count, 13);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("registry");
    tcase_add_test(cases, a_group_is_found_by_each_of_its_names);
    tcase_add_test(cases, each_name_and_each_number_means_one_group);
    tcase_add_test(cases, a_cipher_suite_is_found_by_name_and_number);
    return run_suite(cases, "policy registry");
}
