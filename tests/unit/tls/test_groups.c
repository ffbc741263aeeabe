/*
 * Key exchange groups: which groups of a program's list remain, and what libssl gets.
 */
#include "../suite.h"

#include <stdio.h>
#include <string.h>

#include "base/fork.h"
#include "config/init.h"
#include "config/override.h"
#include "tls/groups.h"

enum { X25519_ID = 29, P256_ID = 23, HYBRID_ID = 0x11ec, FFDHE2048_ID = 256, MARKED = 0x1000000 };

const struct process_observer *const process_observers[] = {NULL};

static struct policy policy;

const struct policy *pfswrap_policy(void)
{
    return &policy;
}

static char override[1024]; /* the last one: "asked > forced" */

void override_report(const char *setting, const char *asked, const char *forced)
{
    ck_assert_str_eq(setting, "groups");
    (void)snprintf(override, sizeof override, "%s > %s", asked, forced);
}

struct tls_saved_errors tls_errors_save(const struct libssl *lib)
{
    return (struct tls_saved_errors){.lib = lib};
}

void tls_errors_restore(struct tls_saved_errors saved)
{
    (void)saved;
}

/* A libssl that knows these groups, and fails for a list with any other name, as all versions do. */
static const char *const library_groups[] = {"X25519", "prime256v1", "secp384r1", "ffdhe2048", NULL};
static char library_list[LIBSSL_LIST_MAX]; /* the list that it has */
static int calls;

static bool library_knows(const char *name, size_t length)
{
    for (size_t i = 0; library_groups[i] != NULL; i++)
        if (strlen(library_groups[i]) == length && memcmp(library_groups[i], name, length) == 0)
            return true;
    return false;
}

static long fake_ctrl(SSL *ssl, int command, long value, void *pointer)
{
    (void)ssl, (void)value;
    calls++;
    if (command != SSL_CTRL_SET_GROUPS_LIST)
        return pointer != NULL;
    for (const char *at = pointer; *at != '\0';) {
        size_t length = strcspn(at, ":");
        if (!library_knows(at, length))
            return 0;
        at += length + (at[length] == ':');
    }
    (void)snprintf(library_list, sizeof library_list, "%s", (const char *)pointer);
    return 1;
}

static struct libssl lib = {.SSL_ctrl = fake_ctrl};
static const struct tls_target target = {.lib = &lib, .ssl = (SSL *)&lib}; /* only the address is used */

static void setup(void)
{
    policy_builtin(&policy);
    policy.tls.groups[0] = HYBRID_ID;
    policy.tls.groups[1] = X25519_ID;
    policy.tls.groups[2] = P256_ID;
    policy.tls.group_count = 3;
}

START_TEST(the_policys_groups_that_the_library_knows_are_set_in_the_policys_order)
{
    ck_assert_ptr_null(tls_groups_begin(&target));
    ck_assert_str_eq(library_list, "X25519:prime256v1"); /* this library does not have the hybrid group */
    calls = 0;
    ck_assert_ptr_null(tls_groups_begin(&target));
    ck_assert_int_eq(calls, 1); /* the groups are tried only once */
}
END_TEST

START_TEST(a_library_without_any_group_of_the_policy_cannot_be_used)
{
    policy.tls.group_count = 1;
    ck_assert_ptr_nonnull(tls_groups_begin(&target));
}
END_TEST

START_TEST(groups_that_the_policy_does_not_allow_are_removed_from_a_list_and_the_order_is_kept)
{
    char kept[LIBSSL_LIST_MAX];
    ck_assert(tls_groups_keep_allowed(&lib, "ffdhe2048:P-256:secp384r1:x25519", kept, sizeof kept));
    ck_assert_str_eq(kept, "prime256v1:X25519");
}
END_TEST

START_TEST(a_list_with_allowed_groups_only_is_not_changed)
{
    char kept[LIBSSL_LIST_MAX];
    ck_assert(!tls_groups_keep_allowed(&lib, "P-256", kept, sizeof kept));
    ck_assert(!tls_groups_keep_allowed(&lib, "X25519:prime256v1", kept, sizeof kept));
    ck_assert(!tls_groups_keep_allowed(&lib, "", kept, sizeof kept));
}
END_TEST

START_TEST(a_list_with_a_name_of_no_registry_is_left_to_the_library)
{
    char kept[LIBSSL_LIST_MAX];
    ck_assert(!tls_groups_keep_allowed(&lib, "ffdhe2048:no-such-group", kept, sizeof kept));
}
END_TEST

START_TEST(a_list_without_an_allowed_group_becomes_the_policys)
{
    char kept[LIBSSL_LIST_MAX];
    ck_assert(tls_groups_keep_allowed(&lib, "ffdhe2048", kept, sizeof kept));
    ck_assert_str_eq(kept, ""); /* not known before the first context */
    ck_assert_ptr_null(tls_groups_begin(&target));
    ck_assert(tls_groups_keep_allowed(&lib, "ffdhe2048", kept, sizeof kept));
    ck_assert_str_eq(kept, "X25519:prime256v1");
}
END_TEST

START_TEST(prefixes_and_tuples_of_openssl_35_do_not_hide_a_group)
{
    char kept[LIBSSL_LIST_MAX];
    ck_assert(tls_groups_keep_allowed(&lib, "?*X25519:ffdhe2048/*P-256", kept, sizeof kept));
    ck_assert_str_eq(kept, "X25519:prime256v1");
    ck_assert(tls_groups_keep_allowed(&lib, "DEFAULT:P-256", kept, sizeof kept));
    ck_assert_str_eq(kept, "prime256v1");
    ck_assert(!tls_groups_keep_allowed(&lib, "X25519:-ffdhe2048", kept, sizeof kept)); /* it removes the group */
}
END_TEST

START_TEST(a_list_that_the_program_sets_is_restricted_and_reported)
{
    char list[] = "ffdhe2048:X25519";
    ck_assert_int_eq(tls_groups_set(&target, SSL_CTRL_SET_GROUPS_LIST, 0, list), 1);
    ck_assert_str_eq(library_list, "X25519");
    ck_assert_str_eq(override, "ffdhe2048:X25519 > X25519");
    ck_assert_str_eq(list, "ffdhe2048:X25519");
}
END_TEST

START_TEST(a_list_that_the_library_refuses_is_the_programs_own_error)
{
    char list[] = "secp521r1";
    ck_assert_int_eq(tls_groups_set(&target, SSL_CTRL_SET_GROUPS_LIST, 0, list), 0);
    ck_assert_int_eq(calls, 1);
    ck_assert_str_eq(override, "");
}
END_TEST

START_TEST(with_mode_audit_the_program_gets_its_list_and_the_override_is_reported)
{
    char list[] = "ffdhe2048";
    policy.mode = POLICY_AUDIT;
    ck_assert_int_eq(tls_groups_set(&target, SSL_CTRL_SET_GROUPS_LIST, 0, list), 1);
    ck_assert_str_eq(library_list, "ffdhe2048");
    ck_assert_str_eq(override, "ffdhe2048 > the policy's");
}
END_TEST

START_TEST(groups_given_as_numbers_are_restricted_like_names)
{
    int nids[] = {NID_ffdhe2048, NID_X25519, MARKED | HYBRID_ID, 12345};
    ck_assert_int_eq(tls_groups_set(&target, SSL_CTRL_SET_GROUPS, 2, nids), 1);
    ck_assert_str_eq(library_list, "X25519");
    ck_assert_int_eq(tls_groups_set(&target, SSL_CTRL_SET_GROUPS, 4, nids), 1);
    ck_assert_str_eq(override, "ffdhe2048:X25519:X25519MLKEM768:unknown > X25519:X25519MLKEM768");
    ck_assert_str_eq(library_list, "X25519:prime256v1"); /* it does not know the hybrid group: the policy's list */
}
END_TEST

START_TEST(a_number_of_libssls_is_a_nid_or_a_marked_iana_number)
{
    ck_assert_uint_eq(tls_group_of_nid(NID_X9_62_prime256v1), P256_ID);
    ck_assert_uint_eq(tls_group_of_nid(MARKED | HYBRID_ID), HYBRID_ID);
    ck_assert_uint_eq(tls_group_of_nid(NID_sha256), 0);
    ck_assert_uint_eq(tls_group_of_nid(0), 0);
}
END_TEST

START_TEST(only_the_groups_of_the_policy_are_allowed)
{
    ck_assert(tls_group_is_allowed(X25519_ID));
    ck_assert(!tls_group_is_allowed(FFDHE2048_ID));
    ck_assert(!tls_group_is_allowed(0));
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("groups");
    tcase_add_checked_fixture(cases, setup, NULL);
    tcase_add_test(cases, the_policys_groups_that_the_library_knows_are_set_in_the_policys_order);
    tcase_add_test(cases, a_library_without_any_group_of_the_policy_cannot_be_used);
    tcase_add_test(cases, groups_that_the_policy_does_not_allow_are_removed_from_a_list_and_the_order_is_kept);
    tcase_add_test(cases, a_list_with_allowed_groups_only_is_not_changed);
    tcase_add_test(cases, a_list_with_a_name_of_no_registry_is_left_to_the_library);
    tcase_add_test(cases, a_list_without_an_allowed_group_becomes_the_policys);
    tcase_add_test(cases, prefixes_and_tuples_of_openssl_35_do_not_hide_a_group);
    tcase_add_test(cases, a_list_that_the_program_sets_is_restricted_and_reported);
    tcase_add_test(cases, a_list_that_the_library_refuses_is_the_programs_own_error);
    tcase_add_test(cases, with_mode_audit_the_program_gets_its_list_and_the_override_is_reported);
    tcase_add_test(cases, groups_given_as_numbers_are_restricted_like_names);
    tcase_add_test(cases, a_number_of_libssls_is_a_nid_or_a_marked_iana_number);
    tcase_add_test(cases, only_the_groups_of_the_policy_are_allowed);
    return run_suite(cases, "groups");
}
