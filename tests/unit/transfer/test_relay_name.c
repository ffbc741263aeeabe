/*
 * The addresses of a relayed connection: events about TLS on it name the TCP connection, not the Unix socket.
 */
#include "../suite.h"

#include <arpa/inet.h>
#include <string.h>
#include <unistd.h>

#include "audit/addresses.h"
#include "base/process.h"
#include "config/init.h"
#include "connection/connection.h"
#include "fd/change.h"
#include "fd/plane.h"
#include "transfer/relay_name.h"

static bool seals = true;

bool pfswrap_seals(void)
{
    return seals;
}

const struct address_resolver *const address_resolvers[] = {&relay_address_resolver, NULL};
const struct plane *const planes[] = {NULL};
const struct process_observer *const process_observers[] = {NULL};

static struct connection connection;
static int ends[2]; /* of a socket pair: the program's, and the relay's with the name */

static void use_addresses(int family, const char *self, uint16_t self_port, const char *peer, uint16_t peer_port)
{
    struct sockaddr_in *in[2] = {(void *)&connection.self, (void *)&connection.peer};
    struct sockaddr_in6 *in6[2] = {&connection.self, &connection.peer};
    const char *const texts[2] = {self, peer};
    for (int i = 0; i < 2; i++) {
        in6[i]->sin6_family = (sa_family_t)family;
        in6[i]->sin6_port = htons(i == 0 ? self_port : peer_port);
        void *bytes = family == AF_INET ? (void *)&in[i]->sin_addr : (void *)&in6[i]->sin6_addr;
        ck_assert_int_eq(inet_pton(family, texts[i], bytes), 1);
    }
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    ck_assert_int_eq(relay_name_bind(ends[1], &connection), 0);
}

START_TEST(events_have_the_addresses_of_the_tcp_connection)
{
    struct audit_addresses addresses;
    use_addresses(AF_INET, "192.0.2.1", 443, "198.51.100.7", 40000);
    audit_addresses_read(&addresses, ends[0]);
    ck_assert_str_eq(addresses.local, "192.0.2.1:443");
    ck_assert_str_eq(addresses.peer, "198.51.100.7:40000");
}
END_TEST

START_TEST(the_same_for_ipv6)
{
    struct audit_addresses addresses;
    use_addresses(AF_INET6, "2001:db8::1", 443, "2001:db8::2", 40000);
    audit_addresses_read(&addresses, ends[0]);
    ck_assert_str_eq(addresses.local, "[2001:db8::1]:443");
    ck_assert_str_eq(addresses.peer, "[2001:db8::2]:40000");
}
END_TEST

START_TEST(other_unix_sockets_stay_unix_sockets)
{
    struct audit_addresses addresses;
    use_addresses(AF_INET, "192.0.2.1", 443, "198.51.100.7", 40000);
    audit_addresses_read(&addresses, ends[1]); /* the relay's own end */
    ck_assert_str_eq(addresses.local, "unix");
    ck_assert_str_eq(addresses.peer, "unix");
    int others[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, others), 0);
    audit_addresses_read(&addresses, others[0]);
    ck_assert_str_eq(addresses.peer, "unix");
}
END_TEST

START_TEST(a_process_whose_policy_seals_nothing_has_no_relayed_connections)
{
    struct audit_addresses addresses;
    seals = false;
    use_addresses(AF_INET, "192.0.2.1", 443, "198.51.100.7", 40000);
    audit_addresses_read(&addresses, ends[0]);
    ck_assert_str_eq(addresses.peer, "unix");
}
END_TEST

START_TEST(a_connection_without_a_socket_has_no_addresses)
{
    struct audit_addresses addresses;
    audit_addresses_read(&addresses, -1);
    ck_assert_str_eq(addresses.local, "");
    ck_assert_str_eq(addresses.peer, "");
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("relay_name");
    tcase_add_test(cases, events_have_the_addresses_of_the_tcp_connection);
    tcase_add_test(cases, the_same_for_ipv6);
    tcase_add_test(cases, other_unix_sockets_stay_unix_sockets);
    tcase_add_test(cases, a_process_whose_policy_seals_nothing_has_no_relayed_connections);
    tcase_add_test(cases, a_connection_without_a_socket_has_no_addresses);
    return run_suite(cases, "relay_name");
}
