/*
 * Which connections have the inner layer: by their address, or, where that is not known, by what all rules require.
 */
#include "../suite.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "config/init.h"
#include "fd/program_socket.h"
#include "tls/layer.h"

static struct policy policy;

const struct policy *pfswrap_policy(void)
{
    return &policy;
}

/* libssl's descriptors, and the addresses of the socket; port 0: the socket has no such address. */
static int read_fd = -1, write_fd = -1;
static in_port_t local_port, peer_port;

bool program_socket_address(int fd, enum program_socket_end end, struct sockaddr_storage *address,
                            socklen_t *length)
{
    const in_port_t port = end == PROGRAM_SOCKET_LOCAL ? local_port : peer_port;
    const struct sockaddr_in in = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    ck_assert(fd == read_fd || fd == write_fd);
    memcpy(address, &in, sizeof in);
    *length = sizeof in;
    return port != 0;
}

static int fake_read_fd(const SSL *ssl)
{
    (void)ssl;
    return read_fd;
}

static int fake_write_fd(const SSL *ssl)
{
    (void)ssl;
    return write_fd;
}

static const struct libssl lib = {.SSL_get_rfd = fake_read_fd, .SSL_get_wfd = fake_write_fd};

/* Rules for these ports of 127.0.0.1, in this order, behind `[seal]`. */
static void use_rules(const char *rules)
{
    static char text[2048];
    struct policy_error error;
    (void)snprintf(text, sizeof text, "[seal]\nidentity = /key\npeers = /peers\n%s", rules);
    ck_assert_msg(policy_parse(&policy, "test", text, strlen(text), &error) == 0, "%s", error.text);
}

static const char two_ports[] = "[listen tls]\naddress = 127.0.0.1:443\nseal = require\nlayer = tls\n"
                                "[listen socket]\naddress = 127.0.0.1:80\nseal = require\n"
                                "[connect tls]\naddress = 127.0.0.1:443\nseal = require\nlayer = tls\npeer = it\n"
                                "[connect off]\naddress = 127.0.0.1:8443\nseal = off\n";

static const char *reason; /* what the last look-up returned */

/* The name of the rule that applies; NULL: none. */
static const char *rule_for(bool server)
{
    const struct policy_rule *rule = &policy.rules[0];
    reason = layer_rule_find(&lib, NULL, server, &rule);
    return rule != NULL ? rule->name : NULL;
}

START_TEST(a_server_has_the_rule_for_its_local_address_and_a_client_the_one_for_its_peers)
{
    use_rules(two_ports);
    read_fd = write_fd = 5;
    local_port = 443;
    peer_port = 1234;
    ck_assert_str_eq(rule_for(true), "tls");
    ck_assert_int_eq((int)policy.rules[0].direction, POLICY_LISTEN);
    ck_assert_ptr_null(rule_for(false));
    ck_assert_ptr_null(reason);
    local_port = 1234;
    peer_port = 443;
    ck_assert_ptr_null(rule_for(true));
    ck_assert_str_eq(rule_for(false), "tls");
}
END_TEST

START_TEST(rules_for_sockets_and_rules_that_do_not_seal_give_no_layer)
{
    use_rules(two_ports);
    read_fd = write_fd = 5;
    local_port = 80;
    peer_port = 8443;
    ck_assert_ptr_null(rule_for(true));
    ck_assert_ptr_null(reason);
    ck_assert_ptr_null(rule_for(false));
    ck_assert_ptr_null(reason);
}
END_TEST

START_TEST(a_connection_that_libssl_only_writes_to_has_an_address_as_well)
{
    use_rules(two_ports);
    write_fd = 6;
    local_port = 80;
    ck_assert_ptr_null(rule_for(true)); /* by its address: without a socket it would be the rule of port 443 */
    local_port = 443;
    ck_assert_str_eq(rule_for(true), "tls");
}
END_TEST

START_TEST(without_a_socket_the_only_rule_of_the_direction_applies)
{
    use_rules(two_ports);
    ck_assert_str_eq(rule_for(true), "tls");
    ck_assert_ptr_null(reason);
    ck_assert_str_eq(rule_for(false), "tls");
    use_rules("[listen tls]\naddress = 127.0.0.1:443\nseal = require\nlayer = tls\n");
    ck_assert_ptr_null(rule_for(false));
    ck_assert_ptr_null(reason);
}
END_TEST

START_TEST(a_socket_that_is_not_connected_counts_as_none)
{
    use_rules(two_ports);
    read_fd = write_fd = 5;
    ck_assert_str_eq(rule_for(false), "tls");
}
END_TEST

START_TEST(without_a_socket_rules_that_require_the_same_are_as_good_as_one)
{
    use_rules("[connect a]\naddress = 127.0.0.1:1\nseal = require\nlayer = tls\npeer = it\n"
              "[connect b]\naddress = 127.0.0.1:2\nseal = require\nlayer = tls\npeer = it\n");
    ck_assert_str_eq(rule_for(false), "a");
    ck_assert_ptr_null(reason);
}
END_TEST

START_TEST(without_a_socket_rules_that_differ_refuse_the_connection)
{
    static const struct {
        const char *first, *second;
    } rules[] = {
        {"seal = require\nclients = any\n", "seal = prefer\nclients = any\n"},
        {"seal = require\nclients = it\n", "seal = require\nclients = other\n"},
        {"seal = require\nclients = it\n", "seal = require\nclients = it, other\n"},
        {"seal = require\n", "seal = require\nclients = any\n"},
        {"seal = require\nclients = it\n", "seal = require\nclients = it\nservice = mail\n"},
    };
    char text[512];
    (void)snprintf(text, sizeof text,
                   "[listen a]\naddress = 127.0.0.1:1\nlayer = tls\n%s"
                   "[listen b]\naddress = 127.0.0.1:2\nlayer = tls\n%s",
                   rules[_i].first, rules[_i].second);
    use_rules(text);
    (void)rule_for(true);
    ck_assert_str_eq(reason,
                     "its addresses cannot be known, and the policy has more than one rule with layer = tls");
}
END_TEST

START_TEST(the_layer_is_in_force_if_one_rule_has_it)
{
    use_rules(_i == 0 ? two_ports : "[listen socket]\naddress = 127.0.0.1:80\nseal = require\n");
    ck_assert_int_eq(layer_in_force(), _i == 0);
    ck_assert_int_eq(layer_in_force(), _i == 0);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("layer_rule");
    tcase_add_test(cases, a_server_has_the_rule_for_its_local_address_and_a_client_the_one_for_its_peers);
    tcase_add_test(cases, rules_for_sockets_and_rules_that_do_not_seal_give_no_layer);
    tcase_add_test(cases, a_connection_that_libssl_only_writes_to_has_an_address_as_well);
    tcase_add_test(cases, without_a_socket_the_only_rule_of_the_direction_applies);
    tcase_add_test(cases, a_socket_that_is_not_connected_counts_as_none);
    tcase_add_test(cases, without_a_socket_rules_that_require_the_same_are_as_good_as_one);
    tcase_add_loop_test(cases, without_a_socket_rules_that_differ_refuse_the_connection, 0, 5);
    tcase_add_loop_test(cases, the_layer_is_in_force_if_one_rule_has_it, 0, 2);
    return run_suite(cases, "layer_rule");
}
