/* The keys of [policy] and [tls]: each valid value is stored, each invalid one is refused by name. */
#include "support.h"

static const char pin_of_nothing[] = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

START_TEST(every_key_of_policy_is_accepted)
{
    expect_accepted("[policy]\nmode = audit\nlog = /var/log/a b.jsonl\nchildren = allow\n");
    ck_assert_int_eq(policy.mode, POLICY_AUDIT);
    ck_assert_int_eq(policy.log, POLICY_LOG_FILE);
    ck_assert_str_eq(policy.log_path, "/var/log/a b.jsonl");
    ck_assert_int_eq(policy.children, POLICY_CHILDREN_ALLOW);
    ck_assert_int_eq(policy.log_failure, POLICY_LOG_FAILURE_CONTINUE);
    expect_accepted("[policy]\nlog-failure = refuse\n");
    ck_assert_int_eq(policy.log_failure, POLICY_LOG_FAILURE_REFUSE);
    ck_assert_int_eq(policy.log_handshakes, POLICY_LOG_HANDSHAKES_ALL);
    ck_assert_uint_eq(policy.log_repeats, 0);
    ck_assert_uint_eq(policy.log_interval_ms, 60000);
    expect_accepted("[policy]\nlog-handshakes = off\nlog-repeats = 7\nlog-interval = 1h\n");
    ck_assert_int_eq(policy.log_handshakes, POLICY_LOG_HANDSHAKES_OFF);
    ck_assert_uint_eq(policy.log_repeats, 7);
    ck_assert_uint_eq(policy.log_interval_ms, 3600000);
    expect_accepted("[policy]\nmode = enforce\nlog = stderr\nlog-failure = continue\nchildren = protect\n");
    ck_assert_int_eq(policy.log_failure, POLICY_LOG_FAILURE_CONTINUE);
    ck_assert_int_eq(policy.mode, POLICY_ENFORCE);
    ck_assert_int_eq(policy.log, POLICY_LOG_STDERR);
}
END_TEST

START_TEST(bad_values_of_policy_are_refused)
{
    expect_refused("[policy]\nmode = strict\n", "test.conf:2: mode = strict, expected enforce or audit");
    expect_refused("[policy]\nlog = x.jsonl\n",
                   "test.conf:2: log = x.jsonl, expected stderr, syslog, journald or an absolute path");
    expect_accepted("[policy]\nio-uring = no-new-privs\n");
    ck_assert_int_eq(policy.io_uring, POLICY_IO_URING_NO_NEW_PRIVS);
    expect_accepted("[policy]\nio-uring = require\n");
    ck_assert_int_eq(policy.io_uring, POLICY_IO_URING_REQUIRE);
    expect_accepted("[policy]\nio-uring = log\n");
    expect_refused("[policy]\nio-uring = no\n",
                   "test.conf:2: io-uring = no, expected log, no-new-privs or require");
    expect_refused("[policy]\nlog-handshakes = none\n",
                   "test.conf:2: log-handshakes = none, expected all, summary or off");
    expect_refused("[policy]\nlog-repeats = 0\n",
                   "test.conf:2: log-repeats = 0, expected all or a whole number from 1 to 1000000");
    expect_refused("[policy]\nlog = journald\nlog-chain = /key\n",
                   "test.conf:3: log-chain chains lines, and log = journald has none, expected a file, syslog or "
                   "stderr");
    expect_refused("[policy]\nlog-chain = on\n", "test.conf:2: log-chain = on, expected an absolute path");
    expect_refused("[policy]\nlog-interval = 999ms\n", "test.conf:2: log-interval = 999ms, expected 1s or more");
    expect_refused("[policy]\nlog-failure = ignore\n",
                   "test.conf:2: log-failure = ignore, expected continue or refuse");
    expect_refused("[policy]\nchildren = no\n", "test.conf:2: children = no, expected protect, allow or require");
}
END_TEST

START_TEST(post_quantum_leaves_hybrid_groups_only)
{
    expect_accepted("[tls]\npost-quantum = require\n");
    ck_assert_uint_eq(policy.tls.group_count, 3);
    ck_assert_uint_eq(policy.tls.groups[0], 0x11ec);
    ck_assert_uint_eq(policy.tls.groups[1], 0x11eb);
    ck_assert_uint_eq(policy.tls.groups[2], 0x11ed);
    expect_accepted(
        "[tls]\ngroups = X25519, SecP384r1MLKEM1024, P-256, X25519Kyber768Draft00\npost-quantum = require\n");
    ck_assert_uint_eq(policy.tls.group_count, 1);
    ck_assert_uint_eq(policy.tls.groups[0], 0x11ed);
    expect_accepted("[tls]\npost-quantum = allow\n");
    ck_assert_uint_eq(policy.tls.group_count, 4);
    expect_refused(
        "[tls]\ngroups = X25519\npost-quantum = require\n",
        "test.conf:3: post-quantum = require leaves none of the groups, expected X25519MLKEM768 among them");
    expect_refused("[tls]\npost-quantum = require\nmin-version = 1.2\n",
                   "test.conf:2: post-quantum = require, but TLS 1.2 has no ML-KEM, expected min-version = 1.3");
    expect_refused("[tls]\npost-quantum = off\n", "test.conf:2: post-quantum = off, expected allow or require");
}
END_TEST

START_TEST(every_key_of_tls_is_accepted)
{
    expect_accepted("[tls]\nmin-version = 1.2\ngroups = x25519, secp256r1,P-384 , SecP384r1MLKEM1024\n"
                    "ciphersuites = tls_chacha20_poly1305_sha256, TLS_AES_128_CCM_SHA256\n"
                    "session-tickets = refuse\nverify-server = require\nca-file = /etc/pfswrap/ca.pem\n"
                    "pin-sha256 = 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
                    "pin-sha256 = AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
                    "client-certificates = require\ndtls = refuse\n"
                    "certificate-transparency = require\nct-log-list = /etc/pfswrap/logs.cnf\n");
    const struct policy_tls *tls = &policy.tls;
    ck_assert_uint_eq(tls->min_version, 0x0303);
    ck_assert_uint_eq(tls->group_count, 4);
    ck_assert_uint_eq(tls->groups[0], 29);
    ck_assert_uint_eq(tls->groups[1], 23);
    ck_assert_uint_eq(tls->groups[2], 24);
    ck_assert_uint_eq(tls->groups[3], 0x11ed);
    ck_assert_uint_eq(tls->ciphersuite_count, 2);
    ck_assert_uint_eq(tls->ciphersuites[0], 0x1303);
    ck_assert_uint_eq(tls->ciphersuites[1], 0x1304);
    ck_assert_int_eq(tls->session_tickets, POLICY_TICKETS_REFUSE);
    ck_assert_int_eq(tls->verify_server, POLICY_VERIFY_REQUIRE);
    ck_assert_str_eq(tls->ca_file, "/etc/pfswrap/ca.pem");
    ck_assert_uint_eq(tls->pin_count, 2);
    ck_assert_int_eq(tls->client_certificates, POLICY_VERIFY_REQUIRE);
    ck_assert_int_eq(tls->dtls, POLICY_DTLS_REFUSE);
    ck_assert_int_eq(tls->transparency, POLICY_TRANSPARENCY_REQUIRE);
    ck_assert_str_eq(tls->ct_log_list, "/etc/pfswrap/logs.cnf");
}
END_TEST

START_TEST(the_age_of_a_key_needs_a_file)
{
    expect_accepted("[tls]\nmax-certificate-age = 397d\nwarn-before = 36h\nexpired = refuse\n");
    ck_assert_uint_eq(policy.tls.max_certificate_age_s, 397 * 86400);
    ck_assert_uint_eq(policy.tls.warn_before_s, 36 * 3600);
    ck_assert_int_eq(policy.tls.expired, POLICY_EXPIRED_REFUSE);
    ck_assert(policy_tls_has_ages(&policy.tls));
    expect_accepted("[tls]\nkey-state = /k\nmax-key-age = 90d\n");
    ck_assert_uint_eq(policy.tls.max_key_age_s, 90 * 86400);
    ck_assert_str_eq(policy.tls.key_state, "/k");
    ck_assert_int_eq(policy.tls.expired, POLICY_EXPIRED_LOG);
    expect_accepted("[tls]\nmax-certificate-age = off\n");
    ck_assert(!policy_tls_has_ages(&policy.tls));
    expect_refused("[tls]\nmax-key-age = 90d\n", "test.conf:2: max-key-age, expected key-state = FILE as well");
    expect_refused("[tls]\nkey-state = /k\nmax-key-age = off\n",
                   "test.conf:2: key-state has no effect alone, expected max-key-age = TIME as well");
    expect_refused("[tls]\nkey-state = k\n", "test.conf:2: key-state = k, expected an absolute path");
    expect_refused("[tls]\nexpired = never\n", "test.conf:2: expired = never, expected log or refuse");
    expect_refused("[tls]\nmax-certificate-age = 1y\n", "test.conf:2: max-certificate-age = 1y, expected off, or a "
                                                        "time from 1h to 3650d, such as 12h or 90d");
}
END_TEST

START_TEST(transparency_needs_a_list_of_logs)
{
    expect_accepted("[tls]\ncertificate-transparency = off\n");
    expect_accepted("[tls]\nct-log-list = /l\ncertificate-transparency = log\n");
    ck_assert_int_eq(policy.tls.transparency, POLICY_TRANSPARENCY_LOG);
    expect_refused("[tls]\ncertificate-transparency = log\n",
                   "test.conf:2: certificate-transparency = log, expected ct-log-list = PATH as well");
    expect_refused("[tls]\n\ncertificate-transparency = require\n[wire]\ntls = off\n",
                   "test.conf:3: certificate-transparency = require, expected ct-log-list = PATH as well");
    expect_refused(
        "[tls]\nct-log-list = /l\n",
        "test.conf:2: ct-log-list has no effect alone, expected certificate-transparency = log or require "
        "as well");
    expect_refused("[tls]\nct-log-list = l\n", "test.conf:2: ct-log-list = l, expected an absolute path");
    expect_refused("[tls]\ncertificate-transparency = on\n",
                   "test.conf:2: certificate-transparency = on, expected off, log or require");
}
END_TEST

/* SHA-256 of the empty string (FIPS 180-4), which openssl dgst -sha256 -binary | base64 prints as above. */
START_TEST(a_pin_is_32_bytes_in_base64)
{
    static const uint8_t expected[32] = {0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4,
                                         0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b,
                                         0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55};
    char text[128] = "[tls]\nverify-server = require\npin-sha256 = ";
    strcat(text, pin_of_nothing);
    expect_accepted(text);
    ck_assert_mem_eq(policy.tls.pins[0], expected, sizeof expected);
}
END_TEST

START_TEST(a_pin_that_is_not_32_bytes_of_base64_is_refused)
{
    expect_refused("[tls]\npin-sha256 = AAAA\n",
                   "test.conf:2: pin-sha256 = AAAA, expected the base64 of 32 bytes (44 characters)");
    expect_refused("[tls]\npin-sha256 = AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=\n",
                   "test.conf:2: pin-sha256 = AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=, expected the base64 of "
                   "32 bytes (44 characters)");
    expect_refused("[tls]\npin-sha256 = AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA_-A=\n",
                   "test.conf:2: pin-sha256 = AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA_-A=, expected the base64 of "
                   "32 bytes (44 characters)");
    expect_refused("[tls]\npin-sha256 = AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n",
                   "test.conf:2: pin-sha256 = AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA, expected the base64 of "
                   "32 bytes (44 characters)");
}
END_TEST

START_TEST(an_unknown_group_is_refused)
{
    expect_refused("[tls]\ngroups = X25519, P-265\n",
                   "test.conf:2: group P-265 is not in the IANA registry, expected a name such as X25519, P-256 or "
                   "X25519MLKEM768");
    expect_refused(
        "[tls]\ngroups = X25519:P-256\n",
        "test.conf:2: group X25519:P-256 is not in the IANA registry, expected a name such as X25519, P-256 or "
        "X25519MLKEM768");
}
END_TEST

START_TEST(a_group_without_ecdhe_is_refused_and_the_message_says_why)
{
    expect_refused("[tls]\ngroups = ffdhe2048\n",
                   "test.conf:2: group ffdhe2048 is finite-field Diffie-Hellman (RFC 7919), which pfswrap never "
                   "allows, expected an ECDHE group such as X25519, P-256 or X25519MLKEM768");
    expect_refused("[tls]\ngroups = X25519, MLKEM768\n",
                   "test.conf:2: group MLKEM768 is ML-KEM alone, without ECDHE, expected an ECDHE group such as "
                   "X25519, P-256 or X25519MLKEM768");
    expect_refused(
        "[tls]\nmin-version = 1.2\ngroups = secp256k1\n",
        "test.conf:3: group secp256k1 is a curve that TLS 1.3 does not allow (RFC 8446, 4.2.7), expected "
        "an ECDHE group such as X25519, P-256 or X25519MLKEM768");
}
END_TEST

START_TEST(a_list_entry_may_not_occur_twice_under_any_of_its_names)
{
    expect_refused("[tls]\ngroups = P-256, X25519, prime256v1\n",
                   "test.conf:2: group prime256v1 is listed twice, expected it once");
    expect_refused("[tls]\nciphersuites = TLS_AES_128_GCM_SHA256, TLS_AES_128_GCM_SHA256\n",
                   "test.conf:2: ciphersuite TLS_AES_128_GCM_SHA256 is listed twice, expected it once");
    expect_refused(
        "[tls]\nverify-server = require\npin-sha256 = AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
        "pin-sha256 = AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "test.conf:4: pin-sha256 = AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= is listed twice, expected "
        "it once");
}
END_TEST

START_TEST(malformed_lists_are_refused)
{
    expect_refused("[tls]\ngroups = X25519,,P-256\n",
                   "test.conf:2: groups has an empty entry, expected a list such as A, B");
    expect_refused("[tls]\ngroups = ,\n", "test.conf:2: groups has an empty entry, expected a list such as A, B");
    expect_refused("[tls]\nciphersuites = TLS_AES_128_GCM_SHA256,\n",
                   "test.conf:2: ciphersuites has an empty entry, expected a list such as A, B");
    expect_refused("[tls]\ngroups = P-256, P-384, P-521, X25519, X448, brainpoolP256r1tls13, brainpoolP384r1tls13, "
                   "brainpoolP512r1tls13, GC256A, GC256B, GC256C, GC256D, GC512A, GC512B, GC512C, curveSM2, "
                   "X25519MLKEM768\n",
                   "test.conf:2: groups has more than 16 entries");
}
END_TEST

START_TEST(a_suite_that_is_not_of_tls_1_3_is_refused)
{
    expect_refused(
        "[tls]\nciphersuites = ECDHE-RSA-AES128-GCM-SHA256\n",
        "test.conf:2: ciphersuite ECDHE-RSA-AES128-GCM-SHA256 is not a TLS 1.3 suite in the IANA registry, "
        "expected a name such as TLS_AES_256_GCM_SHA384");
    expect_refused(
        "[tls]\nciphersuites = TLS_SHA256_SHA256\n",
        "test.conf:2: ciphersuite TLS_SHA256_SHA256 is not a TLS 1.3 suite in the IANA registry, expected a name "
        "such as TLS_AES_256_GCM_SHA384");
}
END_TEST

START_TEST(bad_choices_of_tls_are_refused)
{
    expect_refused("[tls]\nmin-version = 1.1\n", "test.conf:2: min-version = 1.1, expected 1.3 or 1.2");
    expect_refused("[tls]\nsession-tickets = no\n", "test.conf:2: session-tickets = no, expected allow or refuse");
    expect_refused("[tls]\nverify-server = yes\n",
                   "test.conf:2: verify-server = yes, expected application or require");
    expect_refused("[tls]\nclient-certificates = 1\n",
                   "test.conf:2: client-certificates = 1, expected application or require");
    expect_refused("[tls]\ndtls = allow\n", "test.conf:2: dtls = allow, expected ecdhe or refuse");
    expect_refused("[tls]\nca-file = ca.pem\n", "test.conf:2: ca-file = ca.pem, expected an absolute path");
}
END_TEST

START_TEST(trust_settings_without_effect_are_refused)
{
    expect_refused("[tls]\nca-file = /ca.pem\n\n[policy]\n",
                   "test.conf:2: ca-file has no effect alone, expected verify-server = require or "
                   "client-certificates = require as well");
    expect_refused(
        "[tls]\nverify-server = application\npin-sha256 = AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "test.conf:3: pin-sha256 has no effect alone, expected verify-server = require as well");
    expect_accepted("[tls]\nca-file = /ca.pem\nverify-server = require\n");
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("tls");
    tcase_add_test(cases, every_key_of_policy_is_accepted);
    tcase_add_test(cases, bad_values_of_policy_are_refused);
    tcase_add_test(cases, every_key_of_tls_is_accepted);
    tcase_add_test(cases, post_quantum_leaves_hybrid_groups_only);
    tcase_add_test(cases, the_age_of_a_key_needs_a_file);
    tcase_add_test(cases, transparency_needs_a_list_of_logs);
    tcase_add_test(cases, a_pin_is_32_bytes_in_base64);
    tcase_add_test(cases, a_pin_that_is_not_32_bytes_of_base64_is_refused);
    tcase_add_test(cases, an_unknown_group_is_refused);
    tcase_add_test(cases, a_group_without_ecdhe_is_refused_and_the_message_says_why);
    tcase_add_test(cases, a_list_entry_may_not_occur_twice_under_any_of_its_names);
    tcase_add_test(cases, malformed_lists_are_refused);
    tcase_add_test(cases, a_suite_that_is_not_of_tls_1_3_is_refused);
    tcase_add_test(cases, bad_choices_of_tls_are_refused);
    tcase_add_test(cases, trust_settings_without_effect_are_refused);
    return run_suite(cases, "policy tls");
}
