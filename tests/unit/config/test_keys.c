/*
 * The keys of a policy: the settings of each rule's channels, the refusals at the start with their messages, and
 * that no key is loaded, or left in an ordinary page, without need. Each test is a process of its own, since
 * keys_load() works once.
 */
#include "../suite.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config/keys.h"

#define SECRET_A "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo="
#define SECRET_B "XasIfmJKikt54X+Lg4AO5m87sSkmGLb9HC+LJ/+I4Os="
#define PUBLIC_A "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo="
#define PUBLIC_B "3p7bfXt9wbTTW2HC7OQ1Nz+DQ8hbeGdNrfx+FG+IK08="
#define LISTEN "[listen a]\naddress = 0.0.0.0:1\nseal = require\n"
#define CONNECT "[connect b]\naddress = 127.0.0.1:1\nseal = require\npeer = b\n"

static struct policy policy;
static struct policy_error problem;
static char directory[] = "/tmp/pfswrap-keys-XXXXXX";

static void setup(void)
{
    memcpy(directory + sizeof directory - 7, "XXXXXX", 6);
    ck_assert_ptr_nonnull(mkdtemp(directory));
    ck_assert_int_eq(0, chdir(directory));
}

static void teardown(void)
{
    static const char *const files[] = {"a.key", "b.key", "site.psk", "peers", "none"};
    if (getuid() == 0)
        ck_assert_int_eq(0, seteuid(0));
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        (void)unlink(files[i]);
    ck_assert_int_eq(0, chdir("/"));
    (void)rmdir(directory);
}

static void write_file(const char *name, const char *text, mode_t mode)
{
    const int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq((int)strlen(text), (int)write(fd, text, strlen(text)));
    ck_assert_int_eq(0, fchmod(fd, mode));
    close(fd);
}

static void write_good_files(void)
{
    write_file("a.key", SECRET_A "\n", 0600);
    write_file("b.key", SECRET_B "\n", 0600);
    write_file("site.psk", SECRET_A "\n", 0600);
    write_file("peers", "a " PUBLIC_A "\nb " PUBLIC_B "\n", 0644);
}

/* `text` with the test's directory and a slash for every @. */
static size_t expand(char *buffer, size_t size, const char *text)
{
    size_t used = 0;
    for (; *text != '\0'; text++)
        used += (size_t)(*text == '@' ? snprintf(buffer + used, size - used, "%s/", directory)
                                      : snprintf(buffer + used, size - used, "%c", *text));
    ck_assert_uint_lt(used, size);
    return used;
}

/* Parses `text`, expanded, and loads its keys. */
static int load(const char *text)
{
    char buffer[4096];
    const size_t length = expand(buffer, sizeof buffer, text);
    ck_assert_msg(policy_parse(&policy, "test.conf", buffer, length, &problem) == 0, "%s", problem.text);
    return keys_load(&policy, &problem);
}

static void expect_loaded(const char *text)
{
    const int result = load(text);
    ck_assert_msg(result == 0, "refused: %s", problem.text);
    ck_assert(keys_in_use());
}

static void expect_refused(const char *text, const char *message)
{
    char expected[1024];
    (void)expand(expected, sizeof expected, message);
    ck_assert_int_eq(-1, load(text));
    ck_assert_str_eq(problem.text, expected);
    ck_assert(!keys_in_use());
}

START_TEST(without_a_rule_that_seals_no_key_file_is_opened)
{
    ck_assert_int_eq(0, load("[seal]\nidentity = /no/such\npeers = /no/such\n[listen a]\naddress = 0.0.0.0:1\n"));
    ck_assert(!keys_in_use());
    policy_builtin(&policy);
    ck_assert_int_eq(0, keys_load(&policy, &problem));
    ck_assert(!keys_in_use());
}
END_TEST

START_TEST(a_listening_rule_admits_all_peers_some_peers_or_any_client)
{
    write_good_files();
    expect_loaded("[seal]\nidentity = @a.key\nidentity = @b.key\npsk = @site.psk\npeers = @peers\nrekey = 7\n"
                  "[listen off]\naddress = 0.0.0.0:1\n"
                  "[listen all]\naddress = 0.0.0.0:2\nseal = require\n"
                  "[listen some]\naddress = 0.0.0.0:3\nseal = require\nlayer = tls\nclients = b, a\nservice = web\n"
                  "[listen any]\naddress = 0.0.0.0:4\nseal = prefer\nclients = any\n");
    const struct pfswrap_seal_config *all = keys_config(&policy.rules[1]), *some = keys_config(&policy.rules[2]),
                                     *any = keys_config(&policy.rules[3]);
    ck_assert_ptr_eq(all->keyring, some->keyring);
    ck_assert_ptr_eq(all->keyring, any->keyring);
    ck_assert_uint_eq(2, pfswrap_keyring_count_identities(all->keyring));
    ck_assert_uint_eq(1, pfswrap_keyring_count_psks(all->keyring));
    ck_assert_uint_eq(2, pfswrap_keyring_count_peers(all->keyring, NULL));
    ck_assert(!all->anonymous && !some->anonymous && any->anonymous);
    ck_assert_uint_eq(0, all->name_count);
    ck_assert_uint_eq(0, any->name_count);
    ck_assert_uint_eq(2, some->name_count);
    ck_assert_str_eq("b", some->names[0]);
    ck_assert_str_eq("a", some->names[1]);
    ck_assert_ptr_null(all->service);
    ck_assert_str_eq("web", some->service);
    ck_assert_uint_eq(0, all->transport_max);
    ck_assert_uint_eq(PFSWRAP_SEAL_TLS_RECORD, some->transport_max);
    ck_assert_uint_eq(7, all->rekey);
    ck_assert_uint_eq(0, all->rehandshake_seconds);
    ck_assert_uint_eq(0, all->rehandshake_bytes);
}
END_TEST

START_TEST(a_client_is_anonymous_only_without_an_identity)
{
    write_good_files();
    expect_loaded("[seal]\npeers = @peers\n" CONNECT "service = redis\n");
    const struct pfswrap_seal_config *config = keys_config(&policy.rules[0]);
    ck_assert(config->anonymous);
    ck_assert_uint_eq(1, config->name_count);
    ck_assert_str_eq("b", config->names[0]);
    ck_assert_str_eq("redis", config->service);
    ck_assert_uint_eq(1, config->rekey);
}
END_TEST

START_TEST(a_client_with_an_identity_shows_it)
{
    write_good_files();
    expect_loaded("[seal]\nidentity = @a.key\npeers = @peers\n" CONNECT);
    ck_assert(!keys_config(&policy.rules[0])->anonymous);
}
END_TEST

/* Runs a handshake between two rules of one policy: the settings are valid for the library. */
START_TEST(two_rules_of_a_policy_can_connect_to_each_other)
{
    uint8_t wire[PFSWRAP_SEAL_TAKE_BYTES], plain[16];
    struct pfswrap_seal client, server;
    struct pfswrap_seal_opened opened;
    struct pfswrap_seal_info info;
    write_good_files();
    expect_loaded("[seal]\nidentity = @b.key\npsk = @site.psk\npeers = @peers\n" CONNECT LISTEN "clients = b\n");
    const struct pfswrap_seal_config *ours = keys_config(&policy.rules[0]), *theirs = keys_config(&policy.rules[1]);
    ck_assert_int_eq(0, pfswrap_seal_init(&client, PFSWRAP_SEAL_INITIATOR, ours, NULL, 0, 0, 1));
    ck_assert_int_eq(0, pfswrap_seal_init(&server, PFSWRAP_SEAL_RESPONDER, theirs, NULL, 0, 0, 1));
    for (int i = 0; i < 16 && !(pfswrap_seal_ready(&client) && pfswrap_seal_ready(&server)); i++) {
        struct pfswrap_seal *from = i % 2 == 0 ? &client : &server, *to = i % 2 == 0 ? &server : &client;
        size_t have = 0;
        while (pfswrap_seal_owes(from)) {
            const int size =
                pfswrap_seal_take(from, from == &client ? ours : theirs, wire + have, sizeof wire - have);
            ck_assert_msg(size > 0, "%s", pfswrap_seal_error_text(size));
            have += (size_t)size;
        }
        for (size_t used = 0; used < have; used += opened.consumed)
            if (pfswrap_seal_open(to, to == &client ? ours : theirs, wire + used, have - used, plain, sizeof plain,
                                  &opened) == PFSWRAP_SEAL_MORE)
                break;
    }
    ck_assert_int_eq(0, pfswrap_seal_describe(&server, &info));
    ck_assert_int_eq(PFSWRAP_SEAL_IKPSK2, info.pattern);
    ck_assert_str_eq("b", info.peer_name);
}
END_TEST

START_TEST(a_missing_key_file_is_refused_with_its_line)
{
    write_file("a.key", SECRET_A "\n", 0600);
    write_file("peers", "", 0644);
    expect_refused("[seal]\nidentity = @a.key\nidentity = @b.key\npeers = @peers\n" LISTEN,
                   "test.conf:3: identity @b.key: No such file or directory");
    expect_refused("[seal]\nidentity = @a.key\n\npsk = @site.psk\npeers = @peers\n" LISTEN,
                   "test.conf:4: psk @site.psk: No such file or directory");
    ck_assert_int_eq(0, unlink("peers"));
    expect_refused(LISTEN "[seal]\nidentity = @a.key\npeers = @peers\n",
                   "test.conf:6: peers @peers: No such file or directory");
}
END_TEST

#define SECRET                                                                                                     \
    "0400 or 0600, or 0440 with a group of this process, since it holds a secret (chmod 0400; Kubernetes: "        \
    "defaultMode: 0400 or fsGroup; Docker: mode: 0400)"

START_TEST(a_key_file_that_others_may_read_is_refused)
{
    write_good_files();
    ck_assert_int_eq(0, chmod("a.key", 0604));
    expect_refused("[seal]\nidentity = @a.key\npeers = @peers\n" LISTEN,
                   "test.conf:2: identity @a.key: mode 0604: all users can read it, expected " SECRET);
    ck_assert_int_eq(0, chmod("site.psk", 0604));
    expect_refused("[seal]\nidentity = @b.key\npsk = @site.psk\npeers = @peers\n" LISTEN,
                   "test.conf:3: psk @site.psk: mode 0604: all users can read it, expected " SECRET);
    ck_assert_int_eq(0, chmod("peers", 0666));
    expect_refused(
        "[seal]\nidentity = @b.key\npeers = @peers\n" LISTEN,
        "test.conf:3: peers @peers: mode 0666: all users can write it, expected nobody but its owner and "
        "root (chmod go-w, or a read-only mount)");
}
END_TEST

START_TEST(a_file_without_a_key_is_refused)
{
    write_good_files();
    write_file("a.key", "secret\n", 0600);
    expect_refused("[seal]\nidentity = @a.key\npeers = @peers\n" LISTEN,
                   "test.conf:2: identity @a.key:1: expected a key of 44 characters in base64, found 6 characters "
                   "that are not a key");
    write_file("peers", "a " PUBLIC_A "\nb\n", 0644);
    expect_refused("[seal]\nidentity = @b.key\npeers = @peers\n" LISTEN,
                   "test.conf:3: peers @peers:2: expected NAME BASE64-PUBLIC-KEY [not-after=DATE], found one word");
    write_file("a.key", SECRET_B "\n", 0600);
    expect_refused("[seal]\nidentity = @a.key\nidentity = @b.key\npeers = @peers\n" LISTEN,
                   "test.conf:3: identity @b.key: the keyring has this identity already, or 16 others");
}
END_TEST

START_TEST(a_name_without_a_key_is_refused_with_its_rule)
{
    write_good_files();
    expect_refused("[seal]\nidentity = @a.key\npeers = @peers\n" LISTEN "clients = a, app-1\n",
                   "test.conf:7: [listen a] clients app-1 has no key, expected a line app-1 PUBLIC-KEY in @peers");
    expect_refused("[seal]\npeers = @peers\n" CONNECT "service = x\npeer = c\n",
                   "test.conf:8: [connect b] peer c has no key, expected a line c PUBLIC-KEY in @peers");
}
END_TEST

START_TEST(a_name_whose_keys_have_expired_is_no_error)
{
    write_file("peers", "b " PUBLIC_B " not-after=1999-12-31\n", 0644);
    expect_loaded("[seal]\npeers = @peers\n" CONNECT);
    ck_assert_int_eq(PFSWRAP_SEAL_E_NO_PEER,
                     pfswrap_seal_init(&(struct pfswrap_seal){0}, PFSWRAP_SEAL_INITIATOR,
                                       keys_config(&policy.rules[0]), NULL, 0, 0, 1700000000));
}
END_TEST

/* Makes this process one that may not read `a.key`: modes do not restrict root, so root becomes another user. */
static void lose_the_right_to_read(void)
{
    ck_assert_int_eq(0, chmod(directory, 0755));
    if (geteuid() == 0)
        ck_assert_int_eq(0, seteuid(65534));
    else
        ck_assert_int_eq(0, chmod("a.key", 0));
}

START_TEST(a_child_that_may_not_read_a_file_has_no_keys_at_all)
{
    struct pfswrap_seal seal;
    write_good_files();
    lose_the_right_to_read();
    static const char text[] = "[seal]\nidentity = @a.key\npeers = @peers\n" CONNECT LISTEN
                               "[listen c]\naddress = 0.0.0.0:2\nseal = prefer\nclients = any\n";
    ck_assert_int_eq(-1, load(text));
    ck_assert(!keys_in_use());
    ck_assert_int_eq(KEYS_WITHHELD, keys_load_child(&policy, &problem));
    ck_assert(keys_in_use());
    ck_assert_ptr_nonnull(strstr(problem.text, "a.key: Permission denied"));
    for (size_t i = 0; i < policy.rule_count; i++)
        ck_assert_int_eq(PFSWRAP_SEAL_E_NO_IDENTITY,
                         pfswrap_seal_init(&seal, i == 0 ? PFSWRAP_SEAL_INITIATOR : PFSWRAP_SEAL_RESPONDER,
                                           keys_config(&policy.rules[i]), NULL, 0, 0, 1));
}
END_TEST

START_TEST(a_child_that_lacks_the_psk_does_not_connect_without_it)
{
    struct pfswrap_seal seal;
    write_good_files();
    ck_assert_int_eq(0, rename("site.psk", "a.key"));
    lose_the_right_to_read();
    ck_assert_int_eq(-1, load("[seal]\npsk = @a.key\npeers = @peers\n" CONNECT));
    ck_assert_int_eq(KEYS_WITHHELD, keys_load_child(&policy, &problem));
    ck_assert_int_eq(PFSWRAP_SEAL_E_NO_IDENTITY, pfswrap_seal_init(&seal, PFSWRAP_SEAL_INITIATOR,
                                                                   keys_config(&policy.rules[0]), NULL, 0, 0, 1));
}
END_TEST

START_TEST(a_child_that_may_read_its_files_has_keys)
{
    write_good_files();
    ck_assert_int_eq(-1, load("[seal]\npeers = @none\n" CONNECT));
    ck_assert_int_eq(-1, keys_load_child(&policy, &problem));
    ck_assert_ptr_nonnull(strstr(problem.text, "none: No such file or directory"));
    ck_assert_int_eq(0, rename("peers", "none"));
    ck_assert_int_eq(0, keys_load_child(&policy, &problem));
    ck_assert_uint_eq(2, pfswrap_keyring_count_peers(keys_config(&policy.rules[0])->keyring, NULL));
}
END_TEST

/* Whether writing to `at` ends a process. */
static bool write_is_fatal(volatile void *at)
{
    int status = 0;
    const pid_t child = fork();
    if (child == 0) {
        volatile uint8_t *const byte = at;
        (void)signal(SIGSEGV, SIG_DFL); /* a sanitizer would report at length what is expected here */
        *byte = (uint8_t)(*byte ^ 1);
        _exit(0);
    }
    ck_assert_int_eq(child, waitpid(child, &status, 0));
    return !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

START_TEST(the_settings_cannot_be_written_to)
{
    write_good_files();
    expect_loaded("[seal]\nidentity = @a.key\npeers = @peers\n" LISTEN "clients = a\n");
    const struct pfswrap_seal_config *config = keys_config(&policy.rules[0]);
    ck_assert(!write_is_fatal(&policy));
    ck_assert(write_is_fatal((void *)(uintptr_t)config));
    ck_assert(write_is_fatal((void *)(uintptr_t)config->names));
    ck_assert(write_is_fatal((void *)(uintptr_t)config->keyring));
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("keys");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, without_a_rule_that_seals_no_key_file_is_opened);
    tcase_add_test(cases, a_listening_rule_admits_all_peers_some_peers_or_any_client);
    tcase_add_test(cases, a_client_is_anonymous_only_without_an_identity);
    tcase_add_test(cases, a_client_with_an_identity_shows_it);
    tcase_add_test(cases, two_rules_of_a_policy_can_connect_to_each_other);
    tcase_add_test(cases, a_missing_key_file_is_refused_with_its_line);
    tcase_add_test(cases, a_key_file_that_others_may_read_is_refused);
    tcase_add_test(cases, a_file_without_a_key_is_refused);
    tcase_add_test(cases, a_name_without_a_key_is_refused_with_its_rule);
    tcase_add_test(cases, a_name_whose_keys_have_expired_is_no_error);
    tcase_add_test(cases, a_child_that_may_not_read_a_file_has_no_keys_at_all);
    tcase_add_test(cases, a_child_that_lacks_the_psk_does_not_connect_without_it);
    tcase_add_test(cases, a_child_that_may_read_its_files_has_keys);
    tcase_add_test(cases, the_settings_cannot_be_written_to);
    return run_suite(cases, "keys");
}
