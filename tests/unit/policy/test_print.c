/* A printed policy parses to the same policy, and says what a missing plane does not do. */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

static char first[64 * 1024], second[64 * 1024];

static void print(char *text, size_t size)
{
    int fd = memfd_create("policy", MFD_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(policy_print(&policy, fd), 0);
    ssize_t length = pread(fd, text, size - 1, 0);
    ck_assert_int_gt(length, 0);
    text[length] = '\0';
    close(fd);
}

/* Parses `text`, prints it, parses that, prints again: both prints are the same, and so is their meaning. */
static void expect_round_trip(const char *text)
{
    static struct policy before;
    expect_accepted(text);
    print(first, sizeof first);
    before = policy;
    expect_accepted(first);
    print(second, sizeof second);
    ck_assert_str_eq(first, second);
    ck_assert_mem_eq(&policy.tls, &before.tls, sizeof policy.tls);
    ck_assert_uint_eq(policy.rule_count, before.rule_count);
    ck_assert_uint_eq(policy.address_count, before.address_count);
    ck_assert_mem_eq(policy.addresses, before.addresses, policy.address_count * sizeof policy.addresses[0]);
    for (size_t i = 0; i < policy.rule_count; i++) {
        struct policy_rule a = policy.rules[i], b = before.rules[i];
        memset(a.peer_lines, 0, sizeof a.peer_lines);
        memset(b.peer_lines, 0, sizeof b.peer_lines);
        a.line = a.seal_line = b.line = b.seal_line = 0;
        a.post_quantum_line = b.post_quantum_line = 0;
        ck_assert_mem_eq(&a, &b, sizeof a);
    }
}

START_TEST(the_built_in_policy_prints_and_parses_back)
{
    policy_builtin(&policy);
    print(first, sizeof first);
    ck_assert_ptr_eq(strstr(first, "; policy in force: builtin\n"), first);
    expect_round_trip(first);
    expect_round_trip("[policy]\nlog = journald:/run/a b\n");
}
END_TEST

START_TEST(every_key_prints_and_parses_back)
{
    expect_round_trip(
        "[policy]\nmode = audit\nlog = /run/a b\nlog-chain = /run/key\nlog-failure = refuse\nlog-handshakes = "
        "summary\n"
        "log-repeats = 20\nlog-interval = 5m\nchildren = allow\nio-uring = "
        "require\nreload = auto\n"
        "[tls]\nmin-version = 1.2\ngroups = x25519, secp521r1\nciphersuites = TLS_AES_128_CCM_SHA256\n"
        "session-tickets = refuse\nverify-server = require\nca-file = /ca\n"
        "pin-sha256 = 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
        "pin-sha256 = AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
        "client-certificates = require\ndtls = refuse\ncertificate-transparency = require\nct-log-list = /l\n"
        "max-certificate-age = 397d\nmax-key-age = 2d\nwarn-before = 1h\nexpired = refuse\nkey-state = /k\n"
        "[wire]\ntls = log\nplaintext = starttls\n"
        "[findings]\nhttp = log\ncertificates = log\n"
        "[seal]\nidentity = /a\nidentity = /b\npeers = /p\npsk = /x\nrekey = 7\n"
        "peers-signer = RWQuppe6s/zKTfoLxbDrVuLFw2nduF3cwH271XGrdfCiL99K73Y2Oq2N\npeers-state = /s\n"
        "handshake-timeout = 1500ms\nlinger = 1m\non-removal = now\nrevocation-delay = 90s\nmax-key-age = 90d\n"
        "warn-before = 25h\nexpired = refuse\n"
        "[listen a]\naddress = 0.0.0.0:1, [::]:2, 10.0.0.0/8:*, [2001:db8::]/32:80-90\nseal = require\n"
        "layer = tls\nclients = a, b\nservice = s\nplaintext = refuse\npost-quantum = allow\n"
        "[listen b]\naddress = 127.0.0.1:1\nseal = prefer\nclients = any\n"
        "[connect c]\naddress = [::1]:1\nseal = require\npeer = x\npeer = y\n"
        "[connect d]\naddress = 1.2.3.4/32:1\n[end]\n");
    ck_assert_ptr_nonnull(strstr(first, "\nreload = auto\n"));
    ck_assert_ptr_nonnull(strstr(
        first, "\npeers-signer = RWQuppe6s/zKTfoLxbDrVuLFw2nduF3cwH271XGrdfCiL99K73Y2Oq2N\npeers-state = /s\n"));
    ck_assert_ptr_nonnull(
        strstr(first, "\nlog-handshakes = summary\nlog-repeats = 20\nlog-interval = 300s\nlog-chain = /run/key\n"));
    ck_assert_ptr_nonnull(strstr(
        first,
        "\non-removal = now\nrevocation-delay = 90s\nmax-key-age = 90d\nwarn-before = 25h\nexpired = refuse\n"));
    ck_assert_ptr_nonnull(strstr(first, "\n\n[end]\n"));
    ck_assert_ptr_nonnull(strstr(first, "\nhandshake-timeout = 1500ms\nlinger = 60s\n"));
    ck_assert_ptr_nonnull(strstr(first, "\npin-sha256 = AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"));
    ck_assert_ptr_nonnull(
        strstr(first, "\naddress = 0.0.0.0/0:1, [::]/0:2, 10.0.0.0/8:*, [2001:db8::]/32:80-90\n"));
    ck_assert_ptr_nonnull(strstr(first,
                                 "\nmax-certificate-age = 397d\nmax-key-age = 2d\nwarn-before = 1h\nexpired = "
                                 "refuse\nkey-state = /k\n"));
    ck_assert_ptr_nonnull(strstr(first, "\ncertificate-transparency = require\nct-log-list = /l\n"));
    ck_assert_ptr_nonnull(strstr(first, "\nclients = a, b\n"));
    ck_assert_ptr_nonnull(strstr(first, "\nlayer = tls\npost-quantum = allow\n"));
    ck_assert_ptr_nonnull(strstr(first, "\npeer = x\npeer = y\n"));
    ck_assert_ptr_nonnull(strstr(first, "\n[wire]\ntls = log\nplaintext = starttls\n"));
    ck_assert_ptr_nonnull(strstr(first, "\n[findings]\nhttp = log\ncertificates = log\n"));
}
END_TEST

START_TEST(defaults_are_printed_so_that_they_parse)
{
    expect_accepted("");
    print(first, sizeof first);
    ck_assert_ptr_nonnull(strstr(first, "\ntls = pfs\nplaintext = log\n"));
    ck_assert_int_eq(policy_parse(&policy, "test.conf", first, strlen(first), &policy_problem), 0);
}
END_TEST

START_TEST(the_largest_policy_prints_whole)
{
    expect_accepted("");
    for (size_t i = 0; i < POLICY_LIST_MAX; i++) {
        memset(policy.seal.identities[i], 'x', PATH_MAX - 1);
        policy.seal.identities[i][0] = '/';
        policy.seal.identities[i][PATH_MAX - 1] = '\0';
    }
    policy.seal.identity_count = POLICY_LIST_MAX;
    static char text[POLICY_LIST_MAX * (PATH_MAX + 16) + 4096];
    print(text, sizeof text);
    ck_assert_uint_ge(strlen(text), POLICY_LIST_MAX * PATH_MAX);
    ck_assert_ptr_nonnull(strstr(text, "\nlinger = 5s\n"));
}
END_TEST

START_TEST(a_write_that_fails_is_reported)
{
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    policy_builtin(&policy);
    ck_assert_int_eq(policy_print(&policy, fd), -ENOSPC);
    close(fd);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("print");
    tcase_add_test(cases, the_built_in_policy_prints_and_parses_back);
    tcase_add_test(cases, every_key_prints_and_parses_back);
    tcase_add_test(cases, defaults_are_printed_so_that_they_parse);
    tcase_add_test(cases, the_largest_policy_prints_whole);
    tcase_add_test(cases, a_write_that_fails_is_reported);
    return run_suite(cases, "policy print");
}
