/* The form of a policy file: sections, keys, comments, and everything that inih alone would accept. */
#include "support.h"

#include <stdio.h>

START_TEST(an_empty_file_is_the_built_in_policy)
{
    static struct policy builtin;
    expect_accepted("");
    policy_builtin(&builtin);
    ck_assert_uint_eq(policy.tls.min_version, 0x0304);
    ck_assert_uint_eq(policy.tls.group_count, builtin.tls.group_count);
    ck_assert_uint_eq(policy.tls.group_count, 4);
    ck_assert_uint_eq(policy.tls.groups[0], 0x11ec);
    ck_assert_uint_eq(policy.tls.ciphersuite_count, 3);
    ck_assert_int_eq(policy.mode, POLICY_ENFORCE);
    ck_assert_int_eq(policy.log, POLICY_LOG_STDERR);
    ck_assert_int_eq(policy.children, POLICY_CHILDREN_PROTECT);
    ck_assert_int_eq(policy.io_uring, POLICY_IO_URING_LOG);
    ck_assert_int_eq(policy.tls.dtls, POLICY_DTLS_ECDHE);
    ck_assert_int_eq(policy.wire.tls, POLICY_WIRE_PFS);
    ck_assert_int_eq(policy.wire.plaintext, POLICY_PLAINTEXT_LOG);
    ck_assert_uint_eq(policy.seal.rekey, 1);
    ck_assert_uint_eq(policy.seal.handshake_timeout_ms, 10000);
    ck_assert_uint_eq(policy.seal.linger_ms, 5000);
    ck_assert_uint_eq(policy.rule_count, 0);
}
END_TEST

START_TEST(comments_blank_lines_crlf_and_a_byte_order_mark_are_ignored)
{
    expect_accepted("\xef\xbb\xbf; comment\r\n\r\n# comment: with = signs\n[policy] ; comment\n"
                    "  mode = audit\t; comment\r\nlog=syslog");
    ck_assert_int_eq(policy.mode, POLICY_AUDIT);
    ck_assert_int_eq(policy.log, POLICY_LOG_SYSLOG);
}
END_TEST

START_TEST(the_log_may_be_the_journal_at_its_usual_socket_or_another_one)
{
    expect_accepted("[policy]\nlog = journald\n");
    ck_assert_int_eq(policy.log, POLICY_LOG_JOURNALD);
    ck_assert_str_eq(policy.log_path, "/run/systemd/journal/socket");
    expect_accepted("[policy]\nlog = journald:/run/other\n");
    ck_assert_int_eq(policy.log, POLICY_LOG_JOURNALD);
    ck_assert_str_eq(policy.log_path, "/run/other");
    expect_refused("[policy]\nlog = journald:\n",
                   "test.conf:2: log = journald:, expected journald:/PATH of a socket");
    expect_refused("[policy]\nlog = journald:run\n",
                   "test.conf:2: log = journald:run, expected journald:/PATH of a socket");
    expect_refused("[policy]\nlog = journal\n",
                   "test.conf:2: log = journal, expected stderr, syslog, journald or an absolute path");
    char text[256] = "[policy]\nlog = journald:/";
    memset(text + strlen(text), 'x', 107);
    expect_refused(text, "test.conf:2: log has a socket's path of 108 bytes, expected at most 107");
}
END_TEST

START_TEST(a_last_line_without_newline_is_read)
{
    expect_accepted("[policy]\nmode = audit");
    ck_assert_int_eq(policy.mode, POLICY_AUDIT);
    expect_refused("[policy]\nmode = ", "test.conf:2: mode has no value, expected mode = VALUE");
}
END_TEST

START_TEST(an_unknown_section_is_refused_even_without_keys)
{
    expect_refused("\n[tsl]\n",
                   "test.conf:2: unknown section [tsl], expected [policy], [tls], [wire], [findings], [seal], "
                   "[listen NAME], [connect NAME] or [end]");
    expect_refused("[tlsx]\n",
                   "test.conf:1: unknown section [tlsx], expected [policy], [tls], [wire], [findings], [seal], "
                   "[listen NAME], [connect NAME] or [end]");
    expect_refused("[]\n", "test.conf:1: unknown section [], expected [policy], [tls], [wire], [findings], [seal], "
                           "[listen NAME], [connect NAME] or [end]");
    expect_refused("[TLS]\n",
                   "test.conf:1: unknown section [TLS], expected [policy], [tls], [wire], [findings], [seal], "
                   "[listen NAME], [connect NAME] or [end]");
}
END_TEST

START_TEST(a_malformed_section_line_is_refused)
{
    expect_refused("[tls\nmin-version = 1.3\n", "test.conf:1: [tls has no closing bracket, expected [SECTION]");
    expect_refused("[tls] min-version = 1.2\n",
                   "test.conf:1: text after the section's bracket, expected [SECTION] alone on its line");
    expect_refused("[tls];\n",
                   "test.conf:1: text after the section's bracket, expected [SECTION] alone on its line");
    expect_refused("[tls name]\n", "test.conf:1: [tls name], expected [tls] without a name");
    expect_refused("[listen]\n", "test.conf:1: [listen] has no name, expected [listen NAME]");
    expect_refused("[connect   ]\n", "test.conf:1: [connect] has no name, expected [connect NAME]");
}
END_TEST

START_TEST(a_section_name_that_inih_would_cut_is_refused)
{
    char text[256];
    snprintf(text, sizeof text, "[listen %0200d]\n", 0);
    expect_refused(text, "test.conf:1: section name of 207 characters, expected at most 127");
    snprintf(text, sizeof text, "[listen %064d]\n", 0);
    expect_refused(text, "test.conf:1: name has a name of 64 characters, expected at most 63");
}
END_TEST

START_TEST(a_section_may_not_be_repeated)
{
    expect_refused("[tls]\n[policy]\n[tls]\n",
                   "test.conf:3: [tls] is repeated, expected it once (first on line 1)");
}
END_TEST

START_TEST(a_policy_that_is_read_again_says_where_it_ends)
{
    expect_accepted("[policy]\nreload = request\n[end]\n");
    ck_assert_int_eq(policy.reload, POLICY_RELOAD_REQUEST);
    expect_accepted("[policy]\nreload = auto\n[tls]\n\n[end]\n; a comment\n\n");
    ck_assert_int_eq(policy.reload, POLICY_RELOAD_AUTO);
    expect_accepted("[policy]\nreload = off\n");
    expect_accepted("[policy]\nmode = audit\n[end]\n");
    ck_assert_int_eq(policy.reload, POLICY_RELOAD_OFF);
    expect_refused(
        "[policy]\nreload = auto\n[tls]\n",
        "test.conf:4: reload = auto in [policy], expected [end] as the last line, which shows that the file "
        "is whole");
    expect_refused("[policy]\nreload = auto\n[end", "test.conf:3: [end has no closing bracket, expected [SECTION]");
    expect_refused("[end]\nmode = audit\n",
                   "test.conf:2: mode comes behind [end], expected [end] as the last line");
    expect_refused("[end]\n[tls]\n", "test.conf:2: a section behind [end], expected [end] as the last line");
    expect_refused("[end]\n[end]\n", "test.conf:2: a section behind [end], expected [end] as the last line");
    expect_refused("[policy]\nreload = on\n", "test.conf:2: reload = on, expected off, request or auto");
}
END_TEST

START_TEST(open_connections_end_at_the_next_rehandshake_or_at_once)
{
    expect_accepted("[seal]\nlinger = 1s\n");
    ck_assert_int_eq(policy.seal.on_removal, POLICY_REMOVAL_REHANDSHAKE);
    expect_accepted("[seal]\non-removal = now\n");
    ck_assert_int_eq(policy.seal.on_removal, POLICY_REMOVAL_NOW);
    expect_refused("[seal]\non-removal = soon\n", "test.conf:2: on-removal = soon, expected rehandshake or now");
}
END_TEST

START_TEST(a_peers_file_may_have_signers_and_a_state)
{
#define SIGNER "RWQuppe6s/zKTfoLxbDrVuLFw2nduF3cwH271XGrdfCiL99K73Y2Oq2N"
    expect_accepted("[seal]\npeers = /p\n");
    ck_assert_uint_eq(policy.seal.signer_count, 0);
    ck_assert_uint_eq(policy.seal.revocation_delay_ms, 60000);
    expect_accepted("[seal]\npeers = /p\npeers-signer = " SIGNER "\npeers-state = /s\nrevocation-delay = 5s\n");
    ck_assert_uint_eq(policy.seal.signer_count, 1);
    ck_assert_uint_eq(policy.seal.signers[0].id[0], 0x2e);
    ck_assert_str_eq(policy.seal.peers_state, "/s");
    ck_assert_uint_eq(policy.seal.revocation_delay_ms, 5000);
    expect_refused("[seal]\npeers-signer = " SIGNER "\n",
                   "test.conf:2: peers-signer, expected peers = FILE as well");
    expect_refused("[seal]\npeers = /p\npeers-state = /s\n",
                   "test.conf:3: peers-state, expected peers-signer = PUBLIC-KEY as well");
    expect_refused("[seal]\npeers-signer = RWQ=\n",
                   "test.conf:2: peers-signer = RWQ=, expected a public key of minisign: 56 characters that begin "
                   "with RW");
    expect_refused("[seal]\npeers-signer = " SIGNER "\npeers-signer = " SIGNER "\n",
                   "test.conf:3: peers-signer = " SIGNER " is listed twice, or another key has its id");
    expect_refused("[seal]\npeers-state = s\n", "test.conf:2: peers-state = s, expected an absolute path");
    expect_refused(
        "[seal]\nrevocation-delay = never\n",
        "test.conf:2: revocation-delay = never, expected a duration from 1ms to 1h, such as 500ms, 10s or 2m");
}
END_TEST

START_TEST(keys_may_have_an_age_and_a_warning_before_it)
{
    expect_accepted("[seal]\nmax-key-age = 365d\nwarn-before = 36h\nexpired = refuse\n");
    ck_assert_uint_eq(policy.seal.max_key_age_s, 365 * 86400);
    ck_assert_uint_eq(policy.seal.warn_before_s, 36 * 3600);
    ck_assert_int_eq(policy.seal.expired, POLICY_EXPIRED_REFUSE);
    expect_accepted("[seal]\nmax-key-age = off\nwarn-before = 3650d\nexpired = log\n");
    ck_assert_uint_eq(policy.seal.max_key_age_s, 0);
    static const char *const bad[] = {"0d", "3651d", "87601h", "10", "1w", "d", "1s", "-1d"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[64], message[160];
        (void)snprintf(text, sizeof text, "[seal]\nmax-key-age = %s\n", bad[i]);
        (void)snprintf(
            message, sizeof message,
            "test.conf:2: max-key-age = %s, expected off, or a time from 1h to 3650d, such as 12h or 90d", bad[i]);
        expect_refused(text, message);
    }
    expect_refused("[seal]\nexpired = refuse\nmax-key-age = off\n",
                   "test.conf:2: expired = refuse, expected max-key-age = TIME as well");
    expect_refused("[seal]\nexpired = end\n", "test.conf:2: expired = end, expected log or refuse");
}
END_TEST

START_TEST(a_key_before_any_section_is_refused)
{
    expect_refused("; x\nmode = audit\n", "test.conf:2: mode comes before any section, expected [policy], [tls], "
                                          "[wire], [findings], [seal], [listen NAME], [connect NAME] or [end] "
                                          "first");
}
END_TEST

START_TEST(an_unknown_key_is_refused_with_the_known_ones)
{
    expect_refused("[policy]\nmod = audit\n",
                   "test.conf:2: unknown key mod in [policy], expected mode, log, log-failure, "
                   "log-handshakes, log-repeats, log-interval, "
                   "log-chain, children, io-uring or reload");
    expect_refused("[policy]\nMode = audit\n",
                   "test.conf:2: unknown key Mode in [policy], expected mode, log, log-failure, "
                   "log-handshakes, log-repeats, log-interval, "
                   "log-chain, children, io-uring or reload");
    expect_refused("[policy]\n= audit\n", "test.conf:2: unknown key  in [policy], expected mode, log, log-failure, "
                                          "log-handshakes, log-repeats, log-interval, "
                                          "log-chain, children, io-uring or reload");
    expect_refused("[listen a]\npeer = x\n",
                   "test.conf:2: unknown key peer in [listen], expected address, seal, layer, "
                   "clients, service, post-quantum, padding or plaintext");
}
END_TEST

START_TEST(a_single_key_may_not_be_repeated)
{
    expect_refused("[policy]\nmode = audit\nlog = stderr\nmode = audit\n",
                   "test.conf:4: mode is repeated, expected it once (first on line 2)");
}
END_TEST

START_TEST(a_line_that_is_no_key_and_value_is_refused)
{
    expect_refused("[policy]\nmode\n", "test.conf:2: expected KEY = VALUE or [SECTION]");
    expect_refused("[policy]\nmode ; = audit\n", "test.conf:2: expected KEY = VALUE or [SECTION]");
    expect_refused("[policy]\nmode: audit\n", "test.conf:2: expected KEY = VALUE");
    expect_refused("[policy]\nmode =\n", "test.conf:2: mode has no value, expected mode = VALUE");
    expect_refused("[policy]\nmode = ; audit\n", "test.conf:2: mode has no value, expected mode = VALUE");
}
END_TEST

START_TEST(an_indented_line_does_not_continue_the_value_before)
{
    expect_refused("[tls]\ngroups = X25519,\n    P-256\n",
                   "test.conf:2: groups has an empty entry, expected a list such as A, B");
    expect_refused("[tls]\ngroups = X25519\n    P-256\n", "test.conf:3: expected KEY = VALUE or [SECTION]");
}
END_TEST

START_TEST(a_hash_after_a_value_is_refused_and_not_a_part_of_it)
{
    expect_refused("[policy]\nlog = /var/log/x # here\n",
                   "test.conf:2: log has a # in its value, expected a comment "
                   "after a value to begin with ;");
}
END_TEST

START_TEST(a_line_of_4095_bytes_is_accepted_and_a_longer_one_refused)
{
    static char text[4200];
    size_t used = (size_t)snprintf(text, sizeof text, "[policy]\n; ");
    memset(text + used, 'x', 4093);
    text[used + 4093] = '\0';
    expect_accepted(text);
    text[used + 4093] = 'x';
    text[used + 4094] = '\0';
    expect_refused(text, "test.conf:2: line is too long, expected at most 4095 bytes");
}
END_TEST

START_TEST(control_characters_are_refused)
{
    static const char nul[] = "[policy]\nmode = audit\0\nlog = stderr\n";
    expect_refused_bytes(nul, sizeof nul - 1, "test.conf:2: control character 0x00, expected plain text");
    expect_refused("[policy]\nlog = /x\x1b[2J\n", "test.conf:2: control character 0x1b, expected plain text");
    expect_refused("[policy]\rmode = audit\n", "test.conf:1: control character 0x0d, expected plain text");
}
END_TEST

START_TEST(a_file_of_more_than_a_mebibyte_is_refused)
{
    size_t size = 1024 * 1024;
    char *text = malloc(size + 1);
    ck_assert_ptr_nonnull(text);
    memset(text, '\n', size + 1);
    ck_assert_int_eq(policy_parse(&policy, "test.conf", text, size, &policy_problem), 0);
    expect_refused_bytes(text, size + 1, "test.conf:1048577: file is too large, expected at most 1048576 bytes");
    free(text);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("sections");
    tcase_add_test(cases, an_empty_file_is_the_built_in_policy);
    tcase_add_test(cases, comments_blank_lines_crlf_and_a_byte_order_mark_are_ignored);
    tcase_add_test(cases, the_log_may_be_the_journal_at_its_usual_socket_or_another_one);
    tcase_add_test(cases, a_last_line_without_newline_is_read);
    tcase_add_test(cases, an_unknown_section_is_refused_even_without_keys);
    tcase_add_test(cases, a_malformed_section_line_is_refused);
    tcase_add_test(cases, a_section_name_that_inih_would_cut_is_refused);
    tcase_add_test(cases, a_section_may_not_be_repeated);
    tcase_add_test(cases, a_policy_that_is_read_again_says_where_it_ends);
    tcase_add_test(cases, open_connections_end_at_the_next_rehandshake_or_at_once);
    tcase_add_test(cases, a_peers_file_may_have_signers_and_a_state);
    tcase_add_test(cases, keys_may_have_an_age_and_a_warning_before_it);
    tcase_add_test(cases, a_key_before_any_section_is_refused);
    tcase_add_test(cases, an_unknown_key_is_refused_with_the_known_ones);
    tcase_add_test(cases, a_single_key_may_not_be_repeated);
    tcase_add_test(cases, a_line_that_is_no_key_and_value_is_refused);
    tcase_add_test(cases, an_indented_line_does_not_continue_the_value_before);
    tcase_add_test(cases, a_hash_after_a_value_is_refused_and_not_a_part_of_it);
    tcase_add_test(cases, a_line_of_4095_bytes_is_accepted_and_a_longer_one_refused);
    tcase_add_test(cases, control_characters_are_refused);
    tcase_add_test(cases, a_file_of_more_than_a_mebibyte_is_refused);
    return run_suite(cases, "policy sections");
}
