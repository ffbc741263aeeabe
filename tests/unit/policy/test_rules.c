/*
 * The keys of [wire], [seal], [listen] and [connect]: every build parses and checks them, also one that cannot
 * apply them.
 */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>

#include <pfswrap/seal.h>

#define SEAL "[seal]\nidentity = /k\npeers = /p\n"
#define LISTEN "[listen a]\naddress = 0.0.0.0:1\n"
#define CONNECT "[connect a]\naddress = 0.0.0.0:1\n"

START_TEST(every_key_of_wire_is_accepted)
{
    expect_accepted("[wire]\ntls = log\n\nplaintext = starttls\n");
    ck_assert_int_eq(policy.wire.tls, POLICY_WIRE_LOG);
    ck_assert_int_eq(policy.wire.plaintext, POLICY_PLAINTEXT_STARTTLS);
    expect_refused("[wire]\ntls = on\n", "test.conf:2: tls = on, expected pfs, log or off");
    expect_refused("[wire]\nplaintext = no\n",
                   "test.conf:2: plaintext = no, expected log, refuse, starttls or allow");
}
END_TEST

START_TEST(every_key_of_seal_is_accepted)
{
    expect_accepted("[seal]\nidentity = /a\nidentity = /b, c\npeers = /p\npsk = /x\npsk = /y\nrekey = 16\n"
                    "handshake-timeout = 500ms\nlinger = 2m\n");
    const struct policy_seal_keys *seal = &policy.seal;
    ck_assert_uint_eq(seal->identity_count, 2);
    ck_assert_str_eq(seal->identities[0], "/a");
    ck_assert_str_eq(seal->identities[1], "/b, c");
    ck_assert_str_eq(seal->peers, "/p");
    ck_assert_uint_eq(seal->psk_count, 2);
    ck_assert_str_eq(seal->psks[1], "/y");
    ck_assert_uint_eq(seal->rekey, 16);
    ck_assert_uint_eq(seal->handshake_timeout_ms, 500);
    ck_assert_uint_eq(seal->linger_ms, 120000);
}
END_TEST

START_TEST(an_identity_may_be_a_key_of_the_agent)
{
    char text[256];
    expect_accepted("[seal]\nidentity = agent:redis-1\nidentity = /a\nagent-socket = /run/keys.sock\n");
    ck_assert_uint_eq(policy.seal.identity_count, 2);
    ck_assert_str_eq(policy_agent_name(policy.seal.identities[0]), "redis-1");
    ck_assert_ptr_null(policy_agent_name(policy.seal.identities[1]));
    ck_assert_uint_eq(policy.seal.identity_lines[1], 3);
    ck_assert_str_eq(policy.seal.agent_socket, "/run/keys.sock");
    expect_accepted("[seal]\nidentity = agent:redis-1\n");
    ck_assert_str_eq(policy.seal.agent_socket, "");
    expect_refused("[seal]\nidentity = agent:\n",
                   "test.conf:2: identity = , expected a name of letters, digits, '.', '_', '-' and '@'");
    expect_refused("[seal]\nidentity = agent:a/b\n",
                   "test.conf:2: identity = a/b, expected a name of letters, digits, '.', '_', '-' and '@'");
    expect_refused("[seal]\nidentity = agent:a\nidentity = agent:a\n",
                   "test.conf:3: identity = agent:a is listed twice, expected it once");
    expect_refused("[seal]\nagent-socket = agent.sock\n",
                   "test.conf:2: agent-socket = agent.sock, expected an absolute path");
    (void)snprintf(text, sizeof text, "[seal]\nagent-socket = /%0107d\n", 0);
    expect_refused(text, "test.conf:2: agent-socket has 108 characters, expected at most 107");
}
END_TEST

START_TEST(a_path_may_begin_with_the_folder_of_a_services_credentials)
{
    ck_assert_int_eq(setenv("CREDENTIALS_DIRECTORY", "/run/credentials/redis.service", 1), 0);
    expect_accepted("[seal]\nidentity = $CREDENTIALS_DIRECTORY/redis.key\n");
    ck_assert_str_eq(policy.seal.identities[0], "/run/credentials/redis.service/redis.key");
    expect_refused("[seal]\nidentity = $CREDENTIALS_DIRECTORY\n",
                   "test.conf:2: identity = $CREDENTIALS_DIRECTORY, expected an absolute path");
    expect_refused("[seal]\nidentity = $CREDENTIALS_DIRECTORYX/a\n",
                   "test.conf:2: identity = $CREDENTIALS_DIRECTORYX/a, expected an absolute path");
    expect_refused("[seal]\nidentity = $HOME/a\n", "test.conf:2: identity = $HOME/a, expected an absolute path");
    static const char *const bad[] = {"", "credentials"};
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_eq(setenv("CREDENTIALS_DIRECTORY", bad[i], 1), 0);
        expect_refused(
            "[seal]\nidentity = $CREDENTIALS_DIRECTORY/a\n",
            "test.conf:2: identity = $CREDENTIALS_DIRECTORY/a, but the variable is not set, expected a systemd "
            "service with credentials");
    }
}
END_TEST

START_TEST(bad_values_of_seal_are_refused)
{
    expect_refused("[seal]\nidentity = keys/a\n", "test.conf:2: identity = keys/a, expected an absolute path");
    expect_refused("[seal]\npeers = p\n", "test.conf:2: peers = p, expected an absolute path");
    expect_refused("[seal]\npsk = p\n", "test.conf:2: psk = p, expected an absolute path");
    expect_refused("[seal]\npsk = /p\npsk = /p\n", "test.conf:3: psk = /p is listed twice, expected it once");
    expect_refused("[seal]\nrekey = 0\n", "test.conf:2: rekey = 0, expected a whole number from 1 to 65535");
    expect_refused("[seal]\nrekey = 65536\n",
                   "test.conf:2: rekey = 65536, expected a whole number from 1 to 65535");
    expect_refused("[seal]\nrekey = 01\n", "test.conf:2: rekey = 01, expected a whole number from 1 to 65535");
    expect_refused("[seal]\nrekey = -1\n", "test.conf:2: rekey = -1, expected a whole number from 1 to 65535");
    expect_refused("[seal]\nrekey = 4294967297\n",
                   "test.conf:2: rekey = 4294967297, expected a whole number from 1 to 65535");
}
END_TEST

START_TEST(a_duration_needs_a_unit_and_lies_between_1ms_and_1h)
{
    static const char *const bad[] = {"10", "0s", "1.5s", "61m", "2h", "3600001ms", "10 s", "s", "99999999999999s"};
    char text[128], expected[192];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(text, sizeof text, "[seal]\nlinger = %s\n", bad[i]);
        snprintf(expected, sizeof expected,
                 "test.conf:2: linger = %s, expected a duration from 1ms to 1h, such as 500ms, 10s or 2m", bad[i]);
        expect_refused(text, expected);
    }
    expect_accepted("[seal]\nlinger = 1ms\nhandshake-timeout = 1h\n");
    ck_assert_uint_eq(policy.seal.linger_ms, 1);
    ck_assert_uint_eq(policy.seal.handshake_timeout_ms, 3600000);
}
END_TEST

START_TEST(every_key_of_listen_is_accepted)
{
    expect_accepted(SEAL "[listen web-1]\naddress = 192.0.2.1:443, 10.0.0.0/8:*, [2001:db8::]/32:8000-8999\n"
                         "seal = require\nlayer = tls\nclients = a, b.c\nservice = web\nplaintext = refuse\n");
    ck_assert_uint_eq(policy.rule_count, 1);
    const struct policy_rule *rule = &policy.rules[0];
    ck_assert_int_eq(rule->direction, POLICY_LISTEN);
    ck_assert_str_eq(rule->name, "web-1");
    ck_assert_uint_eq(rule->address_first, 0);
    ck_assert_uint_eq(rule->address_count, 3);
    ck_assert_int_eq(rule->seal, POLICY_SEAL_REQUIRE);
    ck_assert_int_eq(rule->layer, POLICY_LAYER_TLS);
    ck_assert(!rule->clients_any);
    ck_assert_uint_eq(rule->peer_count, 2);
    ck_assert_str_eq(rule->peers[1], "b.c");
    ck_assert_str_eq(rule->service, "web");
    ck_assert_int_eq(rule->plaintext, POLICY_PLAINTEXT_REFUSE);
    ck_assert_uint_eq(rule->line, 4);
    ck_assert_uint_eq(rule->seal_line, 6);
    ck_assert_uint_eq(policy.addresses[0].prefix, 128);
    ck_assert_uint_eq(policy.addresses[1].prefix, 104);
    ck_assert_uint_eq(policy.addresses[1].port_first, 0);
    ck_assert_uint_eq(policy.addresses[1].port_last, 65535);
    ck_assert_uint_eq(policy.addresses[2].prefix, 32);
    ck_assert_uint_eq(policy.addresses[2].port_first, 8000);
    ck_assert_uint_eq(policy.addresses[2].port_last, 8999);
}
END_TEST

START_TEST(every_key_of_connect_is_accepted)
{
    expect_accepted(
        "[connect db]\naddress = [::1]:5432\nseal = require\npeer = db-1\npeer = db-2\nservice = db\n" SEAL);
    const struct policy_rule *rule = &policy.rules[0];
    ck_assert_int_eq(rule->direction, POLICY_CONNECT);
    ck_assert_uint_eq(rule->peer_count, 2);
    ck_assert_str_eq(rule->peers[0], "db-1");
    ck_assert_int_eq(rule->plaintext, POLICY_PLAINTEXT_UNSET);
}
END_TEST

START_TEST(a_rule_name_is_unique_in_its_direction)
{
    expect_accepted(LISTEN CONNECT);
    ck_assert_uint_eq(policy.rule_count, 2);
    expect_refused(LISTEN CONNECT LISTEN,
                   "test.conf:5: [listen a] is repeated, expected another name (first on line 1)");
    expect_refused("[listen a/b]\n",
                   "test.conf:1: name = a/b, expected a name of letters, digits, '.', '_', '-' and '@'");
}
END_TEST

START_TEST(more_than_64_rules_are_refused)
{
    static char text[65 * 64];
    size_t used = 0;
    for (unsigned i = 0; i < 65; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "[listen r%u]\naddress = 0.0.0.0:%u\n", i, i + 1);
    expect_refused(text, "test.conf:129: more than 64 [listen] and [connect] sections");
}
END_TEST

START_TEST(more_than_256_addresses_are_refused)
{
    static char text[20 * 1024];
    size_t used = 0;
    for (unsigned i = 0; i < 17; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "[listen r%u]\naddress = 127.0.0.1:1", i);
        for (unsigned j = 1; j < 16; j++)
            used += (size_t)snprintf(text + used, sizeof text - used, ", 127.0.0.1:%u", j + 1);
        used += (size_t)snprintf(text + used, sizeof text - used, "\n");
    }
    expect_refused(text, "test.conf:34: more than 256 addresses in all rules");
}
END_TEST

START_TEST(a_rule_needs_an_address)
{
    expect_refused("[listen a]\n[policy]\n",
                   "test.conf:1: [listen a] has no address, expected address = ADDRESS:PORT");
    expect_refused("[connect b]\nseal = off\n",
                   "test.conf:1: [connect b] has no address, expected address = ADDRESS:PORT");
}
END_TEST

START_TEST(a_malformed_address_is_refused)
{
    static const char *const hosts[] = {"localhost:1", "1.2.3:1",          "1.2.3.4.5:1", "::1:80", "[::1:80",
                                        "[1.2.3.4]:1", "[fe80::1%eth0]:1", "*:1",         ":1",     "[]:1"};
    char text[160], expected[256];
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        snprintf(text, sizeof text, "[listen a]\naddress = %s\n", hosts[i]);
        snprintf(expected, sizeof expected,
                 "test.conf:2: address %s, expected ADDRESS[/PREFIX]:PORT, such as 192.0.2.1:443, 10.0.0.0/8:* or "
                 "[2001:db8::]/32:8000-8999",
                 hosts[i]);
        expect_refused(text, expected);
    }
}
END_TEST

START_TEST(a_malformed_port_is_refused)
{
    static const char *const ports[] = {"", ":", ":0", ":65536", ":080", ":80-", ":-80", ":90-80", ":http", ":0-9"};
    char text[160], expected[256];
    for (size_t i = 0; i < sizeof ports / sizeof ports[0]; i++) {
        snprintf(text, sizeof text, "[listen a]\naddress = 1.2.3.4%s\n", ports[i]);
        snprintf(expected, sizeof expected,
                 "test.conf:2: address 1.2.3.4%s has no valid port, expected 1 to 65535, FIRST-LAST or *",
                 ports[i]);
        expect_refused(text, expected);
    }
}
END_TEST

START_TEST(a_malformed_prefix_is_refused)
{
    expect_refused("[listen a]\naddress = 10.0.0.0/33:1\n",
                   "test.conf:2: address 10.0.0.0/33:1 has no valid prefix, expected /0 to /32");
    expect_refused("[listen a]\naddress = [::]/129:1\n",
                   "test.conf:2: address [::]/129:1 has no valid prefix, expected /0 to /128");
    expect_refused("[listen a]\naddress = 10.0.0.0/:1\n",
                   "test.conf:2: address 10.0.0.0/:1 has no valid prefix, expected /0 to /32");
    expect_refused("[listen a]\naddress = 10.0.0.1/8:1\n",
                   "test.conf:2: address 10.0.0.1/8:1 has bits set after its prefix /8, expected them to be zero");
    expect_refused("[listen a]\naddress = 10.0.0.0/8:1, 10.0.0.0/8:1\n",
                   "test.conf:2: address 10.0.0.0/8:1 is listed twice, expected it once");
}
END_TEST

START_TEST(a_sealing_rule_needs_its_keys)
{
    expect_refused(LISTEN "seal = require\n", "test.conf:3: [listen a] seals, expected identity = FILE in [seal]");
    expect_refused(LISTEN "seal = require\n[seal]\nidentity = /k\n",
                   "test.conf:3: [listen a] seals, expected peers = FILE in [seal], or clients = any");
    expect_accepted(LISTEN "seal = require\nclients = any\n[seal]\nidentity = /k\n");
    expect_refused(CONNECT "seal = require\n" SEAL, "test.conf:3: [connect a] seals, expected peer = NAME as well");
    expect_refused(CONNECT "seal = require\npeer = x\n",
                   "test.conf:3: [connect a] seals, expected peers = FILE in [seal]");
    expect_accepted(CONNECT "seal = require\npeer = x\n[seal]\npeers = /p\n");
}
END_TEST

START_TEST(prefer_is_for_listening_sockets_that_admit_any_client)
{
    expect_accepted(LISTEN "seal = prefer\nclients = any\n" SEAL);
    ck_assert_int_eq(policy.rules[0].seal, POLICY_SEAL_PREFER);
    ck_assert(policy.rules[0].clients_any);
    expect_refused(
        LISTEN "seal = prefer\n" SEAL,
        "test.conf:3: seal = prefer in [listen a] accepts unsealed clients, expected clients = any as well");
    expect_accepted(LISTEN "clients = any\nseal = prefer\nlayer = tls\n" SEAL);
    ck_assert_int_eq(policy.rules[0].layer, POLICY_LAYER_TLS);
    expect_refused(
        CONNECT "seal = prefer\npeer = x\n" SEAL,
        "test.conf:3: seal = prefer in [connect a] could be stripped on the way, expected require or off");
}
END_TEST

START_TEST(post_quantum_is_a_choice_that_clients_cannot_leave_open)
{
    expect_accepted(LISTEN "seal = require\nclients = any\n" SEAL);
    ck_assert_int_eq(policy.rules[0].post_quantum, POLICY_POST_QUANTUM_OFF);
    expect_accepted(LISTEN "seal = require\nclients = any\npost-quantum = allow\n" SEAL);
    ck_assert_int_eq(policy.rules[0].post_quantum, POLICY_POST_QUANTUM_ALLOW);
    expect_accepted(LISTEN "seal = prefer\nclients = any\npost-quantum = allow\n" SEAL);
    expect_accepted(CONNECT "seal = require\npeer = x\npost-quantum = off\n" SEAL);
    expect_refused(LISTEN "seal = require\nclients = any\npost-quantum = yes\n" SEAL,
                   "test.conf:5: post-quantum = yes, expected off, allow or require");
    expect_refused(
        CONNECT "seal = require\npeer = x\npost-quantum = allow\n" SEAL,
        "test.conf:5: post-quantum = allow in [connect a], where nothing is negotiated, expected require or "
        "off");
    expect_refused(
        LISTEN "seal = prefer\nclients = any\npost-quantum = require\n" SEAL,
        "test.conf:5: post-quantum = require in [listen a], whose seal = prefer accepts unsealed clients, "
        "expected allow or off");
}
END_TEST

START_TEST(post_quantum_is_required_only_where_this_build_has_it)
{
    static const char *const rules[] = {LISTEN "seal = require\nclients = any\npost-quantum = require\n" SEAL,
                                        CONNECT "seal = require\npeer = x\npost-quantum = require\n" SEAL};
    static const char *const refusals[] = {"test.conf:5: post-quantum = require in [listen a], but this pfswrap "
                                           "was built without ML-KEM, expected a build "
                                           "with it (pfswrap version)",
                                           "test.conf:5: post-quantum = require in [connect a], but this pfswrap "
                                           "was built without ML-KEM, expected a build "
                                           "with it (pfswrap version)"};
    for (size_t i = 0; i < 2; i++) {
        if (!pfswrap_seal_has_post_quantum()) {
            expect_refused(rules[i], refusals[i]);
            continue;
        }
        expect_accepted(rules[i]);
        ck_assert_int_eq(policy.rules[0].post_quantum, POLICY_POST_QUANTUM_REQUIRE);
    }
}
END_TEST

START_TEST(a_sealing_key_without_sealing_is_refused)
{
    expect_refused(LISTEN "clients = a\n",
                   "test.conf:3: clients has no effect alone, expected seal = require as well");
    expect_refused(LISTEN "seal = off\nlayer = tls\n",
                   "test.conf:4: layer has no effect alone, expected seal = require as well");
    expect_refused(CONNECT "peer = a\n", "test.conf:3: peer has no effect alone, expected seal = require as well");
    expect_refused(CONNECT "service = a\n",
                   "test.conf:3: service has no effect alone, expected seal = require as well");
    expect_refused(LISTEN "post-quantum = off\n",
                   "test.conf:3: post-quantum has no effect alone, expected seal = require as well");
}
END_TEST

START_TEST(bad_values_of_a_rule_are_refused)
{
    expect_refused(LISTEN "seal = yes\n", "test.conf:3: seal = yes, expected off, require or prefer");
    expect_refused(LISTEN "layer = ip\n", "test.conf:3: layer = ip, expected socket or tls");
    expect_refused(LISTEN "clients = a, any\n",
                   "test.conf:3: clients lists any together with names, expected either any or names");
    expect_refused(LISTEN "clients = a, a\n", "test.conf:3: clients a is listed twice, expected it once");
    expect_refused(LISTEN "clients = a b\n",
                   "test.conf:3: clients = a b, expected a name of letters, digits, '.', '_', '-' and '@'");
    expect_refused(LISTEN "service = /\n",
                   "test.conf:3: service = /, expected a name of letters, digits, '.', '_', '-' and '@'");
    expect_refused(CONNECT "peer = a\npeer = a\n", "test.conf:4: peer a is listed twice, expected it once");
    expect_refused(LISTEN "plaintext = off\n",
                   "test.conf:3: plaintext = off, expected log, refuse, starttls or allow");
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("rules");
    tcase_add_test(cases, every_key_of_wire_is_accepted);
    tcase_add_test(cases, every_key_of_seal_is_accepted);
    tcase_add_test(cases, an_identity_may_be_a_key_of_the_agent);
    tcase_add_test(cases, a_path_may_begin_with_the_folder_of_a_services_credentials);
    tcase_add_test(cases, bad_values_of_seal_are_refused);
    tcase_add_test(cases, a_duration_needs_a_unit_and_lies_between_1ms_and_1h);
    tcase_add_test(cases, every_key_of_listen_is_accepted);
    tcase_add_test(cases, every_key_of_connect_is_accepted);
    tcase_add_test(cases, a_rule_name_is_unique_in_its_direction);
    tcase_add_test(cases, more_than_64_rules_are_refused);
    tcase_add_test(cases, more_than_256_addresses_are_refused);
    tcase_add_test(cases, a_rule_needs_an_address);
    tcase_add_test(cases, a_malformed_address_is_refused);
    tcase_add_test(cases, a_malformed_port_is_refused);
    tcase_add_test(cases, a_malformed_prefix_is_refused);
    tcase_add_test(cases, a_sealing_rule_needs_its_keys);
    tcase_add_test(cases, prefer_is_for_listening_sockets_that_admit_any_client);
    tcase_add_test(cases, post_quantum_is_a_choice_that_clients_cannot_leave_open);
    tcase_add_test(cases, post_quantum_is_required_only_where_this_build_has_it);
    tcase_add_test(cases, a_sealing_key_without_sealing_is_refused);
    tcase_add_test(cases, bad_values_of_a_rule_are_refused);
    return run_suite(cases, "policy rules");
}
