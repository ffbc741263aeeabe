/*
 * Which rule applies to real sockets on the loopback, and the answer if a system call filter hides their addresses.
 */
#include "../suite.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "rules/rules.h"

static struct policy policy;

/* Rules without keys: files are named and never opened. */
static void load(const char *text)
{
    static struct policy_error error;
    char whole[4096];
    (void)snprintf(whole, sizeof whole, "[seal]\nidentity = /a\npeers = /b\n%s", text);
    ck_assert_msg(policy_parse(&policy, "test.conf", whole, strlen(whole), &error) == 0, "%s", error.text);
}

static struct sockaddr_in address_4(const char *host, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    ck_assert_int_eq(inet_pton(AF_INET, host, &address.sin_addr), 1);
    return address;
}

static struct sockaddr_in6 address_6(const char *host, int port)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    ck_assert_int_eq(inet_pton(AF_INET6, host, &address.sin6_addr), 1);
    return address;
}

/* A socket bound to `host`, at a port of the kernel's choice; NULL: not bound. */
static int socket_4(int type, const char *host)
{
    const int fd = socket(AF_INET, type, 0);
    ck_assert_int_ge(fd, 0);
    if (host != NULL) {
        const struct sockaddr_in address = address_4(host, 0);
        ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    }
    return fd;
}

static int socket_6(const char *host)
{
    const int fd = socket(AF_INET6, SOCK_STREAM, 0), off = 0;
    if (fd < 0)
        return -1;
    ck_assert_int_eq(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off), 0);
    if (host != NULL) {
        const struct sockaddr_in6 address = address_6(host, 0);
        ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    }
    return fd;
}

/* The answer and the rule's name, in one string. */
static const char *said(enum rule_answer answer, const struct policy_rule *rule)
{
    ck_assert_int_eq(rule != NULL, answer == RULE_FOUND);
    return answer == RULE_NONE ? "none" : answer == RULE_UNKNOWN ? "unknown" : rule->name;
}

static const char *connect_any(int fd, const void *address, socklen_t length)
{
    const struct policy_rule *rule;
    errno = EXDEV;
    const enum rule_answer answer = rule_for_connect(&policy, fd, address, length, &rule);
    ck_assert_int_eq(errno, EXDEV);
    return said(answer, rule);
}

static const char *connect_4(int fd, const char *host, int port)
{
    const struct sockaddr_in address = address_4(host, port);
    return connect_any(fd, &address, sizeof address);
}

static const char *connect_6(int fd, const char *host, int port)
{
    const struct sockaddr_in6 address = address_6(host, port);
    return connect_any(fd, &address, sizeof address);
}

static const char *accepted_from(int fd, int listener)
{
    const struct policy_rule *rule;
    errno = EXDEV;
    const enum rule_answer answer = rule_for_accept(&policy, fd, listener, &rule, NULL);
    ck_assert_int_eq(errno, EXDEV);
    return said(answer, rule);
}

static const char *accepted(int fd)
{
    return accepted_from(fd, -1);
}

static const char *opened(int fd)
{
    const struct policy_rule *rule;
    errno = EXDEV;
    const enum rule_answer answer = rule_for_open(&policy, fd, &rule);
    ck_assert_int_eq(errno, EXDEV);
    return said(answer, rule);
}

/* A TCP connection from 127.0.0.3 to 127.0.0.2, and the port it goes to. */
struct pair {
    int client, server, port;
};

static struct pair connected(void)
{
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    const int listener = socket_4(SOCK_STREAM, "127.0.0.2");
    struct pair pair = {.client = socket_4(SOCK_STREAM, "127.0.0.3")};
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    pair.port = ntohs(address.sin_port);
    ck_assert_int_eq(connect(pair.client, (const struct sockaddr *)&address, length), 0);
    pair.server = accept(listener, NULL, NULL);
    ck_assert_int_ge(pair.server, 0);
    ck_assert_int_eq(close(listener), 0);
    return pair;
}

/* From here on these system calls of the process fail with EPERM. */
static void forbid(const int *calls, size_t count)
{
    struct sock_filter filter[16] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    };
    unsigned short length = 1;
    for (size_t i = 0; i < count; i++) {
        filter[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)calls[i], 0, 1);
        filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
    }
    filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    const struct sock_fprog program = {.len = length, .filter = filter};
    ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

START_TEST(a_connect_rule_is_found_by_the_address_a_connection_goes_to)
{
    load("[connect first]\naddress = 127.0.0.1:1000\nseal = require\npeer = b\n"
         "[connect second]\naddress = 127.0.0.0/8:*\nplaintext = refuse\n"
         "[listen third]\naddress = 127.0.0.9:*\nplaintext = refuse\n");
    const int fd = socket_4(SOCK_STREAM, NULL);
    ck_assert_str_eq(connect_4(fd, "127.0.0.1", 1000), "first");
    ck_assert_str_eq(connect_4(fd, "127.0.0.1", 1001), "second");
    ck_assert_str_eq(connect_4(fd, "127.0.0.9", 1), "second");
    ck_assert_str_eq(connect_4(fd, "192.0.2.1", 1000), "none");
}
END_TEST

START_TEST(the_unspecified_address_is_where_the_kernel_takes_it)
{
    load("[connect loop]\naddress = 127.0.0.1:*\nplaintext = refuse\n"
         "[connect own]\naddress = 127.0.0.5:*\nplaintext = refuse\n"
         "[connect loop6]\naddress = [::1]:*\nplaintext = refuse\n");
    ck_assert_str_eq(connect_4(socket_4(SOCK_STREAM, NULL), "0.0.0.0", 1), "loop");
    ck_assert_str_eq(connect_4(socket_4(SOCK_STREAM, "0.0.0.0"), "0.0.0.0", 1), "loop");
    ck_assert_str_eq(connect_4(socket_4(SOCK_STREAM, "127.0.0.5"), "0.0.0.0", 1), "own");
    const int fd = socket_6(NULL);
    if (fd < 0)
        return; /* no IPv6 here */
    ck_assert_str_eq(connect_6(fd, "::", 1), "loop6");
    ck_assert_str_eq(connect_6(fd, "::ffff:0.0.0.0", 1), "loop");
    const int bound = socket_6("::ffff:127.0.0.5");
    ck_assert_str_eq(connect_6(bound, "::", 1), "loop");
    ck_assert_str_eq(connect_6(bound, "::ffff:0.0.0.0", 1), "own");
}
END_TEST

START_TEST(a_rule_may_name_the_unspecified_address)
{
    load("[connect all]\naddress = 0.0.0.0:80\nplaintext = refuse\n"
         "[connect other]\naddress = 192.0.2.1:*\nplaintext = refuse\n");
    ck_assert_str_eq(connect_4(socket_4(SOCK_STREAM, NULL), "0.0.0.0", 80), "all");
    ck_assert_str_eq(connect_4(socket_4(SOCK_STREAM, NULL), "0.0.0.0", 81), "none");
}
END_TEST

START_TEST(rules_are_for_tcp_only)
{
    load("[connect all]\naddress = 0.0.0.0:*\nplaintext = refuse\n"
         "[listen any]\naddress = 0.0.0.0:*\nseal = require\nclients = any\n");
    int ends[2];
    const int tcp = socket_4(SOCK_STREAM, "127.0.0.1"), udp = socket_4(SOCK_DGRAM, "127.0.0.1");
    ck_assert_str_eq(connect_4(tcp, "127.0.0.1", 1), "all");
    ck_assert_str_eq(accepted(tcp), "any");
    ck_assert_str_eq(connect_4(udp, "127.0.0.1", 1), "none");
    ck_assert_str_eq(accepted(udp), "none");
    const struct sockaddr_in address = address_4("127.0.0.1", 9);
    ck_assert_int_eq(connect(udp, (const struct sockaddr *)&address, sizeof address), 0);
    ck_assert_str_eq(opened(udp), "none");
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    ck_assert_str_eq(accepted(ends[0]), "none");
    ck_assert_str_eq(opened(ends[0]), "none");
    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_str_eq(connect_4(ends[0], "127.0.0.1", 1), "none");
    ck_assert_str_eq(accepted(ends[0]), "none");
    ck_assert_str_eq(opened(ends[0]), "none");
    ck_assert_str_eq(connect_4(-1, "127.0.0.1", 1), "none");
    ck_assert_str_eq(accepted(-1), "none");
    ck_assert_str_eq(opened(-1), "none");
}
END_TEST

START_TEST(addresses_of_other_kinds_have_no_rule)
{
    load("[connect all]\naddress = [::]:*\nplaintext = refuse\n");
    const struct sockaddr other = {.sa_family = AF_UNIX};
    const struct sockaddr_in address = address_4("127.0.0.1", 1);
    const int fd = socket_4(SOCK_STREAM, NULL);
    ck_assert_str_eq(connect_any(fd, &address, sizeof address), "all");
    ck_assert_str_eq(connect_any(fd, &address, 8), "none");
    ck_assert_str_eq(connect_any(fd, &other, sizeof other), "none");
    ck_assert_str_eq(connect_any(fd, NULL, 0), "none");
}
END_TEST

START_TEST(a_listen_rule_is_found_by_the_local_address)
{
    load("[listen other]\naddress = 127.0.0.3:*\nplaintext = refuse\n"
         "[listen own]\naddress = 127.0.0.2:*\nplaintext = refuse\n"
         "[connect all]\naddress = 0.0.0.0:*\nplaintext = refuse\n");
    const struct pair pair = connected();
    ck_assert_str_eq(accepted(pair.server), "own");
    ck_assert_str_eq(accepted(pair.client), "other");
}
END_TEST

static int port_of(int fd)
{
    struct sockaddr_in6 address = {0};
    socklen_t length = sizeof address;
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    return ntohs(address.sin6_port); /* at the same place in both families */
}

START_TEST(a_diverted_connection_has_the_rule_of_the_socket_that_accepted_it)
{
    char text[512];
    const int bound = socket_4(SOCK_STREAM, "127.0.0.4"), any = socket_4(SOCK_STREAM, "0.0.0.0");
    const int bound_6 = socket_6("::1"), any_6 = socket_6("::"), other = socket_4(SOCK_STREAM, "127.0.0.5");
    (void)snprintf(text, sizeof text,
                   "[listen bound]\naddress = 127.0.0.4:%d\nplaintext = refuse\n"
                   "[listen any]\naddress = 127.0.0.0/8:%d\nplaintext = refuse\n"
                   "[listen bound-6]\naddress = [::1]:%d\nplaintext = refuse\n"
                   "[listen any-6]\naddress = 0.0.0.0:%d\nplaintext = refuse\n"
                   "[listen own]\naddress = 127.0.0.2:*\nplaintext = refuse\n",
                   port_of(bound), port_of(any), port_of(bound_6), port_of(any_6));
    load(text);
    const struct pair pair = connected();
    ck_assert_str_eq(accepted_from(pair.server, bound), "bound");
    ck_assert_str_eq(accepted_from(pair.server, any), "any");
    ck_assert_str_eq(accepted_from(pair.server, bound_6), "bound-6");
    ck_assert_str_eq(accepted_from(pair.server, any_6), "any-6");
    ck_assert_str_eq(accepted_from(pair.server, other), "own"); /* no rule for the listener */
    ck_assert_str_eq(accepted_from(pair.server, pair.server), "own");
    ck_assert_str_eq(accepted_from(pair.server, -1), "own");
    ck_assert_str_eq(accepted_from(pair.server, 100000), "own");
}
END_TEST

START_TEST(an_open_connection_has_the_rule_that_seals_it_at_either_end)
{
    load("[listen not]\naddress = 127.0.0.2:*\nplaintext = refuse\n"
         "[connect seals]\naddress = 127.0.0.2:*\nseal = require\npeer = b\n"
         "[listen seals-too]\naddress = 127.0.0.3:*\nseal = require\nclients = any\n");
    const struct pair pair = connected();
    ck_assert_str_eq(opened(pair.client), "seals-too");
    ck_assert_str_eq(opened(pair.server), "none");
    load("[connect seals]\naddress = 127.0.0.2:*\nseal = require\npeer = b\n");
    ck_assert_str_eq(opened(pair.client), "seals");
    ck_assert_str_eq(opened(pair.server), "none");
    load("[listen seals]\naddress = 127.0.0.2:*\nseal = prefer\nclients = any\n");
    ck_assert_str_eq(opened(pair.client), "none");
    ck_assert_str_eq(opened(pair.server), "seals");
    ck_assert_str_eq(opened(socket_4(SOCK_STREAM, "127.0.0.2")), "none"); /* not connected */
    load("[listen inner]\naddress = 127.0.0.2:*\nseal = require\nlayer = tls\nclients = any\n");
    ck_assert_str_eq(opened(pair.server), "none");
}
END_TEST

START_TEST(rules_that_seal_and_require_are_told_from_others)
{
    load("[listen a]\naddress = 127.0.0.2:*\nseal = prefer\nclients = any\n"
         "[connect b]\naddress = 127.0.0.2:*\nplaintext = refuse\n"
         "[listen c]\naddress = 127.0.0.3:*\nseal = require\nlayer = tls\nclients = any\n");
    ck_assert(!rules_require(&policy, POLICY_LISTEN));
    ck_assert(!rules_require(&policy, POLICY_CONNECT));
    ck_assert(rule_seals_socket(&policy.rules[0]));
    ck_assert(!rule_seals_socket(&policy.rules[1]));
    ck_assert(!rule_seals_socket(&policy.rules[2]));
    ck_assert(!rule_seals_socket(NULL));
    load("[connect b]\naddress = 127.0.0.2:*\nseal = require\npeer = b\n");
    ck_assert(!rules_require(&policy, POLICY_LISTEN));
    ck_assert(rules_require(&policy, POLICY_CONNECT));
}
END_TEST

START_TEST(without_a_rule_of_its_direction_no_system_call_is_made)
{
    const int calls[] = {SYS_getsockname, SYS_getsockopt};
    const int fd = socket_4(SOCK_STREAM, NULL);
    load("[connect b]\naddress = 127.0.0.2:*\nseal = require\npeer = b\n");
    forbid(calls, 2);
    ck_assert_str_eq(accepted(fd), "none");
    load("[listen a]\naddress = 127.0.0.2:*\nseal = prefer\nclients = any\n");
    ck_assert_str_eq(connect_4(fd, "0.0.0.0", 1), "none");
}
END_TEST

START_TEST(without_addresses_the_answer_is_unknown)
{
    const int calls[] = {SYS_getsockname, SYS_getpeername};
    int ends[2];
    load("[connect b]\naddress = 127.0.0.1:*\nseal = require\npeer = b\n"
         "[connect c]\naddress = 0.0.0.0:*\nplaintext = refuse\n"
         "[listen a]\naddress = 127.0.0.2:*\nseal = require\nclients = any\n");
    const struct pair pair = connected();
    const int udp = socket_4(SOCK_DGRAM, NULL);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    forbid(calls, 2);
    ck_assert_str_eq(connect_4(pair.client, "0.0.0.0", 1), "unknown");
    ck_assert_str_eq(connect_4(pair.client, "127.0.0.1", 1), "b");
    ck_assert_str_eq(accepted(pair.server), "unknown");
    ck_assert_str_eq(opened(pair.server), "unknown");
    ck_assert_str_eq(connect_4(udp, "0.0.0.0", 1), "none");
    ck_assert_str_eq(accepted(udp), "none");
    ck_assert_str_eq(opened(udp), "none");
    ck_assert_str_eq(accepted(ends[0]), "none");
    ck_assert_str_eq(opened(ends[0]), "none");
}
END_TEST

START_TEST(without_any_answer_a_socket_may_be_tcp_of_any_address)
{
    const int calls[] = {SYS_getsockname, SYS_getpeername, SYS_getsockopt};
    load("[connect b]\naddress = 127.0.0.1:*\nseal = require\npeer = b\n"
         "[listen a]\naddress = 127.0.0.2:*\nseal = require\nclients = any\n");
    const int udp = socket_4(SOCK_DGRAM, NULL);
    forbid(calls, 3);
    ck_assert_str_eq(connect_4(udp, "127.0.0.1", 1), "b");
    ck_assert_str_eq(connect_4(udp, "0.0.0.0", 1), "unknown");
    ck_assert_str_eq(accepted(udp), "unknown");
    ck_assert_str_eq(opened(udp), "unknown");
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("rules");
    tcase_add_test(cases, a_connect_rule_is_found_by_the_address_a_connection_goes_to);
    tcase_add_test(cases, the_unspecified_address_is_where_the_kernel_takes_it);
    tcase_add_test(cases, a_rule_may_name_the_unspecified_address);
    tcase_add_test(cases, rules_are_for_tcp_only);
    tcase_add_test(cases, addresses_of_other_kinds_have_no_rule);
    tcase_add_test(cases, a_listen_rule_is_found_by_the_local_address);
    tcase_add_test(cases, a_diverted_connection_has_the_rule_of_the_socket_that_accepted_it);
    tcase_add_test(cases, an_open_connection_has_the_rule_that_seals_it_at_either_end);
    tcase_add_test(cases, rules_that_seal_and_require_are_told_from_others);
    tcase_add_test(cases, without_a_rule_of_its_direction_no_system_call_is_made);
    tcase_add_test(cases, without_addresses_the_answer_is_unknown);
    tcase_add_test(cases, without_any_answer_a_socket_may_be_tcp_of_any_address);
    return run_suite(cases, "rules");
}
