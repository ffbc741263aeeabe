/*
 * The policy as options of Node.js and Java: what is added, what of an existing value stays, and that adding twice
 * changes nothing.
 */
#include "support.h"

#include "policy/runtime.h"

static char value[POLICY_RUNTIME_TEXT];

static const char *value_of(const char *text, enum policy_runtime runtime, const char *present)
{
    expect_accepted(text);
    ck_assert_int_eq(policy_runtime_value(&policy, runtime, present, value), 0);
    return value;
}

static const char suites[] = "[tls]\nciphersuites = TLS_AES_256_GCM_SHA384, TLS_AES_128_GCM_SHA256\n"
                             "groups = X25519MLKEM768, P-384, X25519\n";
static const char node[] = "--tls-min-v1.3 --tls-cipher-list=TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256";

START_TEST(node_gets_the_version_and_the_suites)
{
    ck_assert_str_eq(value_of(suites, POLICY_RUNTIME_NODE, NULL), node);
    ck_assert_str_eq(
        value_of("[tls]\nmin-version = 1.2\nciphersuites = TLS_AES_256_GCM_SHA384\n", POLICY_RUNTIME_NODE, ""),
        "--tls-min-v1.2 --tls-cipher-list=TLS_AES_256_GCM_SHA384:ECDHE+AESGCM:ECDHE+CHACHA20");
    ck_assert_str_eq(policy_runtime_variable(POLICY_RUNTIME_NODE), "NODE_OPTIONS");
}
END_TEST

START_TEST(java_gets_versions_suites_and_the_groups_it_supports)
{
    ck_assert_str_eq(value_of(suites, POLICY_RUNTIME_JAVA, NULL),
                     "-Djdk.tls.client.protocols=TLSv1.3 "
                     "-Djdk.tls.client.cipherSuites=TLS_AES_256_GCM_SHA384,TLS_AES_128_GCM_SHA256 "
                     "-Djdk.tls.server.protocols=TLSv1.3 "
                     "-Djdk.tls.server.cipherSuites=TLS_AES_256_GCM_SHA384,TLS_AES_128_GCM_SHA256 "
                     "-Djdk.tls.namedGroups=secp384r1,x25519");
    value_of("[tls]\nmin-version = 1.2\n", POLICY_RUNTIME_JAVA, NULL);
    ck_assert_ptr_nonnull(strstr(value, ".protocols=TLSv1.3,TLSv1.2 "));
    ck_assert_ptr_nonnull(strstr(value, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"));
    ck_assert_str_eq(policy_runtime_variable(POLICY_RUNTIME_JAVA), "JAVA_TOOL_OPTIONS");
}
END_TEST

START_TEST(options_of_the_program_stay_and_weaker_ones_are_removed)
{
    value_of(suites, POLICY_RUNTIME_NODE,
             " --max-old-space-size=99  --tls-min-v1.0 --require \"/a b/--tls-min-v1.0 x\" --tls-max-v1.2 "
             "--tls-keylog=/k");
    ck_assert_int_eq(
        strncmp(value, "--max-old-space-size=99 --require \"/a b/--tls-min-v1.0 x\" --tls-min-v1.3 ", 72), 0);
    ck_assert_ptr_null(strstr(value, "--tls-max-v1.2"));
    ck_assert_ptr_null(strstr(value, "keylog"));
    value_of(suites, POLICY_RUNTIME_JAVA, "-Xmx1g -Djdk.tls.client.protocols=TLSv1.2");
    ck_assert_int_eq(strncmp(value, "-Xmx1g -Djdk.tls.client.protocols=TLSv1.3 ", 42), 0);
}
END_TEST

START_TEST(a_value_of_the_shim_is_unchanged)
{
    char once[POLICY_RUNTIME_TEXT];
    for (enum policy_runtime runtime = POLICY_RUNTIME_NODE; runtime <= POLICY_RUNTIME_JAVA; runtime++) {
        strcpy(once, value_of(suites, runtime, "--first"));
        ck_assert_str_eq(value_of(suites, runtime, once), once);
    }
}
END_TEST

START_TEST(a_value_that_does_not_fit_is_not_cut)
{
    char present[POLICY_RUNTIME_TEXT];
    memset(present, 'x', sizeof present - 1);
    present[sizeof present - 1] = '\0';
    expect_accepted(suites);
    ck_assert_int_eq(policy_runtime_value(&policy, POLICY_RUNTIME_NODE, present, value), -1);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("runtime");
    tcase_add_test(cases, node_gets_the_version_and_the_suites);
    tcase_add_test(cases, java_gets_versions_suites_and_the_groups_it_supports);
    tcase_add_test(cases, options_of_the_program_stay_and_weaker_ones_are_removed);
    tcase_add_test(cases, a_value_of_the_shim_is_unchanged);
    tcase_add_test(cases, a_value_that_does_not_fit_is_not_cut);
    return run_suite(cases, "policy/runtime");
}
